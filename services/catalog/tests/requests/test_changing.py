"""Tags, branches, maintenance and rollback on request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_catalog.adapters.rollback_journal import RollbackJournal
from floe_catalog.errors import NothingToRollBack, ProductBusy, RollbackUnfinished, RunNotWhole
from floe_chassis.bus import Bus
from floe_chassis.errors import RequestFailed, RequestRefused
from floe_chassis.fault_points import FOLDER
from floe_chassis.leases import Lease
from floe_chassis.testing import eventually
from floe_chassis.topology import CATALOG_PRODUCTS_BUCKET, LEASES_BUCKET, RUNS_BUCKET
from floe_contracts.catalog_requests import (
    CHANGE_BRANCH,
    CHANGE_TAG,
    COMPACT_TABLES,
    EXPIRE_SNAPSHOTS,
    REMOVE_ORPHANS,
    REWRITE_MANIFESTS,
    ROLL_BACK,
    ChangeBranch,
    ChangeTag,
    CompactTables,
    ExpireSnapshots,
    RemoveOrphans,
    RewriteManifests,
    RollBack,
)
from floe_contracts.errors import ContractError
from floe_contracts.events import LandedTable
from floe_contracts.openlineage.naming import Place
from floe_contracts.rollbacks import Rollback, TableRollback
from floe_contracts.runs import RunRecord, RunStatus, place_key, run_key

Asking = Callable[..., Awaitable[Any]]
Known = Callable[..., Awaitable[None]]
Land = Callable[..., LandedTable]
Told = Callable[..., Awaitable[list[Any]]]

PLACE = Place("default", "dev", "shop-orders")


def current(lake: Catalog, landed: LandedTable) -> int | None:
    return lake.load_table(tuple(landed.identifier.split("."))).metadata.current_snapshot_id


def rows(lake: Catalog, landed: LandedTable) -> int:
    return int(lake.load_table(tuple(landed.identifier.split("."))).scan().to_arrow().num_rows)


def spoil(table: Table) -> None:
    """Make a table's metadata unreadable."""
    Path(table.metadata_location.removeprefix("file://")).write_text("rubbish")


def journal_of(bus: Bus) -> RollbackJournal:
    return RollbackJournal(partial(bus.key_value, CATALOG_PRODUCTS_BUCKET))


async def actions(told: Told) -> list[tuple[str, str]]:
    return [(one.event.action, one.event.outcome) for one in await told("maintained")]


async def test_a_tag_keeps_its_snapshot_and_can_be_moved_and_taken_away(
    asking: Asking, known: Known, land: Land, lake: Catalog, told: Told
) -> None:
    await known()
    first, second = land("r1", "orders"), land("r2", "orders")
    made = await asking(CHANGE_TAG, ChangeTag(table="orders", name="closing", at="run:r1"))
    again = await asking(CHANGE_TAG, ChangeTag(table="orders", name="closing", at="run:r1"))
    moved = await asking(CHANGE_TAG, ChangeTag(table="orders", name="closing"))
    gone = await asking(CHANGE_TAG, ChangeTag(table="orders", name="closing", remove=True))
    assert [(one.before, one.after) for one in (made, again, moved, gone)] == [
        (None, first.snapshot_id),
        (first.snapshot_id, first.snapshot_id),
        (first.snapshot_id, second.snapshot_id),
        (second.snapshot_id, None),
    ]
    assert "closing" not in lake.load_table(tuple(first.identifier.split("."))).metadata.refs
    assert await actions(told) == [("tag", "done"), ("tag", "nothing_to_do"), ("tag", "done"), ("tag", "done")]
    with pytest.raises(RequestRefused, match="no tag"):
        await asking(CHANGE_TAG, ChangeTag(table="orders", name="closing", remove=True))


async def test_a_branch_begins_where_it_is_asked(asking: Asking, known: Known, land: Land, lake: Catalog) -> None:
    await known()
    first = land("r1", "orders")
    land("r2", "orders")
    await asking(CHANGE_BRANCH, ChangeBranch(table="orders", name="audit", at=str(first.snapshot_id)))
    refs = lake.load_table(tuple(first.identifier.split("."))).metadata.refs
    assert (refs["audit"].snapshot_id, refs["audit"].snapshot_ref_type.value) == (first.snapshot_id, "branch")
    with pytest.raises(RequestRefused, match="main"):
        await asking(CHANGE_BRANCH, ChangeBranch(table="orders", name="main"))


async def test_small_files_are_compacted_on_request_and_what_would_be_done_is_said_before(
    asking: Asking, known: Known, land: Land, lake: Catalog, told: Told
) -> None:
    await known()
    landed = land("r1", "orders", rows=4)
    table = lake.load_table(tuple(landed.identifier.split(".")))
    for _ in range(3):
        table.append(table.scan().to_arrow().slice(0, 2))
        table.refresh()
    before = rows(lake, landed)
    request = CompactTables(table="orders", min_input_files=2, dry_run=True)
    (would,) = (await asking(COMPACT_TABLES, request)).results
    assert (would.outcome, would.dry_run, would.files_before, would.files_after) == ("done", True, 4, 1)
    assert len(list(lake.load_table(table.name()).scan().plan_files())) == 4
    (did,) = (await asking(COMPACT_TABLES, request.model_copy(update={"dry_run": False}))).results
    assert (did.outcome, did.files_before, did.files_after) == ("done", 4, 1)
    assert did.snapshot_after == current(lake, landed)
    assert rows(lake, landed) == before
    assert ("compaction", "done") in await actions(told)
    (nothing,) = (await asking(COMPACT_TABLES, CompactTables(table="orders"))).results
    assert nothing.outcome == "nothing_to_do"
    assert nothing.reason


@pytest.mark.parametrize("profile", ["own secret"], indirect=True)
async def test_tables_are_maintained_with_the_secrets_of_their_own_tenant(
    asking: Asking, known: Known, land: Land
) -> None:
    await known()
    land("r1", "orders")
    (result,) = (await asking(COMPACT_TABLES, CompactTables(table="orders"))).results
    assert result.outcome == "nothing_to_do"


def test_files_of_the_last_day_are_nobodys_to_remove() -> None:
    """A run that is at work has written such files, and is about to commit them."""
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        RemoveOrphans(min_age_days=0)


async def test_all_tables_are_maintained_where_none_is_named(
    asking: Asking, known: Known, land: Land, lake: Catalog
) -> None:
    await known()
    orders = [land(f"r{number}", "orders", rows=number) for number in (1, 2, 3)]
    land("r1", "customers")
    expired = await asking(EXPIRE_SNAPSHOTS, ExpireSnapshots(max_age_days=0, min_snapshots=1, dry_run=True))
    assert [one.identifier.rpartition(".")[2] for one in expired.results] == ["customers", "orders"]
    assert all(one.dry_run for one in expired.results)
    assert len(lake.load_table(tuple(orders[0].identifier.split("."))).metadata.snapshots) >= 3
    manifests = await asking(REWRITE_MANIFESTS, RewriteManifests())
    orphans = await asking(REMOVE_ORPHANS, RemoveOrphans(min_age_days=1))
    assert {one.outcome for one in (*manifests.results, *orphans.results)} == {"nothing_to_do"}
    assert [one.action for one in (manifests.results[0], orphans.results[0])] == ["manifests", "orphans"]


async def test_a_table_goes_back_and_forth_and_that_is_told(
    asking: Asking, known: Known, land: Land, lake: Catalog, told: Told
) -> None:
    await known()
    first, second = land("r1", "orders", rows=2), land("r2", "orders", rows=5)
    request = RollBack(table="orders", to="run:r1")
    (would,) = (await asking(ROLL_BACK, request.model_copy(update={"dry_run": True}))).results
    assert (would.outcome, would.dry_run, would.snapshot_after) == ("done", True, first.snapshot_id)
    assert current(lake, second) == second.snapshot_id
    (did,) = (await asking(ROLL_BACK, request)).results
    assert (did.outcome, did.snapshot_before, did.snapshot_after) == ("done", second.snapshot_id, first.snapshot_id)
    assert rows(lake, second) == 2
    (again,) = (await asking(ROLL_BACK, request)).results
    assert again.outcome == "nothing_to_do"
    (forth,) = (await asking(ROLL_BACK, RollBack(table="orders", to=str(second.snapshot_id)))).results
    assert (forth.outcome, rows(lake, second)) == ("done", 5)
    assert await actions(told) == [("rollback", "done")] * 2
    snapshots = [one.event.snapshot_id for one in await told("committed")]
    assert snapshots[-2:] == [first.snapshot_id, second.snapshot_id]


async def test_all_tables_of_a_run_go_back_to_what_it_left(
    asking: Asking, known: Known, land: Land, lake: Catalog
) -> None:
    await known()
    orders, customers, still = (land("r1", name, rows=1) for name in ("orders", "customers", "stock"))
    for name in ("orders", "customers", "returns"):
        later = land("r2", name, rows=2)
    answer = await asking(ROLL_BACK, RollBack(to="run:r1"))
    outcomes = {one.identifier.rpartition(".")[2]: one.outcome for one in answer.results}
    assert outcomes == {
        "customers": "done",
        "orders": "done",
        "returns": "nothing_to_do",
        "stock": "nothing_to_do",
    }
    assert current(lake, later) == later.snapshot_id
    assert [current(lake, one) for one in (orders, customers, still)] == [
        one.snapshot_id for one in (orders, customers, still)
    ]


async def test_a_run_that_nobody_knows_or_that_has_partly_expired_changes_nothing(
    asking: Asking, known: Known, land: Land, lake: Catalog
) -> None:
    await known()
    first = land("run-1", "orders", rows=1)
    land("run-1", "customers", rows=1)
    latest = [land("run-2", "orders", rows=2), land("run-2", "customers", rows=2)]
    with pytest.raises(RequestRefused) as caught:
        await asking(ROLL_BACK, RollBack(to="run:run-9"))
    assert caught.value.problem.code == NothingToRollBack.code
    table = lake.load_table(tuple(first.identifier.split(".")))
    table.maintenance.expire_snapshots().by_id(first.snapshot_id).commit()
    with pytest.raises(RequestRefused, match="orders has expired") as caught:
        await asking(ROLL_BACK, RollBack(to="run:run-1"))
    assert caught.value.problem.code == RunNotWhole.code
    assert [current(lake, one) for one in latest] == [one.snapshot_id for one in latest]


@pytest.mark.parametrize("request_", [{"to": "17"}, {"to": "run:"}, {"to": ""}])
def test_a_rollback_of_everything_needs_a_run(request_: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        ROLL_BACK.read(request_)


async def test_while_a_run_builds_the_product_nothing_goes_back(
    bus: Bus, asking: Asking, known: Known, land: Land, lake: Catalog
) -> None:
    await known()
    land("r1", "orders")
    second = land("r2", "orders")
    record = RunRecord(
        run_id="r3",
        tenant="default",
        environment="dev",
        product="shop-orders",
        artifact_digest="sha256:" + "0" * 64,
        status=RunStatus.STARTED,
        cause="c",
        requested_at="2026-01-01T00:00:00+00:00",
    )
    bucket = await bus.key_value(RUNS_BUCKET)
    await bucket.put(run_key(PLACE, "r3"), record.model_dump_json().encode())
    lease = await Lease.acquire(bus, bus.settings, place_key(PLACE))
    assert lease is not None
    with pytest.raises(RequestFailed, match="run r3 builds shop-orders") as caught:
        await asking(ROLL_BACK, RollBack(table="orders", to="run:r1"))
    assert (caught.value.problem.code, caught.value.problem.transient) == (ProductBusy.code, True)
    assert "floe runs cancel r3" in (caught.value.problem.hint or "")
    assert current(lake, second) == second.snapshot_id
    await lease.release()
    assert (await asking(ROLL_BACK, RollBack(table="orders", to="run:r1"))).results[0].outcome == "done"


async def test_a_rollback_that_a_crash_cut_off_is_finished_by_whoever_comes_next(
    bus: Bus, asking: Asking, known: Known, land: Land, lake: Catalog, told: Told
) -> None:
    """One table was done before the crash, one was not, and to one somebody else has committed since."""
    await known()
    old = {name: land("r1", name, rows=1) for name in ("customers", "orders", "stock")}
    new = {name: land("r2", name, rows=2) for name in old}
    await asking(ROLL_BACK, RollBack(table="customers", to="run:r1"))
    third = land("r3", "stock", rows=3)
    rollback = _begun(old, new)
    journal = journal_of(bus)
    assert await journal.begin(rollback)
    assert not await journal.begin(rollback)
    await eventually(lambda: _is_finished(bus, PLACE), 20)
    assert current(lake, old["customers"]) == old["customers"].snapshot_id
    assert current(lake, old["orders"]) == old["orders"].snapshot_id
    assert current(lake, third) == third.snapshot_id
    found = {one.event.identifier: one.event for one in await told("maintained") if one.attributes.id.count("c1")}
    assert [found[old[name].identifier].outcome for name in old] == ["done", "done", "failed"]
    assert "somebody else" in (found[old["stock"].identifier].reason or "")


async def test_maintenance_meanwhile_does_not_keep_a_rollback_from_its_end(
    bus: Bus, asking: Asking, known: Known, land: Land, lake: Catalog
) -> None:
    """Compaction puts the same rows into other files: going back is still what was asked."""
    await known()
    first, second = land("r1", "orders", rows=2), land("r2", "orders", rows=4)
    table = lake.load_table(tuple(first.identifier.split(".")))
    table.overwrite(table.scan().to_arrow(), snapshot_properties={"floe.maintenance": "compaction"})
    (moved,) = [one for one in table.metadata.snapshots if one.parent_snapshot_id == second.snapshot_id]
    plan = TableRollback(
        identifier=first.identifier,
        table_uuid=first.table_uuid,
        before=second.snapshot_id,
        after=first.snapshot_id,
    )
    rollback = Rollback(
        tenant="default",
        environment="dev",
        product="shop-orders",
        cause="c2",
        requester="cli",
        to="run:r1",
        asked_at="2026-01-01T00:00:00+00:00",
        tables=(plan,),
    )
    assert moved.snapshot_id != second.snapshot_id
    assert await journal_of(bus).begin(rollback)
    await eventually(lambda: current(lake, first) == first.snapshot_id, 20)


async def test_a_rollback_that_loses_its_lease_stops_and_is_finished_under_another(
    bus: Bus,
    asking: Asking,
    known: Known,
    land: Land,
    lake: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = tmp_path / "points"
    points.mkdir()
    monkeypatch.setenv(FOLDER, str(points))
    await known()
    first, second = land("r1", "orders", rows=1), land("r2", "orders", rows=2)
    (points / "rollback-journalled").touch()
    rolling_back = asyncio.create_task(asking(ROLL_BACK, RollBack(table="orders", to="run:r1")))
    await eventually((points / "rollback-journalled.reached").exists)
    journal = await journal_of(bus).find(PLACE)
    assert journal is not None
    assert [(one.before, one.after) for one in journal.tables] == [(second.snapshot_id, first.snapshot_id)]
    await (await bus.key_value(LEASES_BUCKET)).delete(place_key(PLACE))
    (points / "rollback-journalled.go").touch()
    with pytest.raises(RequestFailed, match=r"stopped at default\.dev\.shop-orders\.main\.orders") as caught:
        await rolling_back
    assert caught.value.problem.code == RollbackUnfinished.code
    await eventually(lambda: current(lake, first) == first.snapshot_id, 20)


async def test_a_table_that_cannot_be_read_does_not_keep_the_others_from_going_back(
    bus: Bus, asking: Asking, known: Known, land: Land, lake: Catalog, told: Told
) -> None:
    await known()
    old = {name: land("r1", name, rows=1) for name in ("customers", "orders")}
    new = {name: land("r2", name, rows=2) for name in old}
    spoil(lake.load_table(tuple(old["customers"].identifier.split("."))))
    assert await journal_of(bus).begin(_begun(old, new))
    await eventually(lambda: _is_finished(bus, PLACE), 20)
    assert current(lake, old["orders"]) == old["orders"].snapshot_id
    found = {one.event.identifier: one.event for one in await told("maintained")}
    assert [found[old[name].identifier].outcome for name in old] == ["failed", "done"]


async def test_a_rollback_of_a_product_that_was_retired_meanwhile_is_given_up(
    bus: Bus, asking: Asking, known: Known, land: Land, lake: Catalog
) -> None:
    """Nobody looks after its tables; should it come back, they are not to jump into the past."""
    await known()
    old, new = land("r1", "orders", rows=1), land("r2", "orders", rows=2)
    gone = _begun({"orders": old}, {"orders": new}).model_copy(update={"product": "shop-gone"})
    assert await journal_of(bus).begin(gone)
    await eventually(lambda: _is_finished(bus, gone.place), 20)
    assert current(lake, new) == new.snapshot_id


def _begun(old: dict[str, LandedTable], new: dict[str, LandedTable]) -> Rollback:
    """The journal of a rollback that a crash cut off before its first table."""
    return Rollback(
        tenant="default",
        environment="dev",
        product="shop-orders",
        cause="c1",
        requester="cli",
        to="run:r1",
        asked_at="2026-01-01T00:00:00+00:00",
        tables=tuple(
            TableRollback(
                identifier=old[name].identifier,
                table_uuid=old[name].table_uuid,
                before=new[name].snapshot_id,
                after=old[name].snapshot_id,
            )
            for name in old
        ),
    )


async def _is_finished(bus: Bus, place: Place) -> bool:
    return await journal_of(bus).find(place) is None
