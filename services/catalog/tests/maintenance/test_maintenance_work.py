"""What is done to one table: under its lease, with pins, told once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from floe_catalog.errors import ActionFailed, ActionProcessDied, MaintenanceBusy, SnapshotPinnedMeanwhile
from floe_chassis.leases import Lease
from floe_chassis.topology import LEASES_BUCKET
from floe_contracts.errors import LeaseLost
from floe_contracts.subjects import EventKind
from floe_lakehouse.errors import TableMissing

from .conftest import NAMESPACE, OPTIONS, action_processes, data_files_in, spoil_manifest

pytestmark = pytest.mark.bus

LEASE = "maintenance.default.dev.shop-orders.default_2edev_2eshop-orders_2emain_2eorders"


async def test_a_table_is_compacted_and_told_of(maintenance, write, read, told, asked, lake) -> None:
    before = write(times=4).current_snapshot()
    (result,) = await maintenance.maintain_table(asked("compaction"))
    table = lake.load_table(f"{NAMESPACE}.orders")
    assert read() == [0, 1, 1, 2, 2, 3, 3, 4]
    assert len(table.inspect.data_files()) == 1
    (event,) = [received.event for received in await told()]
    assert (event.action, event.outcome, event.requester) == ("compaction", "done", "ada")
    assert (event.files_before, event.files_after) == (4, 1)
    assert (event.snapshot_before, event.snapshot_after) == (before.snapshot_id, table.current_snapshot().snapshot_id)
    assert event.seconds == round(result.seconds, 3) > 0
    committed = [received.event for received in await told(EventKind.TABLE_COMMITTED)]
    assert [one.maintenance for one in committed] == [False] * 4 + [True]


async def test_the_same_request_is_told_of_once(maintenance, write, told, asked) -> None:
    write(times=3)
    await maintenance.maintain_table(asked("compaction"))
    await maintenance.maintain_table(asked("compaction"))
    await maintenance.maintain_table(asked("compaction"))
    events = [(received.event.outcome, received.attributes.id) for received in await told()]
    assert [outcome for outcome, _ in events] == ["done", "nothing_to_do"]
    assert events[0][1].endswith(":one:compaction:done")


async def test_that_nothing_was_to_do_interests_who_asked_only(maintenance, write, told, asked) -> None:
    write(times=1)
    await maintenance.maintain_table(asked("compaction", "manifests", requester="commits"))
    assert await told() == []
    results = await maintenance.maintain_table(asked("compaction", requester="ada"))
    assert [result.outcome for result in results] == ["nothing_to_do"]
    assert [received.event.outcome for received in await told()] == ["nothing_to_do"]


async def test_a_dry_run_changes_and_tells_nothing(maintenance, write, told, asked, lake) -> None:
    table = write(times=4)
    results = await maintenance.maintain_table(asked("compaction", "expiry", dry_run=True))
    assert [(result.action, result.outcome) for result in results] == [("compaction", "done"), ("expiry", "done")]
    assert results[0].report.files_before == 4
    assert len(results[1].report.snapshots_removed) == 3
    assert lake.load_table(f"{NAMESPACE}.orders").metadata_location == table.metadata_location
    assert await told() == []


async def test_all_actions_in_their_order(maintenance, write, read, told, asked, lake) -> None:
    write(times=6)
    options = replace(OPTIONS, min_manifests=2)
    results = await maintenance.maintain_table(asked("orphans", "expiry", "compaction", "manifests", options=options))
    assert [result.action for result in results] == ["compaction", "manifests", "expiry", "orphans"]
    assert [result.failure for result in results] == [None] * 4
    table = lake.load_table(f"{NAMESPACE}.orders")
    assert len(table.snapshots()) == 1
    assert len(read()) == 12
    assert [received.event.action for received in await told()] == [result.action for result in results]


async def test_two_never_work_on_one_table(maintenance, write, asked, points, told) -> None:
    write(times=3)
    points.arm("compaction-before-commit")
    working = asyncio.create_task(maintenance.maintain_table(asked("compaction")))
    await points.until_reached("compaction-before-commit")
    with pytest.raises(MaintenanceBusy):
        await maintenance.maintain_table(asked("compaction"))
    (looked,) = await maintenance.maintain_table(asked("compaction", dry_run=True))
    assert looked.outcome == "done"
    points.go_on("compaction-before-commit")
    (result,) = await working
    assert result.outcome == "done"


async def test_who_has_lost_the_lease_commits_nothing(bus, maintenance, write, asked, points, lake, tmp_path) -> None:
    table = write(times=3)
    points.arm("compaction-before-commit")
    working = asyncio.create_task(maintenance.maintain_table(asked("compaction")))
    await points.until_reached("compaction-before-commit")
    bucket = await bus.key_value(LEASES_BUCKET)
    await bucket.put(LEASE, b'{"service": "catalog", "owner": "another"}')
    points.go_on("compaction-before-commit")
    with pytest.raises(LeaseLost):
        await working
    now = lake.load_table(f"{NAMESPACE}.orders")
    assert now.metadata_location == table.metadata_location
    assert len(data_files_in(tmp_path)) == 3  # what was rewritten is gone


async def test_what_an_attempt_that_died_had_committed_is_told_of_by_the_next(
    maintenance, write, read, told, asked, points, lake
) -> None:
    write(times=4)
    points.arm("compaction-done")
    working = asyncio.create_task(maintenance.maintain_table(asked("compaction", requester="commits")))
    await points.until_reached("compaction-done")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert action_processes() == []
    assert await told() == []
    (result,) = await maintenance.maintain_table(asked("compaction", requester="commits"))
    assert result.outcome == "done"
    (event,) = [received.event for received in await told()]
    current = lake.load_table(f"{NAMESPACE}.orders").current_snapshot()
    assert (event.files_before, event.files_after, event.snapshot_after) == (4, 1, current.snapshot_id)
    assert event.snapshot_before == current.parent_snapshot_id
    await maintenance.maintain_table(asked("compaction", requester="commits"))
    assert len(await told()) == 1


@pytest.mark.parametrize("by", ["the-same", "another", "nobody"])
async def test_an_expiry_that_died_after_its_commit_is_told_of(
    maintenance, write, read, told, asked, points, lake, by
) -> None:
    table = write(times=4)
    points.arm("expiry-committed")
    working = asyncio.create_task(maintenance.maintain_table(asked("expiry")))
    await points.until_reached("expiry-committed")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert (len(lake.load_table(f"{NAMESPACE}.orders").snapshots()), await told()) == (1, [])
    if by == "nobody":
        (attempt,) = await maintenance.unfinished()
        await maintenance.finish(attempt)
    else:
        await maintenance.maintain_table(asked("compaction", cause="one" if by == "the-same" else "two"))
    event = (await told())[0]
    assert event.attributes.id == f"{table.metadata.table_uuid}:one:expiry:done"
    assert (event.event.outcome, event.event.requester, event.event.snapshots_removed) == ("done", "ada", 3)
    assert await maintenance.unfinished() == []
    assert read() == [0, 1, 1, 2, 2, 3, 3, 4]


async def test_an_expiry_that_died_before_its_commit_has_nothing_to_tell(
    maintenance, write, told, asked, points, lake
) -> None:
    write(times=3)
    points.arm("expiry-before-commit")
    working = asyncio.create_task(maintenance.maintain_table(asked("expiry")))
    await points.until_reached("expiry-before-commit")
    (process,) = action_processes()
    process.kill()
    (result,) = await working
    assert result.failure.code == ActionProcessDied.code
    for attempt in await maintenance.unfinished():
        await maintenance.finish(attempt)
    assert [received.event.outcome for received in await told()] == ["failed"]
    assert await maintenance.unfinished() == []


async def test_a_table_that_is_gone_has_no_expiry_to_tell_of(maintenance, write, told, asked, points, lake) -> None:
    write(times=3)
    points.arm("expiry-committed")
    working = asyncio.create_task(maintenance.maintain_table(asked("expiry")))
    await points.until_reached("expiry-committed")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    lake.drop_table(f"{NAMESPACE}.orders")
    (attempt,) = await maintenance.unfinished()
    await maintenance.finish(attempt)
    assert (await maintenance.unfinished(), await told()) == ([], [])


async def test_a_process_that_is_killed_leaves_the_table_as_it_was(
    maintenance, write, read, asked, points, told
) -> None:
    write(times=3)
    points.arm("compaction-before-commit")
    working = asyncio.create_task(maintenance.maintain_table(asked("compaction", "expiry")))
    await points.until_reached("compaction-before-commit")
    (process,) = action_processes()
    process.kill()
    (result,) = await working
    assert result.failure.code == ActionProcessDied.code
    assert result.failure.transient
    assert read() == [0, 1, 1, 2, 2, 3]
    (event,) = [received.event for received in await told()]
    assert (event.outcome, event.reason.partition(":")[0]) == ("failed", ActionProcessDied.code)
    (again, _) = await maintenance.maintain_table(asked("compaction", "expiry", cause="another"))
    assert again.outcome == "done"


async def test_what_floe_does_not_expect_is_a_failure_that_lets_the_next_action_be_tried(
    maintenance, write, asked, told, lake
) -> None:
    table = write(times=3)
    spoil_manifest(table)
    results = await maintenance.maintain_table(
        asked("compaction", "manifests", options=replace(OPTIONS, min_manifests=2))
    )
    assert [result.outcome for result in results] == ["failed", "failed"]
    assert results[0].failure.code == ActionFailed.code
    assert not results[0].failure.transient
    assert [received.event.outcome for received in await told()] == ["failed", "failed"]


async def test_a_table_that_is_not_there_is_said_to_be_missing(maintenance, asked, told) -> None:
    (result,) = await maintenance.maintain_table(asked("compaction", name="nowhere"))
    assert (result.failure.code, result.table_uuid) == (TableMissing.code, "")
    assert await told() == []


async def test_pinned_snapshots_stay(maintenance, write, read, asked, pins, lake) -> None:
    table = write(times=5)
    uuid, fourth = str(table.metadata.table_uuid), table.snapshots()[3].snapshot_id
    async with pins.hold(uuid, fourth):
        (result,) = await maintenance.maintain_table(asked("expiry"))
        assert len(result.report.snapshots_removed) == 3
        left = {snapshot.snapshot_id for snapshot in lake.load_table(f"{NAMESPACE}.orders").snapshots()}
        assert left == {fourth, table.current_snapshot().snapshot_id}
        assert len(read(snapshot_id=fourth)) == 8
    (result,) = await maintenance.maintain_table(asked("expiry", cause="two"))
    assert result.report.snapshots_removed == (fourth,)


async def test_a_snapshot_that_is_pinned_while_it_is_to_expire_stays(
    maintenance, write, read, asked, pins, points, lake
) -> None:
    table = write(times=4)
    uuid, third = str(table.metadata.table_uuid), table.snapshots()[2].snapshot_id
    points.arm("expiry-before-commit")
    working = asyncio.create_task(maintenance.maintain_table(asked("expiry")))
    await points.until_reached("expiry-before-commit")
    async with pins.hold(uuid, third):
        points.go_on("expiry-before-commit")
        (result,) = await working
        assert len(result.report.snapshots_removed) == 2
        assert read(snapshot_id=third) == [0, 1, 1, 2, 2, 3]


async def test_expiry_gives_up_where_ever_new_pins_come(maintenance, write, asked, pins, lake, monkeypatch) -> None:
    table = write(times=4)
    looks = iter(range(1, 100))

    async def ever_new(table_uuid: str) -> frozenset[int]:
        return frozenset(range(next(looks)))

    monkeypatch.setattr(maintenance._pins, "pinned", ever_new)
    (result,) = await maintenance.maintain_table(asked("expiry"))
    assert result.failure.code == SnapshotPinnedMeanwhile.code
    assert result.failure.transient
    assert len(lake.load_table(f"{NAMESPACE}.orders").snapshots()) == len(table.snapshots())


async def test_who_stops_leaves_nothing_behind(parts, maintenance, write, asked, points, read, tmp_path) -> None:
    write(times=3)
    points.arm("compaction-before-commit")
    working = asyncio.create_task(maintenance.maintain_table(asked("compaction")))
    await points.until_reached("compaction-before-commit")
    working.cancel()
    points.go_on("compaction-before-commit")
    assert isinstance((await asyncio.gather(working, return_exceptions=True))[0], asyncio.CancelledError)
    assert action_processes() == []
    assert read() == [0, 1, 1, 2, 2, 3]
    assert len(data_files_in(tmp_path)) == 3
    lease = await Lease.acquire(parts.service.bus, parts.chassis, LEASE)
    assert lease is not None
    await lease.release()


async def test_work_that_broke_off_in_the_middle_answers_nothing_about_the_next_table(
    maintenance, write, asked
) -> None:
    write(times=3)
    other = write("customers", times=3)

    def breaks(action: str, done: int, total: int) -> None:
        raise ValueError("nobody listens")

    with pytest.raises(ValueError, match="nobody listens"):
        await maintenance.maintain_table(asked("compaction"), breaks)
    (result,) = await maintenance.maintain_table(asked("compaction", name="customers"))
    assert (result.outcome, result.table_uuid) == ("done", str(other.metadata.table_uuid))
