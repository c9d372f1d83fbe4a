"""What people ask over the bus: what is served, a bundle's files, a rollback, a sync."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.errors import RequestRefused
from floe_chassis.requests import ask
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import ARTIFACTS, SEMANTIC
from floe_contracts.cloudevents import Received
from floe_contracts.events import SemanticSynced
from floe_contracts.nodes import NodeGraph
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
from floe_contracts.semantic_states import KEPT_BUNDLES, SemanticState
from floe_semantic.errors import BundleUnknown, NothingToServe, ProductUnserved

from .playing_cube import PlayedCube, Publisher, polled

pytestmark = pytest.mark.bus

Told = Callable[[], Awaitable[list[Received[Any]]]]
State = Callable[..., Awaitable[SemanticState]]
Served = Callable[..., Awaitable[str]]
Shown = Callable[[PlayedCube], Awaitable[dict[str, list[str]]]]

WHERE: dict[str, str] = {"tenant": "default", "environment": "prod"}


async def listed(bus: Bus) -> ServedProduct:
    (product,) = (await ask(bus, LIST_SERVED, ListServed(), **WHERE)).products
    return product


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


async def test_a_sync_of_what_is_served_tells_so_at_once(
    bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served, told: Told
) -> None:
    digest = await served(cube, "a", shop)
    synced = await ask(bus, SYNC_BUNDLE, SyncBundle(requester="somebody", product="shop"), **WHERE)
    assert (synced.offered.bundle_digest, synced.changed) == (digest, False)
    assert [item.event.reason for item in await told()] == ["compiled", "requested"]


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


async def test_ten_bundles_are_kept_to_go_back_to(bus: Bus, cube: PlayedCube, shop: NodeGraph, served: Served) -> None:
    digests = [
        await served(cube, f"a{number}", shop, row_owner=("brand", f"claim_{number}"))
        for number in range(KEPT_BUNDLES + 2)
    ]
    history = (await listed(bus)).history
    assert [item.bundle_digest for item in history] == list(reversed(digests))[:KEPT_BUNDLES]
