"""Artifacts in at the bus, Cube at the HTTP door: what is offered, served, refused, withdrawn, and told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from floe_chassis.bus import Bus
from floe_chassis.key_values import entries_below
from floe_chassis.requests import ask
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import (
    ARTIFACTS,
    CUBE_INSTANCES_BUCKET,
    EVENTS,
    SEMANTIC,
    SEMANTIC_STATES_BUCKET,
    declared,
)
from floe_chassis.topology_apply import apply as apply_topology
from floe_contracts import subjects
from floe_contracts.cloudevents import Received, decode
from floe_contracts.digests import digest_of
from floe_contracts.errors import BlobMissing, ContractError
from floe_contracts.events import SemanticSynced, SemanticSyncFailed, SemanticWithdrawn, SourceReference
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_requests import SYNC_BUNDLE, SyncBundle
from floe_contracts.semantic_states import CubeInstance, semantic_state_key

from .fixture_types import Served, Shown, State, Told
from .playing_cube import PROD, PlayedCube, Publisher, Start, polled

pytestmark = pytest.mark.bus


def source(ref: str) -> SourceReference:
    return SourceReference(repository="https://git.example.com/shop", ref=ref, commit="c" * 40)


async def withdrawals(told: Told) -> list[Received[Any]]:
    """Those that were told: a Cube hears of one before."""
    return [item for item in await told() if isinstance(item.event, SemanticWithdrawn)]


async def test_a_bundle_is_offered_proven_and_told(
    cube: PlayedCube, publish: Publisher, shop: NodeGraph, shown: Shown, told: Told, state: State
) -> None:
    assert await cube.poll() == 404
    artifact = await publish.compiled("a", shop, environments={"prod": {"pii": ("restrict", ("data_owner",))}})
    await eventually(lambda: polled(cube, 200))
    assert (cube.bundle["product"], cube.bundle["environment"]) == ("shop", "prod")
    assert sorted(file["path"] for file in cube.bundle["files"]) == [
        "model/cubes/customers.yml",
        "model/cubes/orders.yml",
        "model/views/board.yml",
    ]
    assert cube.bundle["verification"] == {"roles": ["data_owner"], "claims": {"brand": "floe"}}
    assert await cube.poll() == 304
    assert (await state()).served is None
    assert not await told()

    await cube.serve(await shown(cube))
    (synced,) = await told()
    event = synced.event
    assert isinstance(event, SemanticSynced)
    assert (event.artifact_digest, event.bundle_digest) == (artifact, cube.serving)
    assert (event.previous_bundle_digest, event.reason) == (None, "compiled")
    assert (event.cubes, event.views) == (("customers", "orders"), ("board",))
    assert event.members > 10
    assert event.policies > 0
    assert synced.attributes.causeid == "a"
    after = await state()
    assert (after.served, after.offered, after.wanted) == (after.history[0],) * 3
    assert await cube.poll() == 304


async def test_verdicts_that_come_twice_and_polls_tell_nothing_anew(
    cube: PlayedCube, shop: NodeGraph, served: Served, shown: Shown, told: Told
) -> None:
    await served(cube, "a", shop)
    await cube.serve(await shown(cube))
    await cube.poll()
    cube.tag = None
    assert await cube.poll() == 200
    assert len(await told()) == 1


async def test_a_refused_bundle_leaves_the_last_good_one(
    cube: PlayedCube,
    shop: NodeGraph,
    without_orders: NodeGraph,
    publish: Publisher,
    served: Served,
    told: Told,
    state: State,
    session: aiohttp.ClientSession,
) -> None:
    good = await served(cube, "a", shop)
    await publish.compiled("b", without_orders)
    await eventually(lambda: polled(cube, 200))
    bad = cube.bundle["bundle_digest"]
    status, answer, _ = await cube.say("refused", error="customers.email is not defined")
    assert (status, answer["outcome"], answer["offered"]) == (200, "refused", good)
    _, failed = await told()
    assert isinstance(failed.event, SemanticSyncFailed)
    assert (failed.event.bundle_digest, failed.event.serving_bundle_digest) == (bad, good)
    assert [problem.code for problem in failed.event.problems] == ["FLOE-SEM-006"]
    assert "customers.email is not defined" in failed.event.problems[0].message
    after = await state()
    assert after.wanted is not None
    assert after.offered is not None
    assert (after.wanted.bundle_digest, after.offered.bundle_digest) == (bad, good)
    fresh = PlayedCube(session, cube.address, "cube-2")
    assert await fresh.poll() == 200
    assert fresh.bundle["bundle_digest"] == good
    assert (await cube.say("served", {"x": ["y"]}))[0] == 409


async def test_without_a_last_good_bundle_nothing_is_offered_and_the_answer_says_why(
    cube: PlayedCube, publish: Publisher, shop: NodeGraph
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    await cube.say("refused", error="no such thing")
    status, problem, _ = await cube.ask("GET", "/v1/cube/bundle")
    assert (status, problem["code"]) == (404, "FLOE-SEM-008")
    assert "no such thing" in problem["message"]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda shown: shown["orders"].remove("amount_sum"), "orders.amount_sum"),
        (lambda shown: shown.pop("board"), "board"),
        (lambda shown: shown["customers"].append("card_number"), "customers.card_number"),
        (lambda shown: shown.update(stray=["count"]), "stray.count"),
    ],
    ids=["member missing", "view missing", "member too many", "cube too many"],
)
async def test_cube_must_show_what_was_rendered(
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    shown: Shown,
    told: Told,
    spoil: Callable[[dict[str, list[str]]], object],
    named: str,
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    wrong = await shown(cube)
    spoil(wrong)
    status, answer, _ = await cube.say("served", wrong)
    assert (status, answer) == (200, {"version": "1.0", "outcome": "refused", "offered": None})
    (failed,) = await told()
    (problem,) = failed.event.problems
    assert problem.code == "FLOE-SEM-007"
    assert named in problem.message


async def test_members_may_come_with_the_name_of_their_cube(
    cube: PlayedCube, publish: Publisher, shop: NodeGraph, shown: Shown
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    await cube.serve({name: [f"{name}.{member}" for member in of] for name, of in (await shown(cube)).items()})


async def test_a_refused_bundle_is_tried_again_when_somebody_offers_it_again(
    cube: PlayedCube, publish: Publisher, shop: NodeGraph, shown: Shown, told: Told
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    await cube.say("refused", error="out of memory")
    await publish.compiled("b", shop)
    await eventually(lambda: polled(cube, 200))
    await cube.serve(await shown(cube))
    assert [type(item.event) for item in await told()] == [SemanticSyncFailed, SemanticSynced]


async def test_an_artifact_with_the_bundle_that_is_served_is_in_sync_when_cube_asks_next(
    cube: PlayedCube, shop: NodeGraph, publish: Publisher, served: Served, told: Told
) -> None:
    digest = await served(cube, "a", shop)
    artifact = await publish.compiled("b", shop, environments={"prod": {}, "dev": {}})

    cube.query = {"environment": "prod", "product": "shop"}
    await eventually(lambda: polled(cube, 200))
    assert len(await told()) == 2
    again = next(item for item in await told() if item.event.artifact_digest == artifact)
    assert (again.event.bundle_digest, again.event.previous_bundle_digest) == (digest, digest)


async def test_an_older_artifact_that_comes_late_does_not_switch_back(
    bus: Bus,
    cube: PlayedCube,
    shop: NodeGraph,
    without_orders: NodeGraph,
    publish: Publisher,
    served: Served,
    state: State,
) -> None:
    digest = await publish.graph(without_orders)
    file = publish.folder / digest.replace(":", "/")
    content = file.read_bytes()
    file.unlink()
    late = await publish.compiled("a", without_orders, stored=digest)

    async def redelivered() -> bool:
        return bool((await bus.js.consumer_info(ARTIFACTS, SEMANTIC)).num_redelivered)

    await eventually(redelivered)
    newest = await served(cube, "b", shop)
    file.write_bytes(content)
    await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    after = await state()
    assert after.artifact_digest != late
    assert after.served is not None
    assert after.offered == after.served
    assert after.served.bundle_digest == newest


async def test_what_is_pushed_elsewhere_does_not_change_what_is_served(
    cube: PlayedCube,
    shop: NodeGraph,
    without_orders: NodeGraph,
    publish: Publisher,
    served: Served,
    state: State,
) -> None:
    refs = {"prod": ("main",), "dev": ("*",)}
    both: dict[str, Any] = {"environments": {"prod": {}, "dev": {}}, "refs": refs}
    cube.query = {"environment": "prod", "product": "shop"}
    digest = await served(cube, "a", shop, source=source("refs/heads/main"), **both)
    await publish.compiled("b", without_orders, source=source("refs/heads/feature"), **both)

    async def in_dev() -> bool:
        found = await state(Place("default", "dev", "shop"))
        return found.offered is not None and found.offered.bundle_digest != digest

    await eventually(in_dev)
    assert await cube.poll() == 304
    offered = (await state()).offered
    assert offered is not None
    assert offered.bundle_digest == digest


async def test_an_environment_that_its_ref_no_longer_builds_is_withdrawn(
    cube: PlayedCube, shop: NodeGraph, publish: Publisher, served: Served, told: Told
) -> None:
    cube.query = {"environment": "prod", "product": "shop"}
    both: dict[str, Any] = {"environments": {"prod": {}, "dev": {}}}
    digest = await served(cube, "a", shop, **both)
    await publish.compiled("b", shop, environments={"dev": {}})
    await eventually(lambda: polled(cube, 410))
    (withdrawn,) = await eventually(lambda: withdrawals(told))
    assert (withdrawn.event.environment, withdrawn.event.bundle_digest) == ("prod", digest)


@pytest.mark.parametrize("how", ["retired", "switched off"])
async def test_a_product_that_is_gone_is_withdrawn_and_may_come_back(
    how: str,
    cube: PlayedCube,
    shop: NodeGraph,
    without_orders: NodeGraph,
    publish: Publisher,
    served: Served,
    told: Told,
) -> None:
    cube.query = {"environment": "prod", "product": "shop"}
    digest = await served(cube, "a", shop)
    if how == "retired":
        await publish.retired("b")
    else:
        await publish.compiled("b", shop, cube=False)
    await eventually(lambda: polled(cube, 410))
    _, problem, _ = await cube.ask("GET", "/v1/cube/bundle", params=cube.query)
    assert problem["code"] == "FLOE-SEM-009"
    (withdrawn,) = await eventually(lambda: withdrawals(told))
    assert withdrawn.event.bundle_digest == digest
    assert len(await told()) == 2
    assert await served(cube, "c", without_orders) != digest
    assert (await told())[-1].event.previous_bundle_digest is None


async def test_a_cube_whose_verdict_was_lost_is_believed_by_what_it_serves(
    cube: PlayedCube, shop: NodeGraph, publish: Publisher, told: Told
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    cube.serving = cube.bundle["bundle_digest"]
    assert await cube.poll() == 304
    (synced,) = await told()
    assert synced.event.bundle_digest == cube.serving


async def test_a_cube_that_refuses_what_another_serves_is_told_of_and_changes_nothing(
    cube: PlayedCube,
    shop: NodeGraph,
    served: Served,
    shown: Shown,
    told: Told,
    state: State,
    session: aiohttp.ClientSession,
) -> None:
    digest = await served(cube, "a", shop)
    other = PlayedCube(session, cube.address, "cube-2")
    await other.poll()
    status, answer, _ = await other.say("refused", error="too old")
    assert (status, answer["outcome"], answer["offered"]) == (200, "refused", digest)
    after = await state()
    assert [(problem.code, problem.path) for problem in after.problems] == [("FLOE-SEM-006", "cube-2")]
    assert len(await told()) == 1
    assert await other.poll() == 304
    await other.serve(await shown(other))
    assert not (await state()).problems


async def test_a_verdict_about_a_former_offer_of_the_same_bundle_is_late(
    bus: Bus,
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    shown: Shown,
    state: State,
    session: aiohttp.ClientSession,
) -> None:
    await served(cube, "a", shop)
    await publish.compiled("b", without_orders)
    await eventually(lambda: polled(cube, 200))
    slow = PlayedCube(session, cube.address, "cube-2")
    slow.serving = cube.serving
    await slow.poll()
    await cube.say("refused", error="out of memory")
    await ask(bus, SYNC_BUNDLE, SyncBundle(requester="somebody", product="shop"), tenant="default", environment="prod")
    await eventually(lambda: polled(cube, 200))
    assert (await slow.say("refused", error="too slow"))[0] == 409
    await cube.serve(await shown(cube))
    assert not (await state()).problems


async def test_what_is_served_is_told_even_if_its_document_is_gone(
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    told: Told,
    state: State,
) -> None:
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    digest = cube.bundle["bundle_digest"]
    (publish.folder / digest.replace(":", "/")).unlink()
    cube.serving = digest
    await cube.poll()
    (synced,) = await told()
    assert (synced.event.bundle_digest, synced.event.cubes) == (digest, ())
    assert "not in the blob store" in synced.event.skipped[0]
    await served(cube, "b", without_orders)
    assert len(await told()) == 2
    assert (await state()).untold == ()


async def test_the_cubes_that_run_are_noted(
    bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served, session: aiohttp.ClientSession
) -> None:
    digest = await served(cube, "a", shop)
    await cube.poll()
    await PlayedCube(session, cube.address, "cube 2/x").poll()
    bucket = await bus.key_value(CUBE_INSTANCES_BUCKET)

    async def both() -> bool:
        entries = await entries_below(bucket, f"{semantic_state_key(PROD)}.*")
        found = [CubeInstance.model_validate_json(entry.value or b"") for entry in entries]
        return {item.instance: item.bundle_digest for item in found} == {"cube-1": digest, "cube 2/x": None}

    await eventually(both)


async def test_an_artifact_that_cannot_be_rendered_leaves_what_is_served(
    cube: PlayedCube, shop: NodeGraph, publish: Publisher, served: Served, state: State
) -> None:
    await served(cube, "a", shop)
    artifact = await publish.compiled("b", shop.model_copy(update={"nodes": ()}))

    async def said() -> bool:
        return bool((await state()).problems)

    await eventually(said)
    after = await state()
    assert (after.artifact_digest, after.problems[0].code) == (artifact, "FLOE-SEM-001")
    assert await cube.poll() == 304


@pytest.mark.parametrize("there", [True, False], ids=["unreadable", "missing"])
async def test_a_node_graph_that_cannot_be_had_is_told_in_the_state(
    cube: PlayedCube, shop: NodeGraph, publish: Publisher, served: Served, state: State, *, there: bool
) -> None:
    await served(cube, "a", shop)
    content = b'{"version": "9.0"}'
    artifact = await publish.compiled(
        "b", shop, stored=await publish.blobs.put(content) if there else digest_of(content)
    )

    async def said() -> bool:
        return bool((await state()).problems)

    await eventually(said)
    after = await state()
    assert (after.artifact_digest, after.unrendered) == (artifact, not there)
    assert after.problems[0].code == (ContractError.code if there else BlobMissing.code)


async def test_what_is_rendered_for_another_branch_says_that_it_is_not_live(
    bus: Bus, publish: Publisher, semantic: Service, shop: NodeGraph
) -> None:
    refs = {"prod": ("main",), "dev": ("*",)}
    both: dict[str, Any] = {"environments": {"prod": {}, "dev": {}}, "refs": refs}
    empty = shop.model_copy(update={"nodes": ()})
    await publish.compiled("a", shop, source=source("refs/heads/main"), **both)
    await publish.compiled("b", shop, source=source("refs/heads/feature"), **both)
    await publish.compiled("c", empty, source=source("refs/heads/feature"), **both)
    await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    messages = [message async for message in read_stream(bus.js, EVENTS, f"{subjects.ROOT}.semantic.>")]
    events = [decode(message.subject, message.headers, message.data) for message in messages]
    live = {str(item.attributes.id): item.event.live for item in events}
    assert live == {
        "a:dev": False,
        "a:prod": True,
        "b:dev": True,
        "b:prod": False,
        "c:dev:failed": True,
        "c:prod:failed": False,
    }


async def test_two_services_tell_one_outcome_once(
    start: Start, session: aiohttp.ClientSession, shop: NodeGraph, publish: Publisher, shown: Shown, told: Told
) -> None:
    async with start() as first, start() as second:
        one = PlayedCube(session, str(first.http_address), "cube-1")
        other = PlayedCube(session, str(second.http_address), "cube-2")
        await publish.compiled("a", shop)
        await eventually(lambda: polled(one, 200))
        await eventually(lambda: polled(other, 200))
        members = await shown(one)
        await one.serve(members)
        await other.serve(members)
        await publish.retired("b")
        for cube in (one, other):
            cube.query = {"environment": "prod", "product": "shop"}
            await eventually(lambda cube=cube: polled(cube, 410))  # type: ignore[misc]
    await eventually(lambda: withdrawals(told))
    assert [type(item.event) for item in await told()] == [SemanticSynced, SemanticWithdrawn]


async def test_the_service_is_ready_when_it_knows_the_states(semantic: Service) -> None:
    async def ready() -> bool:
        return set((await semantic.readiness()).values()) == {"ok"}

    await eventually(ready)


async def test_lost_states_come_back_from_the_artifacts(
    bus: Bus,
    start: Start,
    session: aiohttp.ClientSession,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    state: State,
) -> None:
    refs = {"prod": ("main",), "dev": ("feature",)}
    both: dict[str, Any] = {"environments": {"prod": {}, "dev": {}}, "refs": refs}
    dev = Place("default", "dev", "shop")
    async with start() as service:
        cube = PlayedCube(session, str(service.http_address), environment="prod", product="shop")
        await publish.compiled("older", without_orders, source=source("refs/heads/main"), **both)
        await publish.compiled("feature", without_orders, source=source("refs/heads/feature"), **both)
        await publish.compiled("main", shop, source=source("refs/heads/main"), **both)
        await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
        assert await cube.poll() == 200
        cube.serving = cube.bundle["bundle_digest"]
        before = (await state()).offered, (await state(dev)).offered
    await bus.js.purge_stream(f"KV_{SEMANTIC_STATES_BUCKET}")
    async with start() as service:
        cube.address = str(service.http_address)
        await eventually(lambda: polled(cube, 304))

        async def back() -> bool:
            found = (await state()).served, (await state(dev)).offered
            return [item and item.bundle_digest for item in found] == [item and item.bundle_digest for item in before]

        await eventually(back)


async def test_a_restoring_that_was_cut_off_is_completed(
    bus: Bus, start: Start, publish: Publisher, shop: NodeGraph, without_orders: NodeGraph, state: State
) -> None:
    """Of three, one has its state, one is held to its artifact and was not rendered, one has none."""
    refs = {"prod": ("main",), "dev": ("dev",), "test": ("test",)}
    three: dict[str, Any] = {"environments": {"prod": {}, "dev": {}, "test": {}}, "refs": refs}
    dev, test = Place("default", "dev", "shop"), Place("default", "test", "shop")
    async with start():
        for branch in ("main", "dev", "test"):
            await publish.compiled(branch, shop, source=source(f"refs/heads/{branch}"), **three)
        await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    bucket = await bus.key_value(SEMANTIC_STATES_BUCKET)
    held = (await state(dev)).model_copy(update={"wanted": None, "offered": None, "unrendered": True})
    await bucket.put(semantic_state_key(dev), held.model_dump_json(exclude_none=True).encode())
    await bucket.purge(semantic_state_key(test))

    async def whole() -> bool:
        return all(
            [(await state(place)).offered and not (await state(place)).unrendered for place in (PROD, dev, test)]
        )

    async with start():
        await eventually(whole)


async def test_states_that_are_lost_meanwhile_come_back(
    bus: Bus, start: Start, publish: Publisher, shop: NodeGraph, bus_settings: ChassisSettings, state: State
) -> None:
    async with start():
        await publish.compiled("a", shop)
        await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
        before = (await state()).offered
        await bus.js.delete_stream(f"KV_{SEMANTIC_STATES_BUCKET}")
        await apply_topology(bus, declared(bus_settings))

        async def back() -> bool:
            offered = (await state()).offered
            return None not in (before, offered) and offered.bundle_digest == before.bundle_digest

        await eventually(back, timeout=60)


async def test_what_was_retired_does_not_come_back(
    bus: Bus, start: Start, session: aiohttp.ClientSession, publish: Publisher, shop: NodeGraph
) -> None:
    async with start():
        await publish.compiled("a", shop, environments={"prod": {}, "staging": {}})
        await publish.retired("b")
        await publish.compiled("c", shop, environments={"prod": {}, "dev": {}})
        await publish.compiled("d", shop, environments={"dev": {}})
        await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    await bus.js.purge_stream(f"KV_{SEMANTIC_STATES_BUCKET}")
    async with start() as service:
        cube = PlayedCube(session, str(service.http_address), environment="dev", product="shop")
        await eventually(lambda: polled(cube, 200))
        assert cube.bundle["environment"] == "dev"
        for environment in ("prod", "staging"):
            cube.query = {"environment": environment, "product": "shop"}
            assert await cube.poll() == 404
