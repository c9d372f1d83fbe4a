from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from floe_contracts.digests import canonical_json
from floe_contracts.errors import Permanent
from floe_lakehouse.errors import LandingColumnMissing, WatermarkMoved
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.manifests import rewrite_manifests
from floe_lakehouse.snapshots import LATE_ROWS, WATERMARK, WATERMARK_COLUMN, summary_of
from floe_lakehouse.staged import StagedTable

Read = Callable[[], list[dict[str, Any]]]
GROWING = {"mode": "append", "watermark": "at"}
EVENTS = 'select * from (values {0}) t(id, "at")'


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(row["id"] for row in rows)


def test_rows_above_the_watermark_come_and_all_others_stay(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    first = switch(stage(EVENTS.format("(1, 10), (2, 20)"), **GROWING))
    staged = stage(EVENTS.format("(1, 10), (2, 20), (3, 30), (4, 40)"), run_id="run-2", **GROWING)
    second = switch(staged, sequence=2)

    assert ids(read()) == [1, 2, 3, 4]
    assert staged.rows == 2
    assert (second.rows, second.mode, second.late_rows, second.parent_snapshot_id) == (
        4,
        "append",
        0,
        first.snapshot_id,
    )
    snapshot = catalog.load_table(identifier).current_snapshot()
    told = summary_of(snapshot)
    assert snapshot
    assert snapshot.summary
    assert snapshot.summary.operation.value == "append"
    assert (told[WATERMARK_COLUMN], told[WATERMARK], LATE_ROWS in told) == ("at", "40", False)


def test_a_build_that_never_landed_is_caught_up(stage: Any, switch: Any, read: Read) -> None:
    """A run that appended only what it built itself would lose the rows of the run before it."""
    switch(stage(EVENTS.format("(1, 10)"), **GROWING))
    stage(EVENTS.format("(1, 10), (2, 20)"), run_id="died-before-the-switch", **GROWING)
    switch(stage(EVENTS.format("(1, 10), (2, 20), (3, 30)"), run_id="run-3", **GROWING), sequence=3)

    assert ids(read()) == [1, 2, 3]


def test_nothing_new_is_a_landing_and_keeps_the_watermark(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    switch(stage(EVENTS.format("(1, 10)"), **GROWING))
    again = switch(stage(EVENTS.format("(1, 10)"), run_id="run-2", **GROWING), sequence=2)
    assert (again.rows, len(catalog.load_table(identifier).snapshots())) == (1, 2)

    switch(stage(EVENTS.format("(1, 10), (2, 11)"), run_id="run-3", **GROWING), sequence=3)
    assert ids(read()) == [1, 2]


def test_rows_that_come_late_are_counted_and_left(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, caplog: pytest.LogCaptureFixture
) -> None:
    switch(stage(EVENTS.format("(1, 10), (2, 20)"), **GROWING))
    late = EVENTS.format("(1, 10), (2, 20), (3, 15), (4, 20), (5, null), (6, 30)")
    landed = switch(stage(late, run_id="run-2", **GROWING), sequence=2)

    assert ids(read()) == [1, 2, 6]
    assert landed.late_rows == 3
    assert "3 rows of acme.dev.shop.orders came late" in caplog.text
    assert summary_of(catalog.load_table(identifier).current_snapshot())[LATE_ROWS] == "3"


def test_a_warehouse_that_keeps_only_its_newest_rows_has_no_late_ones(stage: Any, switch: Any, read: Read) -> None:
    switch(stage(EVENTS.format("(1, 10), (2, 20), (3, 30)"), **GROWING))
    landed = switch(stage(EVENTS.format("(3, 30), (4, 40)"), run_id="run-2", **GROWING), sequence=2)

    assert (ids(read()), landed.late_rows) == ([1, 2, 3, 4], 0)


def test_the_first_landing_takes_rows_without_a_value_too(stage: Any, switch: Any, read: Read) -> None:
    assert switch(stage(EVENTS.format("(1, null), (2, 20)"), **GROWING)).late_rows == 0
    switch(stage(EVENTS.format("(1, null), (2, 20), (3, 30)"), run_id="run-2", **GROWING), sequence=2)
    assert ids(read()) == [1, 2, 3]


def test_a_table_without_a_watermark_tells_it_by_its_rows(stage: Any, switch: Any, read: Read) -> None:
    switch(stage(EVENTS.format("(1, 10), (2, 20)")))
    switch(stage(EVENTS.format("(1, 10), (2, 20), (3, 30)"), run_id="run-2", **GROWING), sequence=2)
    assert ids(read()) == [1, 2, 3]

    by_id = {"mode": "append", "watermark": "ID"}
    switch(stage(EVENTS.format("(2, 20), (3, 30), (4, 1)"), run_id="run-3", **by_id), sequence=3)
    assert ids(read()) == [1, 2, 3, 4]


def test_others_do_not_move_the_watermark(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    switch(stage("select 1::bigint as id, 10::bigint as at", **GROWING))
    catalog.load_table(identifier).append(pa.table({"id": [9], "at": [99]}))
    switch(stage("select 2::bigint as id, 20::bigint as at", run_id="run-2", **GROWING), sequence=2)

    assert ids(read()) == [1, 2, 9]


@pytest.mark.parametrize("change", ["landed", "rolled back"])
def test_a_watermark_that_moved_since_the_staging_is_refused(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, change: str
) -> None:
    first = switch(stage(EVENTS.format("(1, 10)"), **GROWING), sequence=1)
    switch(stage(EVENTS.format("(1, 10), (2, 20)"), run_id="run-2", **GROWING), sequence=2)
    staged = stage(EVENTS.format("(2, 20), (3, 30), (4, 40)"), run_id="run-4", **GROWING)
    if change == "landed":
        switch(stage(EVENTS.format("(2, 20), (3, 30)"), run_id="run-3", **GROWING), sequence=3)
    else:
        catalog.load_table(identifier).manage_snapshots().rollback_to_snapshot(first.snapshot_id).commit()
    before = ids(read())

    with pytest.raises(WatermarkMoved, match="FLOE-LAKE-024") as caught:
        switch(staged, sequence=4)
    assert isinstance(caught.value, Permanent)
    assert ids(read()) == before

    rows = EVENTS.format("(1, 10), (2, 20), (3, 30), (4, 40)")
    switch(stage(rows, run_id="run-5", **GROWING), sequence=5)
    assert ids(read()) == [1, 2, 3, 4]


def test_an_append_lands_though_maintenance_took_the_landing_before_it(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    """The rows that it stands above are the same; only the snapshot that brought them has expired."""
    switch(stage(EVENTS.format("(1, 10), (2, 20)"), **GROWING))
    switch(stage(EVENTS.format("(2, 20), (3, 30)"), run_id="run-2", **GROWING), sequence=2)
    staged = stage(EVENTS.format("(3, 30), (4, 40)"), run_id="run-3", **GROWING)
    compact_table(catalog, identifier, CompactionOptions(min_input_files=2), fence=lambda: None)
    rewrite_manifests(catalog, identifier, 1, fence=lambda: None)
    expire_snapshots(catalog, identifier, ExpiryOptions(2**62, 1), fence=lambda: None)
    assert len(catalog.load_table(identifier).snapshots()) == 1
    after = stage(EVENTS.format("(3, 30), (5, 50)"), run_id="run-4", **GROWING)

    switch(staged, sequence=3)
    assert ids(read()) == [1, 2, 3, 4]
    assert staged.watermark
    assert after.watermark
    assert (staged.watermark.before, staged.watermark.landing) == (after.watermark.before, after.watermark.landing)
    with pytest.raises(WatermarkMoved):
        switch(after, sequence=4)


def test_an_append_that_maintenance_has_taken_is_not_landed_again(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    """Its worker died before anybody heard of it, and the snapshot that names its run has expired since."""
    switch(stage(EVENTS.format("(1, 10)"), **GROWING))
    staged = stage(EVENTS.format("(1, 10), (2, 20)"), run_id="run-2", **GROWING)
    landed = switch(staged, sequence=2)
    compact_table(catalog, identifier, CompactionOptions(min_input_files=2), fence=lambda: None)
    rewrite_manifests(catalog, identifier, 1, fence=lambda: None)
    expire_snapshots(catalog, identifier, ExpiryOptions(2**62, 1), fence=lambda: None)

    again = switch(staged, sequence=2)
    assert (again.already_landed, again.snapshot_id, again.mode) == (True, landed.snapshot_id, "append")
    assert (again.rows, again.parent_snapshot_id) == (2, None)
    assert ids(read()) == [1, 2]


def test_an_append_lands_once_however_often_it_is_switched(stage: Any, switch: Any, read: Read) -> None:
    staged = stage(EVENTS.format("(1, 10), (2, 20)"), **GROWING)
    switch(staged)
    newer = stage(EVENTS.format("(1, 10), (2, 20), (3, 30)"), run_id="run-2", **GROWING)
    journalled = StagedTable.from_json(json.loads(canonical_json(newer.to_json())))
    assert journalled == newer
    switch(journalled, sequence=2)

    assert switch(staged).already_landed
    assert switch(newer, sequence=2).already_landed
    assert ids(read()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("timestamptz '2026-01-01 00:00:00.000001+02'", "timestamptz '2026-01-01 00:00:00.000002+02'"),
        ("timestamp '2026-01-01 00:00:00.000001'", "timestamp '2026-01-01 00:00:00.000002'"),
        ("date '1969-12-31'", "date '1970-01-01'"),
        ("1.05::decimal(9, 2)", "1.06::decimal(9, 2)"),
        ("0.1::double", "0.1::double + 2e-17"),
        ("'it''s'", "'it''t'"),
        ("170141183460469231731::hugeint", "170141183460469231732::hugeint"),
    ],
)
def test_watermarks_of_many_types_are_told_exactly(
    stage: Any, switch: Any, read: Read, first: str, second: str
) -> None:
    switch(stage(f"select 1 as id, {first} as at", **GROWING))
    staged = stage(f"select 1 as id, {first} as at union all select 2, {second}", run_id="run-2", **GROWING)
    switch(staged, sequence=2)
    assert (staged.rows, ids(read())) == (1, [1, 2])


def test_an_append_needs_a_watermark_that_is_there(stage: Any) -> None:
    with pytest.raises(LandingColumnMissing, match=r"has no watermark"):
        stage("select 1 as id", mode="append")
    with pytest.raises(LandingColumnMissing, match=r"watermark 'att' is no column") as caught:
        stage("select 1 as at", mode="append", watermark="att")
    assert "at" in (caught.value.hint or "")
