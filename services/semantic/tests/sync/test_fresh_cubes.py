"""A Cube that has just started is given what others serve, and what kills it is taken back."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from floe_chassis.bus import Bus
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import ARTIFACTS, SEMANTIC
from floe_contracts.events import SemanticSyncFailed
from floe_contracts.nodes import NodeGraph
from floe_semantic.errors import CubeRefused, NothingOffered, ProductWithdrawn

from .fixture_types import Served, Shown, State, Told
from .playing_cube import PlayedCube, Publisher, Start, polled

pytestmark = pytest.mark.bus


class Processes:
    """A Cube that is started again and again under one name."""

    def __init__(self, session: aiohttp.ClientSession, address: str, instance: str = "cube-1") -> None:
        self._session, self._address, self._instance = session, address, instance
        self._started = 0

    def started(self) -> _Process:
        self._started += 1
        headers = {"X-Floe-Cube-Start": f"{self._instance}-{self._started}"}
        return _Process(self._session, self._address, self._instance, headers)


class _Process(PlayedCube):
    def __init__(self, session: aiohttp.ClientSession, address: str, instance: str, said: dict[str, str]) -> None:
        super().__init__(session, address, instance)
        self.said = said

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        return await super().ask(method, path, **{**options, "headers": {**options.get("headers", {}), **self.said}})


@pytest.fixture
def processes(session: aiohttp.ClientSession, cube: PlayedCube) -> Processes:
    return Processes(session, cube.address)


async def test_what_others_serve_is_given_first_and_then_what_is_offered(
    cube: PlayedCube,
    processes: Processes,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    shown: Shown,
    state: State,
) -> None:
    good = await served(cube, "a", shop)
    await publish.compiled("b", without_orders)
    await eventually(lambda: polled(cube, 200))
    offered = cube.bundle["bundle_digest"]

    fresh = processes.started()
    assert await fresh.poll() == 200
    assert fresh.bundle["bundle_digest"] == good
    assert await fresh.poll() == 304
    await fresh.serve(await shown(fresh))
    known = await state()
    assert known.offered is not None
    assert known.offered.bundle_digest == offered
    assert await fresh.poll() == 200
    assert fresh.bundle["bundle_digest"] == offered
    await fresh.serve(await shown(fresh))
    known = await state()
    assert known.served is not None
    assert known.served.bundle_digest == offered


async def test_who_cannot_take_what_others_serve_is_given_what_is_offered(
    cube: PlayedCube,
    processes: Processes,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    state: State,
) -> None:
    good = await served(cube, "a", shop)
    await publish.compiled("b", without_orders)
    await eventually(lambda: polled(cube, 200))
    fresh = processes.started()
    assert await fresh.poll() == 200
    before = await state()
    assert (await fresh.say("refused", error="this Cube is older"))[:2] == (
        200,
        {"version": "1.0", "outcome": "refused", "offered": cube.bundle["bundle_digest"]},
    )
    assert await state() == before
    fresh.said["X-Floe-Cube-Refused"] = good
    assert await fresh.poll() == 200
    assert fresh.bundle["bundle_digest"] == cube.bundle["bundle_digest"]


async def test_a_bundle_that_ends_a_cube_twice_is_refused_and_the_good_one_serves(
    cube: PlayedCube,
    processes: Processes,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    shown: Shown,
    state: State,
    told: Told,
) -> None:
    good = await served(cube, "a", shop)
    await publish.compiled("b", without_orders)
    await eventually(lambda: polled(cube, 200))
    deadly = cube.bundle["bundle_digest"]
    for _ in range(2):
        fresh = processes.started()
        assert await fresh.poll() == 200
        await fresh.serve(await shown(fresh))
        assert fresh.serving == good
        assert await fresh.poll() == 200
        assert fresh.bundle["bundle_digest"] == deadly
    last = processes.started()
    assert await last.poll() == 200
    assert last.bundle["bundle_digest"] == good
    await last.serve(await shown(last))
    assert await last.poll() == 304
    failed = (await told())[-1].event
    assert isinstance(failed, SemanticSyncFailed)
    (problem,) = (await state()).problems
    assert problem.code == CubeRefused.code
    assert "cube-1 ended" in problem.message


async def test_the_first_bundle_of_all_is_taken_back_too(
    processes: Processes, publish: Publisher, shop: NodeGraph, bus: Bus
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    for _ in range(2):
        assert await processes.started().poll() == 200
    status, problem, _ = await processes.started().ask(
        "GET", "/v1/cube/bundle", headers={"X-Floe-Cube-Instance": "cube-1"}
    )
    assert (status, problem["code"]) == (404, NothingOffered.code)
    assert "ended" in problem["message"]


async def test_an_answer_that_is_lost_and_two_cubes_of_one_name_are_no_endings(
    processes: Processes, publish: Publisher, shop: NodeGraph, bus: Bus
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    one, other = processes.started(), processes.started()
    for _ in range(5):
        assert await polled(one, 200)
        one.tag = None
        assert await polled(other, 200)
        other.tag = None


async def test_a_cube_that_names_no_product_hears_that_its_product_was_retired(
    cube: PlayedCube, publish: Publisher, shop: NodeGraph, served: Served, bus: Bus
) -> None:
    await served(cube, "a", shop)
    await publish.retired("b")
    await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    for query in ({}, {"environment": "prod"}, {"product": "shop"}):
        status, problem, _ = await cube.ask("GET", "/v1/cube/bundle", params=query)
        assert (status, problem["code"]) == (410, ProductWithdrawn.code)
    assert (await cube.ask("GET", "/v1/cube/bundle", params={"product": "other"}))[0] == 404


async def test_where_what_others_serve_is_lost_what_is_offered_is_given(
    start: Start,
    session: aiohttp.ClientSession,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
) -> None:
    async with start() as service:
        cube = PlayedCube(session, str(service.http_address))
        good = await served(cube, "a", shop)
        await publish.compiled("b", without_orders)
        await eventually(lambda: polled(cube, 200))
    (publish.folder / good.replace(":", "/")).unlink()
    async with start() as service:
        fresh = Processes(session, str(service.http_address)).started()
        await eventually(lambda: polled(fresh, 200))
        assert fresh.bundle["bundle_digest"] == cube.bundle["bundle_digest"] != good
