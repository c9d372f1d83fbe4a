"""SIGKILL of the service at each step: it ends in sync, and everything is told once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from floe_chassis.bus import Bus
from floe_chassis.fault_points import FOLDER
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually, free_port
from floe_chassis.topology import ARTIFACTS, EVENTS, SEMANTIC
from floe_contracts import subjects
from floe_contracts.events import SemanticSynced, SemanticWithdrawn
from floe_contracts.nodes import NodeGraph

from .fixture_types import Shown, State, Told
from .playing_cube import PlayedCube, Publisher

pytestmark = [pytest.mark.bus, pytest.mark.fault]

Serving = Callable[..., contextlib.AbstractAsyncContextManager[asyncio.subprocess.Process]]

_SERVE = """
import asyncio
import os
from floe_chassis.serving import serve
from floe_semantic.app import create_app

async def main():
    await serve(create_app(os.environ))

asyncio.run(main())
"""


@pytest.fixture
def address() -> str:
    """Where the service listens, whenever it is started."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def points(tmp_path: Path) -> Path:
    folder = tmp_path / "points"
    folder.mkdir()
    return folder


@pytest.fixture
def serving(bus: Bus, environment: dict[str, str], address: str, points: Path) -> Serving:
    """The service in a process of its own."""

    @contextlib.asynccontextmanager
    async def run() -> AsyncIterator[asyncio.subprocess.Process]:
        port = address.rpartition(":")[2]
        variables = {**environment, "FLOE_HTTP_PORT": port, FOLDER: str(points), "FLOE_LOG_LEVEL": "ERROR"}
        variables["PATH"] = os.environ["PATH"]
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _SERVE, env=variables)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return run


@pytest.fixture
async def cube(session: aiohttp.ClientSession, address: str, shown: Shown) -> AsyncIterator[PlayedCube]:
    """A Cube that runs all the time."""
    played = PlayedCube(session, address, environment="prod", product="shop")
    running = asyncio.create_task(played.run(shown))
    yield played
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def in_sync(bus: Bus, state: State, cube: PlayedCube, artifact: str) -> bool:
    now = await state()
    assert now.artifact_digest == artifact
    assert now.served is not None
    assert now.served == now.offered == now.wanted
    assert now.served.artifact_digest == artifact
    assert now.served.bundle_digest == cube.serving
    assert not now.untold
    return await all_handled(bus, ARTIFACTS, SEMANTIC)


@pytest.mark.parametrize(
    "point", ["semantic-held", "semantic-rendered", "semantic-wanted", "semantic-decided", "semantic-told"]
)
async def test_a_service_that_is_killed_between_two_steps(
    point: str,
    bus: Bus,
    points: Path,
    serving: Serving,
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    state: State,
    told: Told,
) -> None:
    (points / point).touch()
    artifact = await publish.compiled("a", shop)
    async with serving() as process:
        await eventually((points / f"{point}.reached").exists)
        process.kill()
        await process.wait()
    async with serving():
        await eventually(lambda: in_sync(bus, state, cube, artifact), timeout=60)
    (synced,) = await told()
    assert isinstance(synced.event, SemanticSynced)
    assert synced.event.artifact_digest == artifact


async def test_a_service_that_is_killed_while_it_withdraws(
    bus: Bus,
    points: Path,
    serving: Serving,
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    state: State,
    told: Told,
) -> None:
    artifact = await publish.compiled("a", shop)
    async with serving() as process:
        await eventually(lambda: in_sync(bus, state, cube, artifact), timeout=60)
        (points / "semantic-decided").touch()
        await publish.retired("b")
        await eventually((points / "semantic-decided.reached").exists)
        process.kill()
        await process.wait()

    async def withdrawn() -> bool:
        return any(isinstance(item.event, SemanticWithdrawn) for item in await told())

    async with serving():
        await eventually(withdrawn, timeout=60)
        await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    assert len(await told()) == 2


async def test_a_service_that_is_killed_at_any_moment(
    bus: Bus,
    serving: Serving,
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    state: State,
    told: Told,
) -> None:
    artifact = ""

    async def listens() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return (await cube.ask("GET", "/healthz"))[0] == 200
        return False

    for number in range(6):
        graph = without_orders if number % 2 else shop
        artifact = await publish.compiled(f"a{number}", graph, row_owner=("brand", f"claim_{number}"))
        async with serving() as process:
            await eventually(listens, timeout=60)
            await asyncio.sleep(number * 0.1)  # later each time: all is done within a few tenths of a second
            process.kill()
            await process.wait()
    async with serving():
        await eventually(lambda: in_sync(bus, state, cube, artifact), timeout=60)
    ids = Counter([str(item.attributes.id) for item in await told()])
    assert set(ids.values()) == {1}
    rendered = read_stream(bus.js, EVENTS, subjects.pattern(subjects.EventKind.SEMANTIC_RENDERED))
    causes = Counter([str((message.headers or {}).get("ce-id")) async for message in rendered])
    assert set(causes.values()) == {1}
    assert set(causes) <= {f"a{number}:prod" for number in range(6)}
