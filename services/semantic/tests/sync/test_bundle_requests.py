"""What people ask over the bus: what is served, a bundle's files, a rollback, a sync."""

from __future__ import annotations

import json

import aiohttp
import pytest

from floe_chassis.bus import Bus
from floe_chassis.errors import RequestFailed, RequestRefused
from floe_chassis.key_values import entries_below
from floe_chassis.requests import ask
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import ARTIFACTS, CUBE_INSTANCES_BUCKET, SEMANTIC
from floe_contracts.errors import BlobMissing
from floe_contracts.events import SemanticSynced
from floe_contracts.nodes import DeclaredMeasure, NodeGraph
from floe_contracts.semantic_requests import (
    LIST_SERVED,
    READ_BUNDLE,
    ROLL_BACK_BUNDLE,
    SYNC_BUNDLE,
    ListServed,
    ReadBundle,
    RollBackBundle,
    ServedProduct,
    SyncBundle,
)
from floe_contracts.semantic_states import KEPT_BUNDLES, CubeInstance, cube_instance_key
from floe_semantic.errors import BundleUnknown, NothingToServe, ProductUnserved

from .fixture_types import Served, Shown, State, Told
from .playing_cube import PROD, PlayedCube, Publisher, polled

pytestmark = pytest.mark.bus


WHERE: dict[str, str] = {"tenant": "default", "environment": "prod"}


async def listed(bus: Bus) -> ServedProduct:
    (product,) = (await ask(bus, LIST_SERVED, ListServed(), **WHERE)).products
    return product


async def gone(bus: Bus, cube: PlayedCube) -> None:
    """Forget a Cube, as the bucket does a minute after it asked last."""
    bucket, key = await bus.key_value(CUBE_INSTANCES_BUCKET), cube_instance_key(PROD, cube.instance)

    async def written() -> bool:
        noted = [CubeInstance.model_validate_json(entry.value or b"") for entry in await entries_below(bucket, key)]
        return any(instance.bundle_digest == cube.serving for instance in noted)

    await cube.poll()
    await eventually(written)
    await bucket.purge(key)


async def test_the_status_follows_what_happens(
    bus: Bus,
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    shown: Shown,
) -> None:
    assert (await ask(bus, LIST_SERVED, ListServed(), **WHERE)).products == ()
    await publish.compiled("a", shop)
    await eventually(lambda: polled(cube, 200))
    assert (await listed(bus)).status == "pending"
    await cube.serve(await shown(cube))
    await cube.poll()

    async def status() -> str:
        return (await listed(bus)).status

    async def is_now(wanted: str) -> bool:
        return await status() == wanted

    await eventually(lambda: is_now("in_sync"))
    (instance,) = (await listed(bus)).instances
    assert (instance.instance, instance.bundle_digest) == ("cube-1", cube.serving)

    await publish.compiled("b", without_orders)
    await eventually(lambda: polled(cube, 200))
    assert await status() == "pending"
    await cube.say("refused", error="no")
    assert await status() == "failed"
    assert [problem.code for problem in (await listed(bus)).problems] == ["FLOE-SEM-006"]
    await publish.retired("c")
    await eventually(lambda: is_now("withdrawn"))


async def test_a_rollback_stays_until_a_sync_ends_it(
    bus: Bus,
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    shown: Shown,
    told: Told,
    state: State,
) -> None:
    first = await served(cube, "a", shop)
    second = await served(cube, "b", without_orders)
    offered = await ask(bus, ROLL_BACK_BUNDLE, RollBackBundle(requester="somebody"), **WHERE)
    assert (offered.offered.bundle_digest, offered.changed, offered.product) == (first, True, "shop")
    assert await cube.poll() == 200
    await cube.serve(await shown(cube))
    back = (await told())[-1].event
    assert isinstance(back, SemanticSynced)
    assert (back.bundle_digest, back.previous_bundle_digest, back.reason) == (first, second, "rolled_back")
    assert (await listed(bus)).status == "pinned"

    waiting = await publish.compiled("c", without_orders, row_owner=None)
    await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    assert await cube.poll() == 304
    pinned = await listed(bus)
    assert pinned.artifact_digest == waiting
    assert pinned.status == "pinned"

    synced = await ask(bus, SYNC_BUNDLE, SyncBundle(requester="somebody"), **WHERE)
    assert synced.offered.artifact_digest == waiting
    assert await cube.poll() == 200
    await cube.serve(await shown(cube))
    assert (await told())[-1].event.reason == "requested"
    assert not (await state()).pinned
    assert (await state()).problems == ()


async def test_a_sync_of_what_is_served_is_told_when_cube_asks_next(
    bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served, told: Told
) -> None:
    digest = await served(cube, "a", shop)
    synced = await ask(bus, SYNC_BUNDLE, SyncBundle(requester="somebody", product="shop"), **WHERE)
    assert (synced.offered.bundle_digest, synced.changed) == (digest, False)
    assert len(await told()) == 1
    await eventually(lambda: polled(cube, 200))
    assert [item.event.reason for item in await told()] == ["compiled", "requested"]


async def test_without_a_cube_nothing_is_in_sync(
    bus: Bus, cube: PlayedCube, publish: Publisher, shop: NodeGraph, served: Served, told: Told
) -> None:
    """The newest artifact wants the very bundle that a Cube once served."""
    await served(cube, "a", shop)
    await gone(bus, cube)
    assert (await listed(bus)).status == "pending"
    await publish.compiled("b", shop, environments={"prod": {}}, compute="duckdb")
    await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    assert (await listed(bus)).status == "pending"
    assert len(await told()) == 1


async def test_the_problem_of_a_cube_goes_with_it(
    bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served, session: aiohttp.ClientSession
) -> None:
    await served(cube, "a", shop)
    await cube.poll()
    other = PlayedCube(session, cube.address, "pod-2")
    await other.poll()
    await other.say("refused", error="out of memory")

    async def is_now(status: str) -> bool:
        return (await listed(bus)).status == status and len((await listed(bus)).instances) == 2

    await eventually(lambda: is_now("failed"))
    await gone(bus, other)
    after = await listed(bus)
    assert (after.status, after.problems) == ("in_sync", ())


async def test_a_rollback_that_cube_refuses_holds_nothing_back(
    bus: Bus,
    cube: PlayedCube,
    publish: Publisher,
    shop: NodeGraph,
    without_orders: NodeGraph,
    served: Served,
    state: State,
) -> None:
    await served(cube, "a", shop)
    await served(cube, "b", without_orders)
    await ask(bus, ROLL_BACK_BUNDLE, RollBackBundle(requester="somebody"), **WHERE)
    await eventually(lambda: polled(cube, 200))
    await cube.say("refused", error="no")
    assert ((await listed(bus)).status, (await state()).pinned) == ("failed", False)
    assert await cube.poll() == 200  # what it serves is offered again
    await served(cube, "c", shop)
    after = (await state()).served
    assert after is not None
    assert after.cause == "c"


async def test_a_bundle_without_its_files_is_not_rolled_back_to(
    bus: Bus, cube: PlayedCube, publish: Publisher, shop: NodeGraph, without_orders: NodeGraph, served: Served
) -> None:
    first = await served(cube, "a", shop)
    await served(cube, "b", without_orders)
    files = json.loads(await publish.blobs.get(first))["files"]
    (publish.folder / files["model/cubes/orders.yml"].replace(":", "/")).unlink()
    with pytest.raises(RequestFailed) as failed:
        await ask(bus, ROLL_BACK_BUNDLE, RollBackBundle(requester="somebody"), **WHERE)
    assert failed.value.problem.code == BlobMissing.code
    assert (await listed(bus)).status != "pinned"


async def test_a_sync_of_what_cannot_be_rendered_says_why(
    bus: Bus, cube: PlayedCube, shop: NodeGraph, publish: Publisher, served: Served
) -> None:
    await served(cube, "a", shop)
    await publish.compiled("b", shop.model_copy(update={"nodes": ()}))
    await eventually(lambda: all_handled(bus, ARTIFACTS, SEMANTIC))
    with pytest.raises(RequestRefused) as refused:
        await ask(bus, SYNC_BUNDLE, SyncBundle(requester="somebody"), **WHERE)
    assert refused.value.problem.code == NothingToServe.code
    assert await cube.poll() == 304


async def test_bundles_are_read_by_digest_by_its_start_and_by_what_was_before(
    bus: Bus, cube: PlayedCube, publish: Publisher, shop: NodeGraph, without_orders: NodeGraph, served: Served
) -> None:
    first = await served(cube, "a", shop)
    second = await served(cube, "b", without_orders)
    for named, digest in (
        (None, second),
        ("previous", first),
        (first, first),
        (first.removeprefix("sha256:")[:8], first),
        (second[:16], second),
    ):
        read = await ask(bus, READ_BUNDLE, ReadBundle(bundle=named), **WHERE)
        assert read.bundle_digest == digest
        texts = [await publish.blobs.get(file.digest) for file in read.files]
        assert all(texts)
    assert [file.path for file in read.files] == ["model/cubes/customers.yml"]


@pytest.mark.parametrize("named", ["previous", "sha256:ffff", "abcdef0123", ""])
async def test_bundles_that_there_are_not(
    bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served, named: str
) -> None:
    await served(cube, "a", shop)
    with pytest.raises(RequestRefused) as refused:
        await ask(bus, READ_BUNDLE, ReadBundle(bundle=named), **WHERE)
    assert refused.value.problem.code == BundleUnknown.code


@pytest.mark.parametrize("product", ["shoop", None])
async def test_products_that_there_are_not(
    bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served, product: str | None
) -> None:
    if product is not None:
        await served(cube, "a", shop)
    for operation, request in (
        (READ_BUNDLE, ReadBundle(product=product)),
        (ROLL_BACK_BUNDLE, RollBackBundle(product=product, requester="x")),
        (SYNC_BUNDLE, SyncBundle(product=product, requester="x")),
    ):
        with pytest.raises(RequestRefused) as refused:
            await ask(bus, operation, request, **WHERE)  # type: ignore[arg-type]
        assert refused.value.problem.code == ProductUnserved.code
        if product is not None:
            assert "shop" in str(refused.value.problem.hint)


async def test_an_environment_without_any_is_told_beside_what_there_is(
    bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served
) -> None:
    await served(cube, "a", shop)
    for product in ("shop", None):
        with pytest.raises(RequestRefused) as refused:
            await ask(bus, READ_BUNDLE, ReadBundle(product=product), **(WHERE | {"environment": "prd"}))
        problem = refused.value.problem
        assert (problem.message, problem.hint) == ("nothing is served in prd", "did you mean 'prod'?")


async def test_it_is_told_how_much_was_left_out(bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served) -> None:
    broken = DeclaredMeasure(name="broken", type="sum", sql="amount +")
    graph = shop.model_copy(
        update={"nodes": tuple(node.model_copy(update={"measures": (broken,)}) for node in shop.nodes)}
    )
    await served(cube, "a", graph)
    wanted = (await listed(bus)).wanted
    assert wanted is not None
    before = wanted.left_out
    assert before > 0
    await served(cube, "b", shop)
    wanted = (await listed(bus)).wanted
    assert wanted is not None
    assert wanted.left_out < before
    back = await ask(bus, ROLL_BACK_BUNDLE, RollBackBundle(requester="somebody"), **WHERE)
    assert back.offered.left_out == before


async def test_ten_bundles_are_kept_to_go_back_to(bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served) -> None:
    digests = [
        await served(cube, f"a{number}", shop, row_owner=("brand", f"claim_{number}"))
        for number in range(KEPT_BUNDLES + 2)
    ]
    history = (await listed(bus)).history
    assert [item.bundle_digest for item in history] == list(reversed(digests))[:KEPT_BUNDLES]
