"""The semantic service and a real Cube: what is compiled is served without a restart, or the last good one stays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import access_product  # found by the path that conftest.py adds
import pytest
from cube_home import CubeHome
from cube_server import CubeServer, cube_server

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.http_server import HttpServer
from floe_chassis.requests import ask
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually, free_port
from floe_chassis.topology import EVENTS
from floe_contracts import subjects
from floe_contracts.cloudevents import Received, decode
from floe_contracts.digests import canonical_json
from floe_contracts.errors import Transient
from floe_contracts.events import ArtifactCompiled, ArtifactRetired, SemanticSynced, SemanticSyncFailed
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_requests import (
    LIST_SERVED,
    ROLL_BACK_BUNDLE,
    SYNC_BUNDLE,
    ListServed,
    RollBackBundle,
    ServedProduct,
    SyncBundle,
)
from floe_semantic.app import create_app
from floe_semantic.core.rendering import serving
from floe_semantic.core.rendering.render import Bundle, render
from floe_semantic.sync.attempts import OfferAttempts
from floe_semantic.sync.offers import offer_tag

pytestmark = [pytest.mark.bus, pytest.mark.fault]

ENVIRONMENT = "prod"
WHERE = {"tenant": "default", "environment": ENVIRONMENT}
EVERYBODY: dict[str, Any] = {
    "brand": "acme",
    "roles": sorted(
        {role for rules in access_product.POLICIES.values() for _, roles in rules.values() for role in roles}
    ),
}
BROKEN = """\
cubes:
  - name: broken
    sql_table: broken
    dimensions:
      - name: id
        sql: "{no_such_cube.id}"
        type: number
        primary_key: true
"""
_SERVE = """
import asyncio
import os
from floe_chassis.serving import serve
from floe_semantic.app import create_app

async def main():
    await serve(create_app(os.environ))

asyncio.run(main())
"""

Told: TypeAlias = Callable[[], Awaitable[list[Received[Any]]]]


def without(*names: str) -> NodeGraph:
    """The product with some models less."""
    graph = access_product.graph()
    gone = {f"model.shop.{name}" for name in names}
    return graph.model_copy(
        update={
            "nodes": tuple(node for node in graph.nodes if node.unique_id not in gone),
            "semantic_models": tuple(
                model for model in graph.semantic_models if not gone & set(model["depends_on"]["nodes"])
            ),
            "exposures": (),
            "metrics": (),
        }
    )


class Product:
    """The product of the access tests, as it changes."""

    def __init__(self, bus: Bus, blobs: BlobStore) -> None:
        self.bus = bus
        self._blobs = blobs
        self._number = 0

    async def compiled(self, graph: NodeGraph) -> str:
        """Announce it with these nodes; the artifact's digest."""
        self._number += 1
        nodes = await self._blobs.put(canonical_json(graph.model_dump(mode="json")))
        artifact = access_product.artifact()
        environments = {name: item.model_copy(update={"nodes": nodes}) for name, item in artifact.environments.items()}
        artifact = artifact.model_copy(update={"environments": environments})
        await self._blobs.put(artifact.to_bytes())
        event = ArtifactCompiled(
            tenant="default",
            product="shop",
            submission=str(self._number),
            artifact_digest=artifact.digest(),
            artifact=artifact.to_document(),
            seconds=0.1,
        )
        await self.bus.publish(event, id=f"shop:{self._number}")
        return artifact.digest()

    async def status(self, environment: str = ENVIRONMENT) -> ServedProduct:
        try:
            answer = await ask(self.bus, LIST_SERVED, ListServed(), tenant="default", environment=environment)
        except Transient as error:
            raise AssertionError("the service does not answer yet") from error
        assert answer.products
        return answer.products[0]

    async def in_sync(self, artifact: str, environment: str = ENVIRONMENT) -> bool:
        """Whether Cube serves what the artifact wants; fails with the reason where it never will."""
        status = await self.status(environment)
        assert status.artifact_digest == artifact
        assert status.instances
        assert not status.problems, status.problems
        return status.status == "in_sync"


@pytest.fixture
def product(bus: Bus, bus_settings: ChassisSettings) -> Product:
    return Product(bus, open_blobs(bus_settings.blobs_url))


@pytest.fixture
def variables(bus: Bus, bus_settings: ChassisSettings, cube_home: CubeHome) -> dict[str, str]:
    """The environment of the service, at a place that stays."""
    return {
        "FLOE_NATS_URL": bus_settings.nats_url,
        "FLOE_BLOBS_URL": str(bus_settings.blobs_url),
        "FLOE_RETRY_SECONDS": "0.2",
        "FLOE_ACK_WAIT": "2",
        "FLOE_HTTP_PORT": str(free_port()),
        "FLOE_SHUTDOWN_GRACE": "3",
        "FLOE_LOG_LEVEL": "ERROR",
        "FLOE_SEMANTIC_CUBE_TOKEN": "of this test",
    }


@pytest.fixture
async def service(variables: dict[str, str]) -> AsyncIterator[None]:
    semantic = create_app(variables)
    await semantic.start()
    async with HttpServer(semantic):
        yield
    await semantic.stop()


@contextlib.asynccontextmanager
async def running_cube(
    home: CubeHome, folder: Path, variables: dict[str, str], environment: str = ENVIRONMENT
) -> AsyncIterator[CubeServer]:
    """A Cube that asks the service; the loop goes on meanwhile, since the service may run in it."""
    settings = {
        "FLOE_SEMANTIC_URL": f"http://127.0.0.1:{variables['FLOE_HTTP_PORT']}",
        "FLOE_CUBE_TOKEN": variables["FLOE_SEMANTIC_CUBE_TOKEN"],
        "FLOE_ENVIRONMENT": environment,
        "FLOE_PRODUCT": "shop",
        "FLOE_CUBE_POLL_SECONDS": "0.1",
    }
    server = cube_server(home, folder, environment=settings)
    cube = await asyncio.to_thread(server.__enter__)
    try:
        yield cube
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.fixture
async def cube(
    service: None, cube_home: CubeHome, tmp_path: Path, variables: dict[str, str]
) -> AsyncIterator[CubeServer]:
    async with running_cube(cube_home, tmp_path / "cube", variables) as running:
        yield running


@pytest.fixture
def told(bus: Bus) -> Told:
    """What was told of syncs in the environment until now."""

    async def read() -> list[Received[Any]]:
        messages = [message async for message in read_stream(bus.js, EVENTS, f"{subjects.ROOT}.semantic.>")]
        events = [decode(message.subject, message.headers, message.data) for message in messages]
        return [item for item in events if isinstance(item.event, SemanticSynced | SemanticSyncFailed)]

    return read


async def seen(cube: CubeServer) -> dict[str, list[str]]:
    """What somebody with all roles sees."""
    return await asyncio.to_thread(lambda: cube.client(EVERYBODY).members())


@pytest.mark.parametrize("environment", sorted(access_product.POLICIES))
async def test_what_cube_shows_is_what_was_rendered(
    environment: str,
    service: None,
    cube_home: CubeHome,
    tmp_path: Path,
    variables: dict[str, str],
    product: Product,
    told: Told,
) -> None:
    artifact = await product.compiled(access_product.graph())
    async with running_cube(cube_home, tmp_path / "cube", variables, environment) as cube:
        await eventually(lambda: product.in_sync(artifact, environment), timeout=60)
        (synced,) = await told()
        assert isinstance(synced.event, SemanticSynced)
        shown = await seen(cube)
        assert synced.event.members == sum(map(len, shown.values()))
        assert {*synced.event.cubes, *synced.event.views} >= set(shown)


async def test_models_come_change_and_go_without_a_restart(cube: CubeServer, product: Product, told: Told) -> None:
    async def until_served(graph: NodeGraph) -> dict[str, list[str]]:
        artifact = await product.compiled(graph)
        await eventually(lambda: product.in_sync(artifact), timeout=60)
        return await seen(cube)

    pid = cube.pid
    assert set(await until_served(without("payments", "orders"))) == {"customers", "stores"}
    added = await until_served(without("payments"))
    assert set(added) == {"customers", "stores", "orders"}

    graph = without("payments")
    changed = tuple(
        node.model_copy(update={"columns": node.columns[:-1]}) if node.name == "orders" else node
        for node in graph.nodes
    )
    fewer = await until_served(graph.model_copy(update={"nodes": changed}))
    assert set(fewer["orders"]) < set(added["orders"])
    removed = await until_served(without("payments", "orders", "stores"))
    assert set(removed) == {"customers"}

    await ask(product.bus, ROLL_BACK_BUNDLE, RollBackBundle(requester="test"), **WHERE)
    await eventually(lambda: shows(cube, fewer), timeout=60)
    assert (await product.status()).status == "pinned"
    await ask(product.bus, SYNC_BUNDLE, SyncBundle(requester="test"), **WHERE)
    await eventually(lambda: shows(cube, removed), timeout=60)
    assert cube.pid == pid
    reasons = [item.event.reason for item in await told()]
    assert reasons == ["compiled"] * 4 + ["rolled_back", "requested"]


async def shows(cube: CubeServer, members: dict[str, list[str]]) -> bool:
    return await seen(cube) == members


async def test_one_broken_model_never_takes_the_others_down(
    cube: CubeServer, product: Product, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = await product.compiled(without("payments"))
    await eventually(lambda: product.in_sync(good), timeout=60)
    before = await seen(cube)

    def breaking(*arguments: Any) -> Bundle:
        bundle = render(*arguments)
        return Bundle(**{**_fields(bundle), "files": {**bundle.files, "model/cubes/broken.yml": BROKEN}})

    monkeypatch.setattr(serving, "render", breaking)
    bad = await product.compiled(without())

    async def failed() -> bool:
        return any(isinstance(item.event, SemanticSyncFailed) for item in await told())

    await eventually(failed, timeout=60)
    failure = next(item.event for item in await told() if isinstance(item.event, SemanticSyncFailed))
    assert failure.artifact_digest == bad
    assert "no_such_cube" in failure.problems[0].message
    assert await seen(cube) == before
    assert (await product.status()).status == "failed"

    monkeypatch.undo()
    await ask(product.bus, SYNC_BUNDLE, SyncBundle(requester="test"), **WHERE)
    await eventually(lambda: product.in_sync(bad), timeout=60)
    assert "payments" in await seen(cube)


def _fields(bundle: Bundle) -> dict[str, Any]:
    return {name: getattr(bundle, name) for name in bundle.__dataclass_fields__}


async def test_a_product_that_is_retired_is_served_no_more_and_may_come_back(
    cube: CubeServer, product: Product
) -> None:
    artifact = await product.compiled(without("payments"))
    await eventually(lambda: product.in_sync(artifact), timeout=60)
    await asyncio.to_thread(cube.wait_until_ready)
    event = ArtifactRetired(tenant="default", product="shop", submission="gone", reason="removed")
    await product.bus.publish(event, id="retired")

    async def refuses() -> bool:
        answer = await asyncio.to_thread(cube.asked, "/readyz")
        load = await asyncio.to_thread(lambda: cube.client(EVERYBODY).meta())
        return answer is not None and answer.status != 200 and load.status != 200

    await eventually(refuses, timeout=60)
    again = await product.compiled(without("payments"))
    await eventually(lambda: product.in_sync(again), timeout=60)
    await asyncio.to_thread(cube.wait_until_ready)


@contextlib.asynccontextmanager
async def own_process(variables: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {**variables, "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _SERVE, env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_service_and_cube_are_killed_at_any_moment(
    cube_home: CubeHome, tmp_path: Path, variables: dict[str, str], product: Product, told: Told
) -> None:
    chance = random.Random(3)  # noqa: S311
    graphs = [without("payments"), without("payments", "orders"), without()]
    artifact = ""
    async with running_cube(cube_home, tmp_path / "cube", variables) as cube:
        for number in range(6):
            artifact = await product.compiled(graphs[number % 3])
            async with own_process(variables) as process:
                await asyncio.sleep(chance.uniform(0.3, 3.0))
                if number % 2:
                    await asyncio.to_thread(cube.stop, signal.SIGKILL)
                    await asyncio.sleep(chance.uniform(0.0, 0.5))
                    process.kill()
                    await process.wait()
                    await asyncio.to_thread(cube.start)
                else:
                    process.kill()
                    await process.wait()
        async with own_process(variables):
            await asyncio.to_thread(cube.wait_until_ready)  # the service still believes the Cube that was killed
            await eventually(lambda: product.in_sync(artifact), timeout=90)
            assert set(await seen(cube)) >= {"customers", "orders", "payments", "stores"}
    ids = [item.attributes.id for item in await told()]
    assert len(ids) == len(set(ids))
    assert not [item for item in await told() if isinstance(item.event, SemanticSyncFailed)]


async def test_a_bundle_over_which_cube_ends_is_refused_and_the_good_one_serves_meanwhile(
    cube: CubeServer, product: Product, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cube's memory may be too small for a bundle, which it cannot say any more."""
    good = await product.compiled(without("payments", "orders"))
    await eventually(lambda: product.in_sync(good), timeout=60)
    safe = {(await product.status()).served}
    ended: list[str] = []
    given = OfferAttempts.given

    def deadly(self: OfferAttempts, place: Place, instance: str, process: str, tag: str) -> None:
        given(self, place, instance, process, tag)
        if process not in ended and all(offer is None or tag != offer_tag(offer) for offer in safe):
            ended.append(process)
            cube.kill()

    monkeypatch.setattr(OfferAttempts, "given", deadly)
    await product.compiled(without("payments"))
    for times in (1, 2):
        await eventually(lambda times=times: len(ended) == times, timeout=60)
        await asyncio.to_thread(cube.stop)
        await asyncio.to_thread(cube.start)
    await asyncio.to_thread(cube.wait_until_ready)
    assert set(await seen(cube)) == {"customers", "stores"}
    await eventually(lambda: _failed(told), timeout=60)
    assert len(set(ended)) == 2
    status = await product.status()
    assert (status.status, status.offered) == ("failed", status.served)


async def _failed(told: Told) -> bool:
    event = (await told())[-1].event
    return isinstance(event, SemanticSyncFailed) and "ended while it compiled" in event.problems[0].message
