"""Looking back at what runs landed, and going back."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_contracts.errors import LeaseLost, Permanent
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.errors import (
    ReferenceMissing,
    ReferenceNameInvalid,
    RollbackRefused,
    RowFilterInvalid,
    SnapshotMissing,
    WatermarkMoved,
)
from floe_lakehouse.history.differences import diff_snapshots
from floe_lakehouse.history.past_snapshots import find_snapshot, snapshots_of
from floe_lakehouse.history.reading import read_at
from floe_lakehouse.history.references import branch_snapshot, tag_snapshot
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.history.runs import run_tables
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.snapshots import ARTIFACT_DIGEST
from floe_lakehouse.testing.other_engine import duckdb_with_iceberg

EVER = 2**62


def always() -> None:
    """A fence that holds."""


@pytest.fixture
def table(catalog: Catalog, identifier: Any) -> Callable[[], Table]:
    return lambda: catalog.load_table(identifier)


@pytest.fixture
def back(catalog: Catalog, identifier: Any) -> Callable[..., Any]:
    return lambda snapshot_id, **options: rollback_table(
        catalog, identifier, snapshot_id, **{"fence": always, **options}
    )


def rows(table: Table, at: str | None = None, **options: Any) -> list[tuple[Any, ...]]:
    found = read_at(table, find_snapshot(table, at).snapshot_id if at else None, **options).read_all().to_pylist()
    return sorted(tuple(row.values()) for row in found)


def test_every_run_reads_back_as_it_was(stage: Any, switch: Any, catalog: Catalog, identifier: Any, table: Any) -> None:
    keyed = {"mode": "upsert", "unique_key": ("id",)}
    switch(stage("select * from (values (1, 'a'), (2, 'b')) t(id, word)"))
    switch(stage("select * from (values (2, 'B'), (3, 'c')) t(id, word)", run_id="run-2", **keyed), sequence=2)
    switch(stage("select 9 as id, 'z' as word, 1.5::double as amount", run_id="run-3"), sequence=3)
    left = {
        "run:run-1": [(1, "a"), (2, "b")],
        "run:run-2": [(1, "a"), (2, "B"), (3, "c")],
        "run:run-3": [(9, "z", 1.5)],
    }
    assert {run: rows(table(), run) for run in left} == left

    report = rollback_table(catalog, identifier, find_snapshot(table(), "run-2").snapshot_id, fence=always)
    assert report.outcome == "done"
    assert rows(table()) == left["run:run-2"]
    compact_table(catalog, identifier, CompactionOptions(2**20, 2), fence=always)
    switch(stage("select 1 as id, 'new' as word", run_id="run-4"), sequence=4)

    assert {run: rows(table(), run) for run in left} == left
    assert rows(table(), "run-4") == rows(table()) == [(1, "new")]


def test_a_column_that_changed_its_type_reads_and_rolls_back(
    stage: Any, switch: Any, table: Any, back: Any, read: Any
) -> None:
    first = switch(stage("select 1 as id, 10 as amount, {'x': 1} as inner"))
    breaking = {"run_id": "run-2", "allow_breaking": True}
    second = switch(stage("select 1 as id, 'ten' as amount, {'x': 'one'} as inner", **breaking), sequence=2)

    assert rows(table(), "run-1") == [(1, 10, {"x": 1})]
    assert rows(table(), "run-2") == [(1, "ten", {"x": "one"})]
    back(first.snapshot_id)
    assert read() == [{"id": 1, "amount": 10, "inner": {"x": 1}}]
    assert str(table().schema().find_type("amount")) == "int"
    assert rows(table(), "run-2") == [(1, "ten", {"x": "one"})]
    back(second.snapshot_id)
    assert read() == [{"id": 1, "amount": "ten", "inner": {"x": "one"}}]
    back(first.snapshot_id)
    third = switch(stage("select 2 as id, 20 as amount, {'x': 2} as inner, 5 as more", run_id="run-3"), sequence=3)

    assert read() == [{"id": 2, "amount": 20, "inner": {"x": 2}, "more": 5}]
    assert rows(table(), str(third.snapshot_id)) == [(2, 20, {"x": 2}, 5)]
    assert rows(table(), "run-2") == [(1, "ten", {"x": "one"})]


def test_duckdb_reads_what_was_rolled_back(stage: Any, switch: Any, table: Any, back: Any) -> None:
    first = switch(stage("select 1 as id, 10 as amount"))
    switch(stage("select 1 as id, 'ten' as amount", run_id="run-2", allow_breaking=True), sequence=2)
    back(first.snapshot_id)
    with duckdb_with_iceberg() as connection:
        place = table().metadata_location.removeprefix("file://")
        assert connection.execute(f"select id, amount from iceberg_scan('{place}')").fetchall() == [(1, 10)]


def test_partition_fields_of_columns_that_were_not_there_yet_go_back(
    stage: Any, switch: Any, table: Any, back: Any, read: Any
) -> None:
    first = switch(stage("select 1 as id"))
    parted = {"partition_by": ("truncate[1](word)",)}
    switch(stage("select 1 as id, 'a' as word", run_id="run-2", **parted), sequence=2)
    back(first.snapshot_id)

    assert read() == [{"id": 1}]
    assert table().spec().fields == ()
    switch(stage("select 2 as id, 'b' as word", run_id="run-3", **parted), sequence=3)
    assert read() == [{"id": 2, "word": "b"}]
    assert len(table().spec().fields) == 1


def test_a_rollback_is_repeatable_and_can_be_undone(stage: Any, switch: Any, table: Any, back: Any) -> None:
    first = switch(stage("select 1 as id"))
    second = switch(stage("select 2 as id", run_id="run-2"), sequence=2)
    foretold = back(first.snapshot_id, dry_run=True)
    assert (foretold.outcome, foretold.dry_run, rows(table())) == ("done", True, [(2,)])

    report = back(first.snapshot_id, expected_snapshot_id=second.snapshot_id)
    assert (report.snapshot_before, report.snapshot_after) == (second.snapshot_id, first.snapshot_id)
    assert rows(table()) == [(1,)]
    again = back(first.snapshot_id, expected_snapshot_id=second.snapshot_id)
    assert (again.outcome, again.snapshot_before) == ("nothing_to_do", first.snapshot_id)
    assert back(second.snapshot_id).outcome == "done"
    assert rows(table()) == [(2,)]


def test_a_rollback_that_would_take_more_than_was_seen_is_refused(
    stage: Any, switch: Any, table: Any, back: Any, catalog: Catalog, identifier: Any
) -> None:
    first = switch(stage("select 1 as id"))
    second = switch(stage("select 2 as id", run_id="run-2"), sequence=2)
    third = stage("select 3 as id", run_id="run-3")

    with pytest.raises(RollbackRefused, match=r"FLOE-LAKE-082.*not at .* any more") as caught:
        back(first.snapshot_id, fence=lambda: switch(third, sequence=3))
    assert isinstance(caught.value, Permanent)
    with pytest.raises(RollbackRefused):
        back(first.snapshot_id, expected_snapshot_id=second.snapshot_id)
    assert rows(table()) == [(3,)]

    branch_snapshot(catalog, identifier, "trial", second.snapshot_id, fence=always)
    table().append(read_at(table()).read_all(), branch="trial")
    aside = table().refs()["trial"].snapshot_id
    with pytest.raises(RollbackRefused, match="belongs to a branch"):
        back(aside)
    with pytest.raises(SnapshotMissing, match="FLOE-LAKE-040"):
        back(17)

    def lost() -> None:
        raise LeaseLost("somebody else")

    with pytest.raises(LeaseLost):
        back(first.snapshot_id, fence=lost)
    assert rows(table()) == [(3,)]


def test_a_tag_meanwhile_does_not_stop_a_rollback(
    stage: Any, switch: Any, table: Any, back: Any, catalog: Catalog, identifier: Any
) -> None:
    first = switch(stage("select 1 as id"))
    second = switch(stage("select 2 as id", run_id="run-2"), sequence=2)
    back(first.snapshot_id, fence=lambda: tag_snapshot(catalog, identifier, "kept", second.snapshot_id, fence=always))

    assert rows(table()) == [(1,)]
    assert rows(table(), "kept") == [(2,)]


def test_a_run_that_was_rolled_back_lands_again(stage: Any, switch: Any, table: Any, back: Any) -> None:
    first = switch(stage("select 1 as id"))
    staged = stage("select 2 as id", run_id="run-2")
    switch(staged, sequence=2)
    assert switch(staged, sequence=2).already_landed
    back(first.snapshot_id)
    landed = switch(staged, sequence=3)

    assert not landed.already_landed
    assert rows(table()) == rows(table(), "run-2") == [(2,)]
    assert find_snapshot(table(), "run-2").snapshot_id == landed.snapshot_id
    assert switch(staged, sequence=3).already_landed


def test_an_append_goes_on_above_the_watermark_of_where_the_table_stands(
    stage: Any, switch: Any, table: Any, back: Any
) -> None:
    growing = {"mode": "append", "watermark": "id"}
    first = switch(stage("select i as id from range(3) t(i)", **growing))
    switch(stage("select i as id from range(6) t(i)", run_id="run-2", **growing), sequence=2)
    overtaken = stage("select i as id from range(9) t(i)", run_id="run-3", **growing)
    back(first.snapshot_id)
    with pytest.raises(WatermarkMoved):
        switch(overtaken, sequence=3)
    switch(stage("select i as id from range(9) t(i)", run_id="run-4", **growing), sequence=4)

    assert rows(table()) == [(number,) for number in range(9)]


def test_snapshots_tell_what_they_are(stage: Any, switch: Any, table: Any, catalog: Catalog, identifier: Any) -> None:
    first = switch(stage("select i as id from range(5) t(i)"), **{ARTIFACT_DIGEST: "sha256:1"})
    second = switch(stage("select i as id from range(3) t(i)", run_id="run-2"), sequence=2)
    tag_snapshot(catalog, identifier, "v1", first.snapshot_id, fence=always)
    newest, oldest = snapshots_of(table())

    assert (oldest.snapshot_id, oldest.parent_snapshot_id) == (first.snapshot_id, None)
    assert (oldest.run_id, oldest.artifact_digest, oldest.maintenance) == ("run-1", "sha256:1", None)
    assert (oldest.rows, oldest.added_rows, oldest.files, oldest.tags, oldest.is_current) == (5, 5, 1, ("v1",), False)
    assert (newest.snapshot_id, newest.parent_snapshot_id) == (second.snapshot_id, first.snapshot_id)
    assert (newest.operation, newest.rows, newest.added_rows, newest.removed_rows) == ("overwrite", 3, 3, 5)
    assert (newest.branches, newest.is_current, newest.removed_files) == (("main",), True, 1)
    assert abs(newest.committed_at_ms / 1000 - time.time()) < 60


def test_a_snapshot_is_found_by_any_of_its_names(
    stage: Any, switch: Any, table: Any, back: Any, catalog: Catalog, identifier: Any
) -> None:
    first = switch(stage("select 1 as id"))
    before = datetime.now(UTC)
    second = switch(stage("select 2 as id", run_id="run-2"), sequence=2)
    back(first.snapshot_id)
    rolled = datetime.now(UTC)
    tag_snapshot(catalog, identifier, "v1", first.snapshot_id, fence=always)

    def found(at: str) -> int:
        return find_snapshot(table(), at).snapshot_id

    assert found(str(second.snapshot_id)) == found("run:run-2") == found("run-2") == second.snapshot_id
    assert found("v1") == found("main") == first.snapshot_id
    assert found(before.isoformat()) == found(rolled.isoformat()) == first.snapshot_id
    when = table().metadata.snapshot_log[1].timestamp_ms
    moment = datetime.fromtimestamp(when / 1000, UTC)
    assert found(moment.replace(tzinfo=None).isoformat()) == second.snapshot_id
    assert found(moment.isoformat().replace("+00:00", "Z")) == second.snapshot_id


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("17", "no snapshot 17.*it has one snapshot, from "),
        ("run:run-7", "no snapshot of run run-7.*did you mean 'run-1'"),
        ("man", "nothing named 'man'.*did you mean 'main'"),
        ("2001-01-01", "no snapshot from before 2001-01-01.*from 2"),
        ("rubbish", "nothing named 'rubbish'.*it has one snapshot"),
        ("", "nothing named ''"),
    ],
    ids=["id", "run", "name", "time", "rubbish", "nothing"],
)
def test_a_snapshot_that_is_not_there_is_told(stage: Any, switch: Any, table: Any, at: str, told: str) -> None:
    switch(stage("select 1 as id"))
    with pytest.raises(SnapshotMissing, match=f"FLOE-LAKE-040.*{told}"):
        find_snapshot(table(), at)


def test_a_time_of_which_the_rows_have_expired_is_told(
    stage: Any, switch: Any, table: Any, catalog: Catalog, identifier: Any
) -> None:
    first = switch(stage("select 1 as id"))
    tag_snapshot(catalog, identifier, "first", first.snapshot_id, fence=always)
    switch(stage("select 2 as id", run_id="run-2"), sequence=2)
    moment = datetime.now(UTC)
    switch(stage("select 3 as id", run_id="run-3"), sequence=3)
    expire_snapshots(catalog, identifier, ExpiryOptions(EVER, 1), fence=always)

    with pytest.raises(SnapshotMissing, match=r"has expired.*name a time from"):
        find_snapshot(table(), moment.isoformat())
    assert rows(table(), (datetime.now(UTC) + timedelta(days=1)).isoformat()) == [(3,)]
    assert rows(table(), "first") == [(1,)]


def test_rows_are_read_in_part(stage: Any, switch: Any, table: Any) -> None:
    switch(stage("select i as id, 'w' || i as word, date '2026-01-01' + i::int as day from range(5000) t(i)"))
    switch(stage("select 1::bigint as id", run_id="run-2"), sequence=2)
    first = find_snapshot(table(), "run-1").snapshot_id

    assert read_at(table(), first, limit=7).read_all().num_rows == 7
    assert read_at(table(), first, limit=10_000).read_all().num_rows == 5000
    some = read_at(table(), first, columns=("word",), row_filter="id >= 10 and day < '2026-01-13'").read_all()
    assert some.to_pylist() == [{"word": "w10"}, {"word": "w11"}]
    for wrong in ({"row_filter": "id >"}, {"row_filter": "nothing = 1"}, {"columns": ("nothing",)}):
        with pytest.raises(RowFilterInvalid, match=r"FLOE-LAKE-085.*acme\.dev\.shop\.orders"):
            read_at(table(), first, **wrong).read_all()  # type: ignore[arg-type]


def test_deletes_of_others_are_applied_to_the_past(client: Catalog, other_engine: duckdb.DuckDBPyConnection) -> None:
    other_engine.execute("create schema lake.shop; create table lake.shop.orders as from range(100) t(id)")
    other_engine.execute("delete from lake.shop.orders where id < 40")
    other_engine.execute("delete from lake.shop.orders where id < 60")
    name = ("shop", "orders")
    table = client.load_table(name)
    whole, some, least = (one.snapshot_id for one in table.metadata.snapshots)

    assert [read_at(table, one).read_all().num_rows for one in (whole, some, least)] == [100, 60, 40]
    assert diff_snapshots(table, whole, least, exact=True).rows_removed == 60
    expire_snapshots(client, name, ExpiryOptions(EVER, 2), fence=always)
    table = client.load_table(name)
    assert [read_at(table, one).read_all().num_rows for one in (some, least)] == [60, 40]


def test_two_snapshots_differ_in_columns_files_and_rows(
    stage: Any, switch: Any, table: Any, catalog: Catalog, identifier: Any
) -> None:
    first = switch(stage("select i::int as id, 'a' as word from range(10) t(i)"))
    growing = {"mode": "append", "watermark": "id", "run_id": "run-2"}
    second = switch(stage("select i::bigint as id, 'a' as word, 1 as more from range(15) t(i)", **growing), sequence=2)
    compact_table(catalog, identifier, CompactionOptions(2**20, 2), fence=always)
    compacted = table().metadata.current_snapshot_id
    found = diff_snapshots(table(), first.snapshot_id, second.snapshot_id, exact=True)

    assert [field.name for field in found.fields_added] == ["more"]
    assert found.fields_removed == ()
    assert [(one.before.type, one.after.type) for one in found.fields_changed] == [("int", "long")]
    assert (found.rows_before, found.rows_after, found.rows_added, found.rows_removed) == (10, 15, 5, 0)
    assert (found.files_added, found.files_removed, found.rows_in_added_files) == (1, 0, 5)
    backwards = diff_snapshots(table(), second.snapshot_id, first.snapshot_id)
    assert (backwards.files_removed, backwards.rows_in_removed_files, backwards.rows_removed) == (1, 5, None)
    assert [field.name for field in backwards.fields_removed] == ["more"]
    same = diff_snapshots(table(), second.snapshot_id, compacted, exact=True)
    assert (same.rows_added, same.rows_removed, same.files_added, same.files_removed) == (0, 0, 1, 2)
    with pytest.raises(SnapshotMissing):
        diff_snapshots(table(), 17, first.snapshot_id)


def test_tags_and_branches_are_made_moved_and_removed(
    stage: Any, switch: Any, table: Any, catalog: Catalog, identifier: Any
) -> None:
    first = switch(stage("select 1 as id"))
    second = switch(stage("select 2 as id", run_id="run-2"), sequence=2)

    def tag(name: str, snapshot_id: int | None, **options: Any) -> Any:
        return tag_snapshot(catalog, identifier, name, snapshot_id, fence=always, **options)

    made = tag("v1", first.snapshot_id)
    assert (made.outcome, made.snapshot_before, made.snapshot_after) == ("done", None, first.snapshot_id)
    assert tag("v1", first.snapshot_id).outcome == "nothing_to_do"
    moved = tag("v1", None)
    assert (moved.snapshot_before, moved.snapshot_after) == (first.snapshot_id, second.snapshot_id)
    assert branch_snapshot(catalog, identifier, "trial", first.snapshot_id, fence=always).outcome == "done"
    with pytest.raises(ReferenceMissing, match=r"FLOE-LAKE-084.*'trial'.* is a branch, not a tag"):
        tag("trial", None)
    gone = tag("v1", None, remove=True)
    assert (gone.outcome, gone.snapshot_before, gone.snapshot_after) == ("done", second.snapshot_id, None)
    with pytest.raises(ReferenceMissing, match="no tag 'v1'"):
        tag("v1", None, remove=True)
    with pytest.raises(SnapshotMissing):
        tag("v2", 17)
    assert set(table().refs()) == {"main", "trial"}
    branch_snapshot(catalog, identifier, "trial", None, remove=True, fence=always)
    assert set(table().refs()) == {"main"}


@pytest.mark.parametrize("name", ["main", "", "1", "2026-01-01", "run:1", "a b", "a/b", "x" * 200])
def test_names_that_mean_something_else_are_refused(catalog: Catalog, identifier: Any, name: str) -> None:
    for change in (tag_snapshot, branch_snapshot):
        with pytest.raises(ReferenceNameInvalid, match="FLOE-LAKE-083"):
            change(catalog, identifier, name, None, fence=always)


def test_a_run_is_found_in_all_its_tables(
    stage: Any, switch: Any, catalog: Catalog, identifier: Any, properties: dict[str, str]
) -> None:
    def name(table: str) -> tuple[str, ...]:
        return (*identifier[:-1], table)

    def land(table: str, run: int) -> int:
        landed = switch(stage(f"select {run} as id", run_id=f"run-{run}", identifier=name(table)), sequence=run)
        time.sleep(0.002)  # so that two commits never have one time
        return int(landed.snapshot_id)

    land("untouched", 1)
    land("moved_on", 1)
    moved, stands = land("moved_on", 2), land("stands", 2)
    land("moved_on", 3)
    land("new", 3)
    land("expired", 1)
    compact_table(catalog, name("stands"), CompactionOptions(2**20, 2), fence=always)
    names = [name(table) for table in ("untouched", "moved_on", "stands", "new", "absent")]
    found = {one.identifier[-1]: one for one in run_tables(open_catalog(properties), names, "run-2")}

    assert {table: one.standing for table, one in found.items()} == {
        "untouched": "not_landed",
        "moved_on": "left",
        "stands": "current",
        "new": "created_later",
    }
    assert (found["moved_on"].snapshot_id, found["stands"].snapshot_id) == (moved, stands)
    assert found["new"].snapshot_id is None
    rollback_table(catalog, name("moved_on"), moved, fence=always)
    assert {one.standing for one in run_tables(catalog, [name("moved_on"), name("stands")], "run-2")} == {"current"}
    with pytest.raises(SnapshotMissing, match=r"no table has a snapshot of run run-22.*did you mean 'run-2'"):
        run_tables(catalog, names, "run-22")


def test_a_table_that_forgot_its_past_says_so(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    other = (*identifier[:-1], "other")
    for run in (1, 2, 3):
        switch(stage(f"select {run} as id", run_id=f"run-{run}"), sequence=run)
        if run == 2:
            switch(stage("select 1 as id", run_id="run-2", identifier=other), sequence=2)
        time.sleep(0.002)  # as above
    expire_snapshots(catalog, identifier, ExpiryOptions(EVER, 1), fence=always)

    assert [one.standing for one in run_tables(catalog, [identifier, other], "run-2")] == ["expired", "current"]
