"""Compaction of tables as landings and other engines leave them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record

from floe_lakehouse import table_rows
from floe_lakehouse.arrow_writes import ArrowWrite, Written, write_arrow
from floe_lakehouse.duckdb_files import Engine
from floe_lakehouse.errors import RowsMiscounted, TableMissing
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.snapshots import MAINTENANCE, foreign_snapshots, summary_of

Read = Callable[[], list[dict[str, Any]]]
Files = Callable[[str], list[str]]
STATISTICS = (
    "column_sizes",
    "value_counts",
    "null_value_counts",
    "nan_value_counts",
    "lower_bounds",
    "upper_bounds",
)
OPTIONS = CompactionOptions(2**20, 2)
ROWS = pa.schema([("id", pa.int64()), ("word", pa.string())])


def rows(*ids: int, word: str = "a") -> pa.Table:
    return pa.table({"id": list(ids), "word": [word] * len(ids)}, ROWS)


@pytest.fixture
def table(catalog: Catalog, identifier: Any) -> Table:
    """A table of three small files, that floe did not make."""
    for depth in range(1, 4):
        catalog.create_namespace(identifier[:depth])
    made = catalog.create_table((".".join(identifier[:-1]), identifier[-1]), ROWS)
    for first in (0, 10, 20):
        made.append(rows(*range(first, first + 10)))
    return made


@pytest.fixture
def compact(catalog: Catalog, identifier: Any) -> Callable[..., MaintenanceReport]:
    def run(options: CompactionOptions = OPTIONS, **changes: Any) -> MaintenanceReport:
        return compact_table(catalog, identifier, options, **{"fence": lambda: None, **changes})

    return run


def ids(read: Read) -> list[int]:
    return sorted(row["id"] for row in read())


def test_wide_rows_fit_into_little_memory(table: Table, compact: Any, catalog: Catalog, identifier: Any) -> None:
    words = [hashlib.sha512(str(number).encode()).hexdigest() * 3 for number in range(60_000)]
    with table.transaction() as change:
        change.set_properties({"write.parquet.row-group-limit": "10000"})
    for first in range(1_000_000, 5_000_000, 1_000_000):
        table.append(pa.table({"id": range(first, first + len(words)), "word": words}, ROWS))

    report = compact(CompactionOptions(2**27, 2), engine=Engine("80MB", threads=2))

    assert (report.outcome, report.files_after) == ("done", 1)
    assert catalog.load_table(identifier).scan(selected_fields=("id",)).count() == 4 * len(words) + 30


def test_small_files_become_one_and_time_travel_stays(
    table: Table, compact: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    before = table.current_snapshot()
    sizes = table.inspect.data_files()["file_size_in_bytes"].to_pylist()
    assert before

    report = compact()

    after = catalog.load_table(identifier)
    snapshot = after.current_snapshot()
    assert snapshot
    assert snapshot.summary
    assert (report.outcome, report.files_before, report.files_after) == ("done", 3, 1)
    assert (report.bytes_before, report.bytes_after) == (sum(sizes), int(summary_of(snapshot)["added-files-size"]))
    assert (report.snapshot_before, report.snapshot_after) == (before.snapshot_id, snapshot.snapshot_id)
    assert snapshot.parent_snapshot_id == before.snapshot_id
    assert snapshot.summary.operation.value == "replace"
    assert summary_of(snapshot)[MAINTENANCE] == "compaction"
    assert (summary_of(snapshot)["total-data-files"], summary_of(snapshot)["total-records"]) == ("1", "30")
    assert ids(read) == list(range(30))
    assert after.scan(snapshot_id=before.snapshot_id).to_arrow().num_rows == 30


def test_a_second_compaction_finds_nothing_to_do(table: Table, compact: Any) -> None:
    done = compact()
    again = compact()
    assert (again.outcome, again.files_before, again.snapshot_after) == ("nothing_to_do", 0, done.snapshot_after)
    assert again.reason


def test_files_are_looked_at_a_few_at_a_time(
    table: Table, compact: Any, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_rows, "_FOOTERS_AT_ONCE", 2)
    assert (compact().files_before, ids(read)) == (3, list(range(30)))


def test_too_few_small_files_are_left(table: Table, compact: Any) -> None:
    assert compact(CompactionOptions(2**20, 4)).outcome == "nothing_to_do"
    assert compact(CompactionOptions(10, 2)).outcome == "nothing_to_do"


def test_a_dry_run_says_what_would_be_done(table: Table, compact: Any, catalog: Catalog, files_under: Files) -> None:
    files = files_under("*")
    report = compact(dry_run=True)
    assert (report.outcome, report.dry_run, report.files_before, report.files_after) == ("done", True, 3, 1)
    assert report.snapshot_after == report.snapshot_before
    assert files_under("*") == files


def test_progress_is_told_in_bytes(table: Table, compact: Any) -> None:
    told: list[tuple[int, int]] = []
    report = compact(progress=lambda done, total: told.append((done, total)))
    assert told == [(0, report.bytes_before), (report.bytes_before, report.bytes_before)]


def test_there_must_be_a_table(catalog: Catalog) -> None:
    with pytest.raises(TableMissing):
        compact_table(catalog, ("a", "b", "none"), OPTIONS, fence=lambda: None)


def test_an_empty_table_needs_nothing(catalog: Catalog, identifier: Any, compact: Any) -> None:
    catalog.create_namespace("x")
    catalog.create_table(("x", "empty"), ROWS)
    report = compact_table(catalog, ("x", "empty"), OPTIONS, fence=lambda: None)
    assert (report.outcome, report.snapshot_before) == ("nothing_to_do", None)


def test_files_of_a_partition_stay_in_it(
    stage: Any, switch: Any, compact: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    parted = {"partition_by": ("bucket[2](id)", "day(at)"), "mode": "append", "watermark": "id"}
    for run in range(4):
        day = "timestamp '2026-01-01' + to_days((i % 2)::int)"
        query = f"select i as id, {day} as at from range({100 * (run + 1)}) r(i)"
        switch(stage(query, run_id=f"run-{run}", **parted), sequence=run)
    table = catalog.load_table(identifier)
    before = {str(file["partition"]) for file in table.inspect.files().to_pylist()}

    report = compact()

    files = catalog.load_table(identifier).inspect.files().to_pylist()
    assert (report.files_before, report.files_after) == (16, 4)
    assert {str(file["partition"]) for file in files} == before
    assert ids(read) == list(range(400))
    of_a_bucket = catalog.load_table(identifier).scan("id = 7").plan_files()
    assert len(list(of_a_bucket)) == 2


def test_types_and_columns_of_every_age_stay_exactly(
    stage: Any, switch: Any, compact: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    typed = (
        "select {0}::int as id, 1.5::decimal(20, 2) as d, 2.25::float as f, uuid() as u, encode('ä') as b, "
        "time '23:59:59.999999' as t, timestamp '1969-12-31 23:59:59.123456' as ts, "
        "timestamptz '2026-01-01 12:00:00+02' as tz, date '1900-01-01' as day, true as yes, "
        "[{{'n': 1, 'list': [1, null]}}, null] as nested, map {{'k': [1.5::decimal(4, 1)]}} as pairs, "
        "null::varchar as nothing, 'nan'::double as x"
    )
    growing = {"mode": "append", "watermark": "id"}
    switch(stage(typed.format(1), **growing))
    switch(stage(typed.format(2).replace("2.25::float", "2.25::double") + ", 7 as late", run_id="run-2", **growing), 2)
    table = catalog.load_table(identifier)
    with table.update_schema() as update:
        update.rename_column("day", "date of birth")
        update.delete_column("pairs")
    schema, before = catalog.load_table(identifier).schema(), sorted(read(), key=lambda row: row["id"])

    assert compact().files_after == 1

    assert str(sorted(read(), key=lambda row: row["id"])) == str(before)
    assert catalog.load_table(identifier).schema() == schema
    (file,) = catalog.load_table(identifier).inspect.files()["file_path"].to_pylist()
    written = pq.read_schema(file.removeprefix("file://"))
    assert {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in written} == {
        field.name: field.field_id for field in schema.fields
    }


def test_empty_files_vanish(table: Table, compact: Any, read: Read, catalog: Catalog, identifier: Any) -> None:
    place = f"{table.location()}/data/empty.parquet"
    pq.write_table(rows(), place.removeprefix("file://"))
    add(table, place, 0)
    assert compact(CompactionOptions(2**20, 10)).files_before == 1
    assert len(list(catalog.load_table(identifier).scan().plan_files())) == 3
    assert ids(read) == list(range(30))


def add(table: Table, location: str, count: int, file_format: FileFormat = FileFormat.PARQUET) -> None:
    """Add a file as another engine might, without a look at it."""
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        append.append_data_file(
            DataFile.from_args(
                content=DataFileContent.DATA,
                file_path=location,
                file_format=file_format,
                partition=Record(),
                record_count=count,
                file_size_in_bytes=300,
                split_offsets=None,
                equality_ids=None,
                sort_order_id=None,
                key_metadata=None,
                **{name: {} for name in STATISTICS},
            )
        )


def test_files_that_hold_other_rows_than_the_table_says_are_not_rewritten(
    table: Table, compact: Any, files_under: Files, catalog: Catalog, identifier: Any
) -> None:
    place = f"{table.location()}/data/wrong.parquet"
    pq.write_table(rows(1, 2, 3), place.removeprefix("file://"))
    add(table, place, 2)
    files = files_under("*.parquet")
    with pytest.raises(RowsMiscounted, match=r"FLOE-LAKE-071.*33 rows.* 32"):
        compact()
    assert files_under("*.parquet") == files
    assert len(catalog.load_table(identifier).snapshots()) == 4


@pytest.mark.parametrize(
    ("place", "file_format", "reason"),
    [("/elsewhere/x.parquet", FileFormat.PARQUET, "location"), ("{}/data/x.orc", FileFormat.ORC, "not Parquet")],
    ids=["elsewhere", "orc"],
)
def test_files_that_cannot_be_rewritten_are_told(
    table: Table, compact: Any, place: str, file_format: FileFormat, reason: str
) -> None:
    add(table, place.format(table.location()), 3, file_format)
    for dry_run in (True, False):
        report = compact(dry_run=dry_run)
        assert (report.outcome, report.files_before) == ("unsupported", 0)
        assert reason in (report.reason or "")


def test_columns_that_duckdb_cannot_keep_are_told(catalog: Catalog, compact: Any) -> None:
    catalog.create_namespace("x")
    for name, schema, reason in [
        ("cases", pa.schema([("a", pa.int64()), ("A", pa.int64())]), "a, A differ only in case"),
        ("fixed", pa.schema([("a", pa.binary(4))]), "fixed[4]"),
    ]:
        catalog.create_table(("x", name), schema)
        report = compact_table(catalog, ("x", name), OPTIONS, fence=lambda: None)
        assert report.outcome == "unsupported"
        assert reason in (report.reason or "")


def test_fields_inside_of_structs_that_were_renamed_are_told(
    stage: Any, switch: Any, compact: Any, read: Read, catalog: Catalog, identifier: Any, files_under: Files
) -> None:
    for run in (1, 2):
        growing = {"mode": "append", "watermark": "id", "run_id": f"run-{run}"}
        switch(stage(f"select {run} as id, {{'n': {run}}} as point", **growing), run)
    with catalog.load_table(identifier).update_schema() as update:
        update.rename_column(("point", "n"), "number")
    before, files = read(), files_under("*.parquet")

    report = compact()

    assert report.outcome == "unsupported"
    assert "'point'" in (report.reason or "")
    assert read() == before
    assert files_under("*.parquet") == files


def test_files_of_older_partition_specs_come_into_the_current_one_where_that_is_sure(
    table: Table, compact: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    def change(old: str | None, column: str, name: str) -> None:
        with catalog.load_table(identifier).update_spec() as update:
            if old:
                update.remove_field(old)
            update.add_field(column, IdentityTransform(), name)

    def append(*ids: int, word: str) -> None:
        catalog.load_table(identifier).append(rows(*ids, word=word))

    change(None, "word", "of_word")
    change(None, "id", "of_id")
    append(30, word="b")
    append(31, word="b")
    append(30, word="c")
    with catalog.load_table(identifier).update_spec() as update:
        update.remove_field("of_id")
    append(40, 41, word="b")
    assert catalog.load_table(identifier).spec().spec_id == 1  # pyiceberg takes the one of before again

    report = compact()

    files = catalog.load_table(identifier).inspect.files().to_pylist()
    assert (report.files_before, report.files_after) == (6, 2)
    assert sorted((file["spec_id"], file["record_count"]) for file in files) == [
        (0, 30),
        (1, 4),
        (2, 1),
    ]
    of_b = catalog.load_table(identifier).scan("word = 'b'")
    assert sorted(of_b.to_arrow()["id"].to_pylist()) == [30, 31, 40, 41]
    assert len(list(of_b.plan_files())) == 1
    assert ids(read) == sorted([*range(30), 30, 30, 31, 40, 41])


def test_files_of_partitions_go_together_once_the_table_has_none(
    table: Table, compact: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    with table.update_spec() as update:
        update.add_field("word", IdentityTransform(), "of_word")
    for word in "bc":
        catalog.load_table(identifier).append(rows(30, word=word))
    with catalog.load_table(identifier).update_spec() as update:
        update.remove_field("of_word")

    assert (compact().files_before, ids(read)) == (5, [*range(30), 30, 30])
    (file,) = catalog.load_table(identifier).scan("word = 'c'").plan_files()
    assert (file.file.record_count, len(file.file.partition)) == (32, 0)


def test_tables_of_format_1_are_compacted(catalog: Catalog, identifier: Any) -> None:
    catalog.create_namespace("x")
    table = catalog.create_table(("x", "old"), ROWS, properties={"format-version": "1"})
    for number in range(3):
        table.append(rows(number))
    report = compact_table(catalog, ("x", "old"), OPTIONS, fence=lambda: None)
    assert (report.files_before, report.files_after) == (3, 1)
    again = catalog.load_table(("x", "old"))
    assert again.format_version == 1
    assert sorted(again.scan().to_arrow()["id"].to_pylist()) == [0, 1, 2]


def test_required_columns_stay_readable(catalog: Catalog) -> None:
    catalog.create_namespace("x")
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])
    table = catalog.create_table(("x", "strict"), schema)
    for number in range(3):
        table.append(pa.table({"id": [number]}, schema))
    assert compact_table(catalog, ("x", "strict"), OPTIONS, fence=lambda: None).files_after == 1
    again = catalog.load_table(("x", "strict"))
    assert again.scan().to_arrow().schema.field("id").nullable is False
    assert sorted(again.scan().to_arrow()["id"].to_pylist()) == [0, 1, 2]


def test_groups_are_bounded_by_the_target(table: Table, compact: Any, read: Read) -> None:
    report = compact(CompactionOptions(2 * 1100, 2))
    assert (report.files_before, report.files_after) == (2, 1)
    assert ids(read) == list(range(30))


def test_landings_behave_after_a_compaction_as_without_it(
    stage: Any, switch: Any, compact: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    growing = {"mode": "append", "watermark": "id"}
    for run in (1, 2):
        switch(stage(f"select i as id, 'a' as word from range({run * 10}) r(i)", run_id=f"run-{run}", **growing), run)
    staged = stage("select i as id, 'a' as word from range(30) r(i)", run_id="run-3", **growing)
    assert compact().outcome == "done"

    appended = switch(staged, 3)
    assert appended.foreign_snapshots == ()
    assert ids(read) == list(range(30))
    assert switch(stage("select i as id, 'a' as word from range(20) r(i)", run_id="run-2"), 2).already_landed

    compact()
    keyed = {"mode": "upsert", "unique_key": ("id",)}
    upserted = switch(stage("select 5::bigint as id, 'b' as word", run_id="run-4", **keyed), 4)
    assert (upserted.rows, upserted.foreign_snapshots) == (30, ())
    assert [row["word"] for row in read() if row["id"] == 5] == ["b"]

    compact()
    late = switch(stage("select i as id, 'a' as word from range(31) r(i)", run_id="run-5", **growing), 5)
    assert (late.rows, late.late_rows) == (31, 0)
    metadata = catalog.load_table(identifier).metadata
    current = metadata.current_snapshot()
    assert current
    assert foreign_snapshots(metadata, current) == ()


def test_writes_of_assets_behave_after_a_compaction_as_without_it(
    compact: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    def write(name: str, *ids: int, word: str = "a", **how: Any) -> Written:
        plan = ArrowWrite(identifier=identifier, name=name, **how)
        return write_arrow(catalog, rows(*ids, word=word).to_reader(), plan)

    for number in range(3):
        write(f"w{number}", number, mode="append")
    assert compact().files_after == 1

    assert write("w1", 1, mode="append").already_written
    upserted = write("w3", 1, 7, word="b", mode="upsert", unique_key=("id",))
    assert (upserted.rows, upserted.total_rows) == (2, 4)
    assert sorted((row["id"], row["word"]) for row in read()) == [(0, "a"), (1, "b"), (2, "a"), (7, "b")]
    compact()
    partition = write("w4", 7, word="c", mode="partition", partition=EqualTo("id", 7))  # type: ignore[misc, call-arg]
    assert partition.total_rows == 4
    assert sorted((row["id"], row["word"]) for row in read()) == [(0, "a"), (1, "b"), (2, "a"), (7, "c")]
