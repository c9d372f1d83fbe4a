"""The bus or the blob store is away: Cube is answered all the same, and what was missed is made up for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from floe_chassis.blobs import open_blobs
from floe_chassis.bus import Bus
from floe_chassis.http_server import HttpServer
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import EVENTS
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.nodes import NodeGraph
from floe_contracts.subjects import EventKind
from floe_semantic.app import create_app

from .playing_cube import PlayedCube, Publisher, polled

pytestmark = [pytest.mark.bus, pytest.mark.fault]


async def test_cubes_are_answered_while_the_bus_is_away(
    own_server: NatsServer,
    own_settings: ChassisSettings,
    own_bus: Bus,
    session: aiohttp.ClientSession,
    make_artifact: Callable[..., CompiledArtifacts],
    shown: Callable[[PlayedCube], Awaitable[dict[str, list[str]]]],
    shop: NodeGraph,
    tmp_path: Any,
) -> None:
    publish = Publisher(own_bus, open_blobs(own_settings.blobs_url), make_artifact, tmp_path / "blobs")
    service = create_app(
        {
            "FLOE_NATS_URL": own_settings.nats_url,
            "FLOE_BLOBS_URL": str(own_settings.blobs_url),
            "FLOE_HTTP_PORT": "0",
            "FLOE_PUBLISH_BUDGET": "1",
            "FLOE_SHUTDOWN_GRACE": "3",
        }
    )
    await service.start()
    try:
        async with HttpServer(service):
            cube = PlayedCube(session, str(service.http_address))
            await publish.compiled("a", shop)
            await eventually(lambda: polled(cube, 200))
            own_server.stop()
            assert await cube.poll() == 304
            fresh = PlayedCube(session, cube.address, "cube-2")
            assert await fresh.poll() == 200
            status, problem, _ = await cube.say("served", await shown(cube))
            assert (status, problem["code"]) == (503, "FLOE-BUS-002")
            own_server.start()

            async def served() -> bool:
                status, answer, _ = await cube.say("served", await shown(cube))
                return status == 200 and bool(answer["outcome"] == "served")

            await eventually(served, timeout=60)
            await eventually(lambda: _told_once(own_bus), timeout=60)
    finally:
        await service.stop()


async def _told_once(bus: Bus) -> bool:
    pattern = subjects.pattern(EventKind.SEMANTIC_SYNCED)
    return len([message async for message in read_stream(bus.js, EVENTS, pattern)]) == 1
