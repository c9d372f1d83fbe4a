"""Rows that other engines deleted beside the files, as merge-on-read has it, leave them when files are rewritten."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record

from floe_lakehouse.duckdb_files import DuckDBTable
from floe_lakehouse.landing import switch_table
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.live_files import ManifestReader
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.maintenance.rewrite_snapshots import RewriteSnapshot
from floe_lakehouse.snapshots import summary_of
from floe_lakehouse.staged import LandingRequest
from floe_lakehouse.staging import stage_table

NAME = ("shop", "orders")
STATISTICS = (
    "column_sizes",
    "value_counts",
    "null_value_counts",
    "nan_value_counts",
    "lower_bounds",
    "upper_bounds",
)
ROWS = pa.schema([("id", pa.int64()), ("word", pa.string())])


@pytest.fixture
def other_engine(other_engine: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    other_engine.execute("create schema lake.shop")
    return other_engine


def compact(catalog: Catalog, **changes: Any) -> MaintenanceReport:
    return compact_table(catalog, NAME, CompactionOptions(2**20, 5), **{"fence": lambda: None, **changes})


def ids(table: Table, **scan: Any) -> list[int]:
    return sorted(table.scan(**scan).to_arrow()["id"].to_pylist())


def test_rows_that_another_engine_deleted_are_gone_from_the_files(
    client: Catalog, other_engine: duckdb.DuckDBPyConnection
) -> None:
    other_engine.execute("create table lake.shop.orders as select i as id, 'a' as word from range(100) r(i)")
    other_engine.execute("insert into lake.shop.orders select i, 'b' from range(100, 200) r(i)")
    other_engine.execute("delete from lake.shop.orders where id % 10 = 3")
    other_engine.execute("delete from lake.shop.orders where id = 5 or id = 105")
    other_engine.execute("update lake.shop.orders set word = 'c' where id = 7")
    before = client.load_table(NAME)
    wanted = other_engine.execute("from lake.shop.orders order by id").fetchall()
    assert len(wanted) == 178

    report = compact(client)

    after = client.load_table(NAME)
    summary = summary_of(after.current_snapshot())
    assert report.outcome == "done"
    assert (summary["total-records"], summary["total-delete-files"], summary["total-position-deletes"]) == (
        "178",
        "0",
        "0",
    )
    assert not any(task.delete_files for task in after.scan().plan_files())
    assert [tuple(row.values()) for row in after.scan().to_arrow().sort_by("id").to_pylist()] == wanted
    assert other_engine.execute("from lake.shop.orders order by id").fetchall() == wanted
    assert ids(after, snapshot_id=before.metadata.current_snapshot_id) == [row[0] for row in wanted]
    assert compact(client).outcome == "nothing_to_do"


def test_a_table_is_upserted_again_once_its_deletes_are_applied(
    client: Catalog, other_engine: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    other_engine.execute("create table lake.shop.orders as select i as id, 'a' as word from range(10) r(i)")
    other_engine.execute("delete from lake.shop.orders where id < 4")
    compact(client)

    with duckdb.connect(tmp_path / "w.duckdb") as warehouse:
        warehouse.execute("create table orders as select 5::bigint as id, 'b' as word")
    request = LandingRequest(
        source=DuckDBTable(tmp_path / "w.duckdb", "main", "orders"),
        identifier=NAME,
        run_id="run-1",
        attempt=1,
        mode="upsert",
        unique_key=("id",),
    )
    landed = switch_table(client, stage_table(client, request), sequence=1, properties={}, fence=lambda: None)
    assert landed.rows == 6


def test_a_file_of_which_all_rows_are_deleted_vanishes(
    client: Catalog, other_engine: duckdb.DuckDBPyConnection
) -> None:
    other_engine.execute("create table lake.shop.orders as select i as id from range(10) r(i)")
    other_engine.execute("insert into lake.shop.orders select i from range(100, 110) r(i)")
    other_engine.execute("delete from lake.shop.orders where id < 8")
    other_engine.execute("delete from lake.shop.orders where id >= 8 and id < 100")

    report = compact(client)

    assert report.files_after == 0
    assert ids(client.load_table(NAME)) == list(range(100, 110))
    other_engine.execute("delete from lake.shop.orders where id >= 100 and id < 105")
    other_engine.execute("delete from lake.shop.orders where id >= 105")
    assert compact(client).files_after == 0
    assert client.load_table(NAME).scan().to_arrow().num_rows == 0


@pytest.fixture
def table(client: Catalog) -> Table:
    """Two partitions of two files with ten rows each."""
    client.create_namespace("shop")
    made = client.create_table(NAME, ROWS)
    with made.update_spec() as update:
        update.add_field("word", IdentityTransform(), "word")
    for first in (0, 10):
        for word, more in (("a", 0), ("b", 100)):
            ten = list(range(first + more, first + more + 10))
            made.append(pa.table({"id": ten, "word": [word] * 10}, ROWS))
    return client.load_table(NAME)


def delete_by_position(table: Table, places: list[tuple[str, int]], word: str, **of_file: Any) -> None:
    """Commit one positional delete file that says nothing of the files it speaks of, as Spark may."""
    place = f"{table.location()}/data/{uuid.uuid4()}-deletes.parquet"
    schema = pa.schema([("file_path", pa.string()), ("pos", pa.int64())])
    pq.write_table(pa.table(list(zip(*places, strict=True)), schema), place.removeprefix("file://"))
    file = DataFile.from_args(
        **{
            "content": DataFileContent.POSITION_DELETES,
            "file_path": place,
            "file_format": FileFormat.PARQUET,
            "partition": Record(word),
            "record_count": len(places),
            "file_size_in_bytes": 500,
            **{name: {} for name in STATISTICS},
            **dict.fromkeys(("split_offsets", "equality_ids", "sort_order_id", "key_metadata")),
            **of_file,
        }
    )
    file.spec_id = table.spec().spec_id
    transaction = table.transaction()
    with RewriteSnapshot(transaction, ManifestReader(table.io), added=[file], gone=(), manifests=(), properties={}):
        pass
    transaction.commit_transaction()


def files_of(table: Table, word: str) -> list[str]:
    return sorted(task.file.file_path for task in table.scan(f"word = '{word}'").plan_files())


def test_deletes_that_speak_of_many_files_of_a_partition(client: Catalog, table: Table) -> None:
    first, second = files_of(table, "a")
    delete_by_position(table, [(first, 0), (first, 0), (second, 9), (second, 500)], "a")
    wanted = ids(client.load_table(NAME))
    assert len(wanted) == 38

    report = compact(client)

    after = client.load_table(NAME)
    assert (report.files_before, report.files_after) == (3, 1)
    assert ids(after) == wanted
    assert summary_of(after.current_snapshot())["total-delete-files"] == "0"
    assert len(files_of(after, "b")) == 2


def test_deletes_stay_while_they_speak_of_a_file_that_stays(client: Catalog, table: Table) -> None:
    """Only the files of one partition are rewritten; the manifest that names the deletes of both is."""
    delete_by_position(table, [(files_of(table, "a")[0], 1)], "a")
    loaded = client.load_table(NAME)
    of_b = files_of(loaded, "b")[0]

    def fence() -> None:
        if not any(task.delete_files for task in client.load_table(NAME).scan("word = 'b'").plan_files()):
            delete_by_position(client.load_table(NAME), [(of_b, 2)], "b")

    compact(client, fence=fence)

    after = client.load_table(NAME)
    assert len(ids(after)) == 38
    assert summary_of(after.current_snapshot())["total-delete-files"] == "1"
    assert compact(client).outcome == "done"
    assert len(ids(client.load_table(NAME))) == 38
    assert summary_of(client.load_table(NAME).current_snapshot())["total-delete-files"] == "0"


def test_deletes_that_speak_of_no_file_are_removed(client: Catalog, table: Table) -> None:
    (path, _) = files_of(table, "a")
    delete_by_position(table, [(path, 1)], "a")
    client.load_table(NAME).delete("word = 'a'")
    assert summary_of(client.load_table(NAME).current_snapshot())["total-delete-files"] == "1"

    report = compact(client)

    assert (report.outcome, report.files_before, report.files_after) == ("done", 1, 0)
    assert summary_of(client.load_table(NAME).current_snapshot())["total-delete-files"] == "0"
    assert len(ids(client.load_table(NAME))) == 20


def test_deletes_by_equality_are_told(client: Catalog, table: Table) -> None:
    delete_by_position(table, [("x", 0)], "a", content=DataFileContent.EQUALITY_DELETES, equality_ids=[1])
    report = compact(client)
    assert (report.outcome, report.reason) == ("unsupported", "another engine deleted rows by equality")
