"""A running service keeps the tables of a compiled product small, all by itself."""

from __future__ import annotations

import asyncio

import pytest

from floe_chassis.testing import eventually
from floe_contracts.subjects import EventKind

from .conftest import NAMESPACE, action_processes

pytestmark = pytest.mark.bus

POLICY = {
    "after_commits": 6,
    "schedule": "0 0 29 2 *",
    "compaction": {"min_input_files": 2},
    "manifests": {"enabled": False},
    "expiry": {"max_age_days": 0, "min_snapshots": 1},
}


async def test_a_table_that_others_write_to_stays_small(
    running, maintained_environment, publish_product, write, read, told, lake
) -> None:
    async with running(maintained_environment):
        await publish_product(**POLICY)
        write(times=6)

        async def both_told() -> list:
            found = [received.event for received in await told()]
            return found if len(found) >= 2 else []

        events = await eventually(both_told, timeout=60)
        assert [(one.action, one.outcome, one.requester) for one in events] == [
            ("compaction", "done", "commits"),
            ("expiry", "done", "commits"),
        ]
        assert (events[0].files_before, events[0].files_after) == (6, 1)
        assert events[1].snapshots_removed == 6
        assert len(read()) == 12
        table = lake.load_table(f"{NAMESPACE}.orders")
        assert len(table.snapshots()) == len(table.inspect.data_files()) == 1

        async def compacted() -> list:
            return [one.event for one in await told(EventKind.TABLE_COMMITTED) if one.event.maintenance]

        assert [one.snapshot_id for one in await eventually(compacted)] == [table.current_snapshot().snapshot_id]
        write(times=2)
        committed = await eventually(lambda: _so_many(told, 9), timeout=60)
        assert len({received.attributes.id for received in committed}) == 9
        assert len(await told()) == 2
    assert action_processes() == []


async def test_a_service_that_stops_in_the_middle_is_gone_at_once_and_the_next_one_finishes(
    running, maintained_environment, publish_product, write, read, told, points, lake
) -> None:
    points.arm("compaction-before-commit")
    async with running(maintained_environment) as service:
        await publish_product(**POLICY)
        write(times=6)
        await points.until_reached("compaction-before-commit")
        async with asyncio.timeout(30):
            await service.stop()
        assert action_processes() == []
    assert len(read()) == 12
    assert await told() == []
    async with running(maintained_environment):
        await eventually(lambda: _maintained(told), timeout=60)
    assert [received.event.action for received in await told()] == ["compaction", "expiry"]
    assert len(read()) == 12


async def _so_many(told, count: int) -> list:
    found = await told(EventKind.TABLE_COMMITTED)
    return found if len(found) >= count else []


async def _maintained(told) -> bool:
    return len(await told()) >= 2
