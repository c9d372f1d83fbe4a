"""When tables are maintained: the clock of a service, or of two, at times that the test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from floe_catalog.maintenance.clock import MaintenanceClock
from floe_catalog.maintenance.wiring import start_maintenance
from floe_catalog.wiring import Parts, assemble
from floe_chassis.leases import Lease
from floe_chassis.testing import eventually
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.events.tables import TableMaintained
from floe_contracts.maintenance import CompiledMaintenance

from .conftest import NAMESPACE, PLACE, action_processes, spoil_manifest

pytestmark = pytest.mark.bus

LEASE = "maintenance.default.dev.shop-orders.default_2edev_2eshop-orders_2emain_2eorders"
SMALL = {"min_input_files": 2}
OFF = {"enabled": False}
SELDOM = "0 0 29 2 *"
"""So that no tick comes while a test runs, at whatever time of the day."""


class Times:
    """The time, as the test has it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
async def other_parts(bus: Any, parts: Parts, maintained_environment: dict[str, str]) -> AsyncIterator[Parts]:
    """Another replica."""
    other = assemble(maintained_environment)
    await other.service.bus.connect()
    yield other
    await other.service.stop()


@pytest.fixture
def clock_of(times: Times) -> Callable[..., MaintenanceClock]:
    """The clock of a replica, with a policy; its schedule does not tick unless a test says when."""

    def build(parts: Parts, **policy: Any) -> MaintenanceClock:
        compiled = CompiledMaintenance.model_validate({"compaction": SMALL, "schedule": SELDOM} | policy)

        async def policy_of(place: Any) -> CompiledMaintenance:
            return compiled

        return MaintenanceClock(
            products=parts.records,
            states=parts.states,
            policy_of=policy_of,
            maintenance=start_maintenance(parts),
            at_once=2,
            look_seconds=60,
            clock=times,
        )

    return build


@pytest.fixture
def outcomes(told: Any) -> Callable[[], Any]:
    """Table, action, outcome and requester of all that was told, sorted."""

    async def read() -> list[tuple[str, str, str, str]]:
        events: list[TableMaintained] = [received.event for received in await told()]
        return sorted((one.identifier.rsplit(".")[-1], one.action, one.outcome, one.requester) for one in events)

    return read


async def look(*clocks: MaintenanceClock) -> None:
    """Have them look at the same time, and wait for what they begin."""
    await asyncio.gather(*(clock.look() for clock in clocks))
    await asyncio.gather(*(clock.idle() for clock in clocks))


async def tell(parts: Parts, *names: str) -> None:
    for name in names or ("orders",):
        await parts.teller.tell_table(PLACE, f"{NAMESPACE}.{name}")


async def test_a_table_is_maintained_after_so_many_commits(parts, clock_of, write, outcomes, times) -> None:
    clock = clock_of(parts, after_commits=3, expiry=OFF)
    write(times=2)
    await tell(parts)
    await look(clock)
    assert await outcomes() == []
    write(times=1)
    await tell(parts)
    await look(clock)
    assert await outcomes() == [("orders", "compaction", "done", "commits")]
    state = await parts.states.find(PLACE, f"{NAMESPACE}.orders")
    assert (state.commits_since_maintenance, state.maintained_at) == (0, times.now.isoformat())
    write(times=2)
    await tell(parts)
    await look(clock)
    assert len(await outcomes()) == 1


async def test_every_table_is_maintained_once_at_a_tick_by_whichever_replica(
    parts, other_parts, clock_of, write, outcomes, times
) -> None:
    names = ("orders", "customers", "countries", "payments")
    for name in names:
        write(name, times=2)
    await tell(parts, *names)
    clocks = [clock_of(one, schedule="17 3 * * *") for one in (parts, other_parts)]
    await look(*clocks)
    assert await outcomes() == []
    times.pass_by(days=2)  # the tick of the first day may have come before the tables
    await look(*clocks)
    assert await outcomes() == sorted((name, "compaction", "done", "schedule") for name in names)
    record = await parts.records.find(PLACE)
    tick = datetime.fromisoformat(record.last_maintenance_tick)
    assert (tick.hour, tick.minute) == (3, 17)
    await look(*clocks)
    assert len(await outcomes()) == len(names)


async def test_ticks_that_were_missed_are_caught_up_once(parts, clock_of, write, outcomes, times) -> None:
    write(times=2)
    await tell(parts)
    clock = clock_of(parts, schedule="0 * * * *")
    times.pass_by(days=3)
    await look(clock)
    await look(clock)
    assert len(await outcomes()) == 1


async def test_a_tick_that_somebody_took_up_and_did_not_finish_is_finished(
    parts, clock_of, write, outcomes, times
) -> None:
    write(times=2)
    await tell(parts)
    tick = times.now + timedelta(minutes=1)

    def taken(record: CatalogProduct | None) -> CatalogProduct | None:
        return record and record.model_copy(update={"last_maintenance_tick": tick.isoformat()})

    await parts.records.change(PLACE, taken)
    times.pass_by(minutes=2)
    await look(clock_of(parts))
    assert await outcomes() == [("orders", "compaction", "done", "schedule")]


async def test_what_is_switched_off_is_not_done(parts, clock_of, write, outcomes, times) -> None:
    write(times=3)
    await tell(parts)
    times.pass_by(days=2)
    await look(clock_of(parts, after_commits=1, schedule="17 3 * * *", enabled=False))
    assert await outcomes() == []
    assert (await parts.records.find(PLACE)).last_maintenance_tick is None
    only_expiry = {"max_age_days": 0, "min_snapshots": 1}
    await look(clock_of(parts, after_commits=1, compaction=SMALL | OFF, expiry=only_expiry))
    assert [action for _, action, _, _ in await outcomes()] == ["expiry"]


async def test_a_table_that_fails_waits_and_keeps_no_other_waiting(
    parts, clock_of, write, outcomes, times, points
) -> None:
    for name in ("orders", "broken"):
        write(name, times=3)
    await tell(parts, "broken", "orders")
    clock = clock_of(parts, after_commits=3, manifests=OFF, expiry=OFF)
    points.arm("compaction-planned")
    await clock.look()
    await points.until_reached("compaction-planned")
    await eventually(outcomes, timeout=30)  # of the other table
    for process in action_processes():
        process.kill()
    await clock.idle()
    done, failed = sorted(await outcomes(), key=lambda told: told[2])
    assert (done[2], failed[2]) == ("done", "failed")
    times.pass_by(seconds=50)
    await look(clock)
    assert len(await outcomes()) == 2
    times.pass_by(seconds=20)
    await look(clock)
    assert (failed[0], "compaction", "done", "commits") in await outcomes()


async def test_a_failure_that_will_not_pass_waits_for_the_next_time(parts, clock_of, write, outcomes, times) -> None:
    table = write(times=3)
    await tell(parts)
    spoil_manifest(table)
    clock = clock_of(parts, after_commits=3, expiry=OFF)
    for _ in range(3):
        await look(clock)
        times.pass_by(hours=1)
    assert await outcomes() == [("orders", "compaction", "failed", "commits")]


async def test_what_another_replica_works_on_is_left_to_it(parts, clock_of, write, outcomes, times) -> None:
    write(times=3)
    await tell(parts)
    clock = clock_of(parts, after_commits=3, expiry=OFF)
    lease = await Lease.acquire(parts.service.bus, parts.chassis, LEASE)
    await look(clock)
    assert await outcomes() == []
    await lease.release()
    await look(clock)
    assert [action for _, action, _, _ in await outcomes()] == ["compaction"]


async def test_a_product_that_cannot_be_read_keeps_no_other_waiting(parts, clock_of, write, outcomes) -> None:
    write(times=3)
    await tell(parts)
    other = PLACE.__class__("default", "dev", "another")
    record = CatalogProduct(tenant="default", environment="dev", product="another", artifact_digest="x", sequence=1)
    await parts.records.change(other, lambda _: record)
    clock = clock_of(parts, after_commits=3, expiry=OFF)
    policy_of = clock._policy_of

    async def failing(place: Any) -> CompiledMaintenance:
        assert place != other
        return await policy_of(place)

    clock._policy_of = failing
    await look(clock)
    assert await outcomes() == [("orders", "compaction", "done", "commits")]
