"""Manifests are put together, and everything reads as before: in pyiceberg and in DuckDB's own Iceberg reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform

from floe_lakehouse.errors import TableMissing
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.manifests import rewrite_manifests
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.snapshots import MAINTENANCE, summary_of
from floe_lakehouse.testing.other_engine import duckdb_with_iceberg

Read = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def rewrite(catalog: Catalog, identifier: Any) -> Callable[..., MaintenanceReport]:
    def run(least: int = 2, **changes: Any) -> MaintenanceReport:
        return rewrite_manifests(catalog, identifier, least, **{"fence": lambda: None, **changes})

    return run


@pytest.fixture
def table(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> Table:
    """Five runs that appended ten rows each, in two partitions, and a sixth that replaced some."""
    parted = {"partition_by": ("bucket[2](id)",)}
    growing = {"mode": "append", "watermark": "id", **parted}
    for run in range(1, 6):
        switch(stage(f"select i as id, 'a' as word from range({run * 10}) r(i)", run_id=f"run-{run}", **growing), run)
    keyed = {"mode": "upsert", "unique_key": ("id",), **parted}
    switch(stage("select 3::bigint as id, 'b' as word", run_id="run-6", **keyed), 6)
    return catalog.load_table(identifier)


@pytest.fixture
def scan(catalog: Catalog, identifier: Any) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Rows as DuckDB's Iceberg extension reads them, now or of a snapshot."""
    with duckdb_with_iceberg() as connection:

        def run(snapshot_id: int | None = None) -> list[tuple[Any, ...]]:
            metadata = catalog.load_table(identifier).metadata_location.removeprefix("file://")
            at = f", snapshot_from_id = {snapshot_id}::ubigint" if snapshot_id else ""
            return connection.execute(f"from iceberg_scan('{metadata}'{at}) order by all").fetchall()

        yield run


def entries(table: Table) -> dict[str, tuple[Any, ...]]:
    """What the manifests of the current snapshot say of each file, but for their own names."""
    snapshot = table.current_snapshot()
    assert snapshot
    return {
        entry.data_file.file_path: (
            entry.snapshot_id,
            entry.sequence_number,
            entry.file_sequence_number,
            entry.data_file.spec_id,
            entry.data_file.partition,
            entry.data_file.record_count,
            entry.data_file.lower_bounds,
        )
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io)
        if entry.status != ManifestEntryStatus.DELETED
    }


def test_many_manifests_become_one_and_nothing_else_changes(
    table: Table, rewrite: Any, read: Read, scan: Any, catalog: Catalog, identifier: Any
) -> None:
    before, rows, known = table.current_snapshot(), sorted(map(str, read())), entries(table)
    assert before
    old = {one.snapshot_id: scan(one.snapshot_id) for one in table.snapshots()}

    report = rewrite()

    after = catalog.load_table(identifier)
    snapshot = after.current_snapshot()
    assert snapshot
    assert snapshot.summary
    (manifest,) = snapshot.manifests(after.io)
    assert (manifest.existing_files_count, manifest.added_files_count) == (len(known), 0)
    assert manifest.min_sequence_number == min(number for _, number, *_ in known.values())
    assert entries(after) == known
    assert (report.outcome, report.files_after, report.bytes_after) == ("done", 1, manifest.manifest_length)
    assert report.files_before >= 5
    assert snapshot.summary.operation.value == "replace"
    assert summary_of(snapshot)[MAINTENANCE] == "manifests"
    assert summary_of(snapshot)["total-records"] == summary_of(before)["total-records"] == "50"
    assert sorted(map(str, read())) == rows
    assert scan() == old[before.snapshot_id]
    assert {one: scan(one) for one in old} == old
    assert {one: after.scan(snapshot_id=one).to_arrow().num_rows for one in old} == {
        one: len(found) for one, found in old.items()
    }


def test_rows_are_landed_and_deleted_after_it_as_before(
    table: Table, rewrite: Any, stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, scan: Any
) -> None:
    rewrite()
    query = "select i as id, 'a' as word from range(60) r(i)"
    growing = {"mode": "append", "watermark": "id", "partition_by": ("bucket[2](id)",)}
    assert switch(stage(query, run_id="run-7", **growing), 7).foreign_snapshots == ()
    catalog.load_table(identifier).delete("id < 5")
    assert sorted(row["id"] for row in read()) == list(range(5, 60))
    assert len(scan()) == 55


def test_manifests_of_different_specs_stay_apart(
    table: Table, rewrite: Any, catalog: Catalog, identifier: Any, read: Read
) -> None:
    with table.update_spec() as update:
        update.remove_field("id_bucket_2")
        update.add_field("word", IdentityTransform(), "of_word")
    for _ in range(2):
        catalog.load_table(identifier).append(table.scan("id = 1").to_arrow())
    rows = sorted(map(str, read()))

    rewrite()

    after = catalog.load_table(identifier)
    snapshot = after.current_snapshot()
    assert snapshot
    assert sorted(one.partition_spec_id for one in snapshot.manifests(after.io)) == [0, 1]
    assert sorted(map(str, read())) == rows


def test_few_manifests_are_left_and_a_dry_run_changes_nothing(
    table: Table, rewrite: Any, files_under: Callable[[str], list[str]]
) -> None:
    files = files_under("*")
    assert rewrite(50).outcome == "nothing_to_do"
    report = rewrite(dry_run=True)
    assert (report.outcome, report.dry_run, report.files_after) == ("done", True, 1)
    assert files_under("*") == files
    rewrite()
    assert rewrite().outcome == "nothing_to_do"


def test_rows_that_are_appended_meanwhile_survive(
    table: Table, rewrite: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    waiting = [table.scan("id = 1").to_arrow()]
    with table.update_spec() as update:
        update.remove_field("id_bucket_2")

    def append() -> None:
        if waiting:
            catalog.load_table(identifier).append(waiting.pop())

    rewrite(fence=append)

    assert len(read()) == 51
    after = catalog.load_table(identifier)
    snapshot = after.current_snapshot()
    assert snapshot
    assert len(snapshot.manifests(after.io)) == 2


def test_tables_of_format_3_are_told(
    table: Table, rewrite: Any, catalog: Catalog, identifier: Any, tmp_path: Path
) -> None:
    """pyiceberg writes none, so its metadata is made by hand."""
    document = json.loads(Path(table.metadata_location.removeprefix("file://")).read_text())
    newer = tmp_path / "v3.metadata.json"
    newer.write_text(json.dumps({**document, "format-version": 3, "next-row-id": 0}))
    catalog.drop_table(identifier)
    catalog.register_table(identifier, f"file://{newer}")

    assert rewrite().reason == "the table has Iceberg's format 3"
    compacted = compact_table(catalog, identifier, CompactionOptions(2**20, 2), fence=lambda: None)
    assert (compacted.outcome, compacted.reason) == ("unsupported", "the table has Iceberg's format 3")


def test_there_must_be_a_table(catalog: Catalog) -> None:
    with pytest.raises(TableMissing):
        rewrite_manifests(catalog, ("a", "none"), 2, fence=lambda: None)
