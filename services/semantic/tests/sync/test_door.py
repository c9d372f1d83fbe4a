"""Who gets in at Cube's door, and what happens to rubbish."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from floe_chassis.bus import Bus
from floe_chassis.service import Service
from floe_chassis.testing import eventually
from floe_chassis.topology import SEMANTIC_STATES_BUCKET
from floe_contracts.nodes import NodeGraph
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.errors import (
    CubeDoorClosed,
    CubeRequestInvalid,
    CubeRequestTooLarge,
    CubeUnauthorized,
    NothingOffered,
    OfferOutdated,
    ProductUnserved,
    StateChanging,
    StatesNotRead,
)

from .fixture_types import Told
from .playing_cube import PROD, PlayedCube, Publisher, Start, polled

pytestmark = pytest.mark.bus


BUNDLE = "/v1/cube/bundle"
VERDICTS = "/v1/cube/verdicts"
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("token", [None, "", "other", "secre", "secret2", "sécret"])
async def test_a_caller_without_the_token_gets_nothing(
    token: str | None, start: Start, session: aiohttp.ClientSession, publish: Publisher, shop: NodeGraph
) -> None:
    async with start(FLOE_SEMANTIC_CUBE_TOKEN="secret") as service:
        cube = PlayedCube(session, str(service.http_address))
        await publish.compiled("a", shop)
        for path, method in ((BUNDLE, "GET"), (VERDICTS, "POST")):
            cube.token = token
            status, problem, headers = await cube.ask(method, path)
            assert (status, problem["code"]) == (401, CubeUnauthorized.code)
            assert headers["WWW-Authenticate"] == "Bearer"
        cube.token = "secret"
        await eventually(lambda: polled(cube, 200))
        assert (await cube.ask("GET", "/readyz"))[0] in (200, 503)


async def test_without_a_token_other_machines_get_nothing(start: Start, session: aiohttp.ClientSession) -> None:
    async with start(FLOE_HTTP_HOST="0.0.0.0") as service:  # noqa: S104
        port = str(service.http_address).rpartition(":")[2]
        status, problem, _ = await PlayedCube(session, f"http://127.0.0.1:{port}").ask("GET", BUNDLE)
        assert (status, problem["code"]) == (403, CubeDoorClosed.code)
        assert "FLOE_SEMANTIC_CUBE_TOKEN" in problem["hint"]
        assert (await PlayedCube(session, f"http://127.0.0.1:{port}").ask("GET", "/healthz"))[0] == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "JSON"),
        (b"\xff\x00", "JSON"),
        (b"[]", "object"),
        (b'{"version":"2.0"}', "version"),
        (b'{"instance":"a","bundle_digest":"%s","outcome":"maybe"}' % DIGEST.encode(), "outcome"),
        (b'{"instance":"a","bundle_digest":"../../etc","outcome":"served"}', "bundle_digest"),
        (b'{"instance":"","bundle_digest":"%s","outcome":"refused"}' % DIGEST.encode(), "instance"),
        (b'{"instance":"a","bundle_digest":"%s","outcome":"served"}' % DIGEST.encode(), "cubes"),
        (b'{"instance":"a","bundle_digest":"%s","outcome":"served","cubes":{"a":"b"}}' % DIGEST.encode(), "cubes"),
    ],
    ids=["empty", "no JSON", "array", "major", "outcome", "digest", "instance", "no cubes", "cubes"],
)
async def test_rubbish_is_refused_and_named(cube: PlayedCube, body: bytes, named: str) -> None:
    status, problem, _ = await cube.ask("POST", VERDICTS, data=body)
    assert (status, problem["code"]) == (400, CubeRequestInvalid.code)
    assert named in problem["message"]


async def test_a_body_that_is_too_large_is_refused_while_it_comes(cube: PlayedCube) -> None:
    async def endless() -> Any:
        for _ in range(64):
            yield b" " * 1024 * 1024

    try:
        status, problem, _ = await cube.ask("POST", VERDICTS, data=endless())
    except aiohttp.ClientError:  # it was cut off before all was sent
        return
    assert (status, problem["code"]) == (413, CubeRequestTooLarge.code)


@pytest.mark.parametrize(
    "headers",
    [{"X-Floe-Cube-Serving": "not a digest"}, {"X-Floe-Cube-Instance": "x" * 201}, {"X-Floe-Cube-Instance": "a\tb"}],
    ids=["digest", "long name", "control character"],
)
async def test_headers_are_checked(
    cube: PlayedCube, publish: Publisher, shop: NodeGraph, headers: dict[str, str]
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    status, problem, _ = await cube.ask("GET", BUNDLE, headers=headers)
    assert (status, problem["code"]) == (400, CubeRequestInvalid.code)


async def test_a_wrong_name_is_told_beside_what_there_is(cube: PlayedCube, publish: Publisher, shop: NodeGraph) -> None:
    await publish.compiled("a", shop, environments={"prod": {}, "staging": {}})
    for environment in ("prod", "staging"):
        cube.query, cube.tag = {"environment": environment}, None
        await eventually(lambda: polled(cube, 200))
    for query, message, hint in (
        ({"product": "shpo"}, "no product 'shpo' is served yet", "did you mean 'shop'?"),
        ({"product": "shpo", "environment": "prod"}, "no product 'shpo' is served yet", "did you mean 'shop'?"),
        ({"environment": "prd"}, "no product is served in 'prd' yet", "did you mean 'prod'?"),
        ({"product": "shop", "environment": "dev"}, "shop is not served in 'dev' yet", "known are: prod, staging"),
    ):
        status, problem, _ = await cube.ask("GET", BUNDLE, params=query)
        assert (status, problem["code"]) == (404, NothingOffered.code)
        assert (problem["message"], problem["hint"]) == (message, hint)


async def test_a_verdict_for_what_nobody_offers_is_refused(
    cube: PlayedCube, publish: Publisher, shop: NodeGraph, told: Told
) -> None:
    cube.bundle = {"environment": "prod", "product": "shop", "bundle_digest": DIGEST}
    assert (await cube.say("served", {"orders": ["count"]}))[0] == 409
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    forged = {**cube.bundle, "bundle_digest": DIGEST}
    cube.bundle = forged
    for outcome in ("served", "refused"):
        status, problem, _ = await cube.say(outcome, {"orders": ["count"]})
        assert (status, problem["code"]) == (409, OfferOutdated.code)
    assert not await told()


async def test_a_cube_that_names_no_product_is_given_the_only_one(
    cube: PlayedCube, publish: Publisher, shop: NodeGraph
) -> None:
    await publish.compiled("a", shop, environments={"prod": {}, "dev": {}})
    cube.query = {"environment": "dev"}
    await eventually(lambda: polled(cube, 200))
    assert cube.bundle["environment"] == "dev"
    cube.query = {}
    status, problem, _ = await cube.ask("GET", BUNDLE)
    assert (status, problem["code"]) == (400, ProductUnserved.code)
    assert "shop in dev" in problem["hint"]
    assert "shop in prod" in problem["hint"]
    cube.query = {"environment": "prod", "product": "shopp"}
    assert await cube.poll() == 404


async def test_another_tenant_is_not_seen(
    start: Start, session: aiohttp.ClientSession, publish: Publisher, shop: NodeGraph
) -> None:
    async with start() as own, start(FLOE_TENANT="acme") as other:
        await publish.compiled("a", shop)
        mine = PlayedCube(session, str(own.http_address), environment="prod", product="shop")
        theirs = PlayedCube(session, str(other.http_address), environment="prod", product="shop")
        await eventually(lambda: polled(mine, 200))
        assert await theirs.poll() == 404


async def test_many_cubes_may_ask_at_once(
    semantic: Service, session: aiohttp.ClientSession, publish: Publisher, shop: NodeGraph
) -> None:
    await publish.compiled("a", shop)
    cubes = [PlayedCube(session, str(semantic.http_address), f"cube-{number}") for number in range(50)]
    await eventually(lambda: polled(cubes[0], 200))
    assert await asyncio.gather(*(cube.poll() for cube in cubes[1:])) == [200] * 49
    assert await asyncio.gather(*(cube.poll() for cube in cubes)) == [304] * 50


async def test_states_that_are_not_read_yet_are_waited_for(bus: Bus) -> None:
    states = SemanticStates(bus)
    with pytest.raises(StatesNotRead):
        await states.check()


async def test_a_state_that_others_change_all_the_time_is_given_up(
    bus: Bus, publish: Publisher, shop: NodeGraph, cube: PlayedCube
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    bucket = await bus.key_value(SEMANTIC_STATES_BUCKET)

    class Meddling(SemanticStates):
        async def _write(self, key: str, state: Any, last: int) -> int:
            await bucket.put(key, state.model_dump_json().encode())
            return await super()._write(key, state, last)

    with pytest.raises(StateChanging):
        await Meddling(bus).change(PROD, lambda state: state and state.model_copy(update={"pinned": not state.pinned}))
