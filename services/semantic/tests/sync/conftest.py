"""A semantic service on a real bus with HTTP, a Cube that is played, and what both say."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nats.js.errors import KeyNotFoundError

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.http_server import HttpServer
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import EVENTS, SEMANTIC_STATES_BUCKET
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.cloudevents import Received, decode
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import SemanticState, semantic_state_key
from floe_semantic.app import create_app

from .playing_cube import PROD, PlayedCube, Publisher, Start, polled


@pytest.fixture
def blobs(bus_settings: ChassisSettings) -> BlobStore:
    return open_blobs(bus_settings.blobs_url)


@pytest.fixture
def environment(bus_settings: ChassisSettings) -> dict[str, str]:
    """The environment of a semantic service."""
    return {
        "FLOE_NATS_URL": bus_settings.nats_url,
        "FLOE_BLOBS_URL": str(bus_settings.blobs_url),
        "FLOE_RETRY_SECONDS": "0.2",
        "FLOE_ACK_WAIT": "2",
        "FLOE_HTTP_PORT": "0",
        "FLOE_SHUTDOWN_GRACE": "3",
    }


@pytest.fixture
def start(bus: Bus, environment: dict[str, str]) -> Start:
    """Start a service, with further settings."""

    @contextlib.asynccontextmanager
    async def run(**settings: str) -> AsyncIterator[Service]:
        service = create_app({**environment, **settings})
        await service.start()

        async def knows_the_states() -> bool:
            return (await service.readiness())["states"] == "ok"

        try:
            async with HttpServer(service):
                await eventually(knows_the_states)
                yield service
        finally:
            await service.stop()

    return run


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def semantic(start: Start) -> AsyncIterator[Service]:
    """The service."""
    async with start() as service:
        yield service


@pytest.fixture
def cube(session: aiohttp.ClientSession, semantic: Service) -> PlayedCube:
    """A Cube that asks it."""
    return PlayedCube(session, str(semantic.http_address))


@pytest.fixture
def publish(bus: Bus, blobs: BlobStore, make_artifact: Callable[..., CompiledArtifacts], tmp_path: Path) -> Publisher:
    return Publisher(bus, blobs, make_artifact, tmp_path / "blobs")


@pytest.fixture
def shown(blobs: BlobStore) -> Callable[[PlayedCube], Awaitable[dict[str, list[str]]]]:
    """What a Cube shows that serves its bundle rightly."""

    async def read(cube: PlayedCube) -> dict[str, list[str]]:
        document = json.loads(await blobs.get(cube.bundle["bundle_digest"]))
        return {**document["cubes"], **document["views"]}

    return read


@pytest.fixture
def told(bus: Bus) -> Callable[[], Awaitable[list[Received[Any]]]]:
    """The service's events until now, in their order, without those of rendering."""

    async def read() -> list[Received[Any]]:
        messages = [message async for message in read_stream(bus.js, EVENTS, f"{subjects.ROOT}.semantic.>")]
        events = [decode(message.subject, message.headers, message.data) for message in messages]
        return [item for item in events if type(item.event).__name__ not in ("SemanticRendered", "SemanticFailed")]

    return read


@pytest.fixture
def state(bus: Bus) -> Callable[..., Awaitable[SemanticState]]:
    """The state of a product as it is stored."""

    async def read(place: Place = PROD) -> SemanticState:
        try:
            entry = await (await bus.key_value(SEMANTIC_STATES_BUCKET)).get(semantic_state_key(place))
        except KeyNotFoundError as error:
            raise AssertionError(f"{place} has no state") from error
        return SemanticState.model_validate_json(entry.value or b"")

    return read


@pytest.fixture
def served(
    publish: Publisher, shown: Callable[[PlayedCube], Awaitable[dict[str, list[str]]]]
) -> Callable[..., Awaitable[str]]:
    """Publish a graph and have a Cube serve it; the digest of the bundle."""

    async def bring(cube: PlayedCube, cause: str, graph: NodeGraph, **more: Any) -> str:
        await publish.compiled(cause, graph, **more)
        await eventually(lambda: polled(cube, 200))
        await cube.serve(await shown(cube))
        return str(cube.serving)

    return bring


@pytest.fixture
def without_orders(shop: NodeGraph) -> NodeGraph:
    """The shop with one model less."""
    return shop.model_copy(update={"nodes": shop.nodes[:1], "semantic_models": (), "metrics": (), "exposures": ()})
