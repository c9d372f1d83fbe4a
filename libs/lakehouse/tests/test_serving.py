"""`serve.duckdb`: what its views show is what pyiceberg reads of the same tables."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import FixedType, LongType, NestedField, StringType, TimestampType, UUIDType

from floe_lakehouse.errors import TableNotServed
from floe_lakehouse.history.rollback import rollback_table
from floe_lakehouse.maintenance.live_files import ManifestReader
from floe_lakehouse.maintenance.rewrite_snapshots import RewriteSnapshot
from floe_lakehouse.serving.refreshing import WantedTable, refresh_served
from floe_lakehouse.serving.serve_database import ServedTable, read_served

ORDERS = ("acme", "dev", "shop", "orders")
SHOP = ("shop", "orders")
ROWS = pa.schema([("id", pa.int64()), ("word", pa.string())])
STATISTICS = ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "serve" / "serve.duckdb"


def show(
    database: Path, catalog: Catalog, *tables: tuple[str, ...], schema: str = "main", name: str | None = None
) -> tuple[ServedTable, ...]:
    return refresh_served(
        database, catalog, lambda _: [WantedTable(table, schema, name or table[-1]) for table in tables]
    )


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """As a reader that has nothing but the file, and DuckDB without any extension."""
    with duckdb.connect(":memory:", config={"autoload_known_extensions": False}) as connection:
        connection.execute(f"ATTACH '{database}' AS served (READ_ONLY)")
        connection.execute("USE served")
        return connection.execute(sql).fetchall()


def as_pyiceberg_reads(catalog: Catalog, table: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in catalog.load_table(table).scan().to_arrow().to_pylist()), key=str)


def same_rows(database: Path, catalog: Catalog, table: tuple[str, ...], view: str = "main.orders") -> bool:
    return sorted(query(database, f"FROM {view}"), key=str) == as_pyiceberg_reads(catalog, table)


def test_every_landed_type_is_shown_as_it_landed(stage: Any, switch: Any, catalog: Catalog, database: Path) -> None:
    switch(
        stage(
            "select 7::utinyint as tiny, 2::hugeint as huge, 1.25::decimal(9, 2) as price, true as yes, "
            "1.5::float as f, 2.5::double as d, 'ä\"''' as \"odd \"\" name\", '\\x00'::blob as b, "
            "date '2026-02-28' as day, time '10:00:00.123456' as t, timestamp '2026-02-28 10:00:00.5' as moment, "
            "[1, null] as list, {'x': 1, 'y': ['a']} as part, map {'k': 2} as pairs, "
            "null::varchar as nothing, uuid() as id"
        )
    )

    (table,) = show(database, catalog, ORDERS)

    assert table.refused is None
    assert len(query(database, "FROM main.orders")) == 1
    row = query(database, 'SELECT tiny, huge, price, day, t, moment, "odd "" name", list, part FROM main.orders')[0]
    assert row == (
        7,
        Decimal(2),
        Decimal("1.25"),
        dt.date(2026, 2, 28),
        dt.time(10, 0, 0, 123456),
        dt.datetime(2026, 2, 28, 10, 0, 0, 500000),  # noqa: DTZ001 - a timestamp without a zone
        "ä\"'",
        [1, None],
        {"x": 1, "y": ["a"]},
    )


def test_columns_that_came_were_widened_renamed_or_dropped_are_read_by_field_id(
    stage: Any, switch: Any, catalog: Catalog, database: Path
) -> None:
    switch(stage("select 1::integer as id, 'a' as word, 1 as old"))
    switch(
        stage("select 2::bigint as id, 'b' as word, 2 as old", "run-2", mode="upsert", unique_key=("id",)), sequence=2
    )
    with catalog.load_table(ORDERS).update_schema() as update:
        update.rename_column("word", "text")
        update.delete_column("old")
        update.add_column("new", StringType())
    show(database, catalog, ORDERS)

    assert sorted(query(database, 'SELECT id, "text", new FROM main.orders')) == [(1, "a", None), (2, "b", None)]
    assert same_rows(database, catalog, ORDERS)
    assert query(database, "SELECT data_type FROM duckdb_columns() WHERE table_name = 'orders'")[0] == ("BIGINT",)


def test_a_column_inside_of_another_that_was_renamed_is_told_instead_of_read_as_null(
    stage: Any, switch: Any, catalog: Catalog, database: Path
) -> None:
    switch(stage("select {'x': 1} as part"))
    with catalog.load_table(ORDERS).update_schema() as update:
        update.rename_column("part.x", "z")

    (table,) = show(database, catalog, ORDERS)

    assert table.refused
    with pytest.raises(duckdb.InvalidInputException, match=r"main\.orders is not shown: a field inside of the column"):
        query(database, "SELECT count(*) FROM main.orders")


def test_tables_without_rows_have_their_columns(stage: Any, switch: Any, catalog: Catalog, database: Path) -> None:
    catalog.create_namespace_if_not_exists(ORDERS[:-1])
    catalog.create_table((*ORDERS[:-1], "new"), Schema(NestedField(1, "id", LongType())))
    switch(stage("select 1 as id where false"))

    tables = show(database, catalog, ORDERS, (*ORDERS[:-1], "new"))

    assert [table.snapshot_id is None for table in tables] == [table.identifier.endswith("new") for table in tables]
    assert query(database, "SELECT count(id) FROM main.orders") == query(database, "SELECT count(id) FROM main.new")


def test_partitioned_tables_are_shown_whole(stage: Any, switch: Any, catalog: Catalog, database: Path) -> None:
    switch(
        stage(
            "select i as id, 'a*b[c]?=' || (i % 3) as region, timestamp '2026-01-01' + i * interval 1 day as at "
            "from range(20) r(i)",
            partition_by=("region", "month(at)", "bucket[4](id)"),
        )
    )
    show(database, catalog, ORDERS)
    assert same_rows(database, catalog, ORDERS)


def test_values_that_only_partitions_say_are_told_instead_of_read_as_null(
    client: Catalog, database: Path, tmp_path: Path
) -> None:
    """As of tables that were migrated from Hive."""
    client.create_namespace("shop")
    made = client.create_table(SHOP, ROWS)
    with made.update_spec() as update:
        update.add_field("word", IdentityTransform(), "word")
    folder = Path(made.location().removeprefix("file://")) / "data"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"id": [1]}), folder / "a.parquet")
    _commit_file(made, f"{made.location()}/data/a.parquet", 1, content=DataFileContent.DATA, partition=Record("a"))

    (table,) = show(database, client, SHOP)

    assert table.refused == "the values of its column 'word' stand in no file, only in partitions"


def test_a_view_is_named_as_the_relation_however_odd_its_name(
    stage: Any, switch: Any, catalog: Catalog, database: Path
) -> None:
    switch(stage("select 1 as id"))
    show(database, catalog, ORDERS, schema='serve "x"', name="v1.2 'y'")
    assert query(database, """SELECT id FROM "serve ""x""\"."v1.2 'y'" """) == [(1,)]
    assert query(database, "SELECT schema_name, table_name FROM floe_serve.tables") == [('serve "x"', "v1.2 'y'")]


def test_rows_that_another_engine_deleted_do_not_come_back(
    client: Catalog, other_engine: duckdb.DuckDBPyConnection, database: Path
) -> None:
    other_engine.execute("create schema lake.shop")
    other_engine.execute("create table lake.shop.orders as select i as id, 'a' as word from range(100) r(i)")
    other_engine.execute("insert into lake.shop.orders select i, 'b' from range(100, 200) r(i)")
    other_engine.execute("delete from lake.shop.orders where id % 10 = 3")
    other_engine.execute("update lake.shop.orders set word = 'c' where id = 7")

    show(database, client, SHOP)

    assert query(database, "SELECT count(*), count(distinct id) FROM main.orders") == [(180, 180)]
    assert (
        query(database, "FROM main.orders ORDER BY id")
        == other_engine.execute("from lake.shop.orders order by id").fetchall()
    )


def _commit_file(table: Table, place: str, rows: int, **of_file: Any) -> None:
    file = DataFile.from_args(
        **{
            "file_path": place,
            "file_format": FileFormat.PARQUET,
            "record_count": rows,
            "file_size_in_bytes": 500,
            "partition": Record(),
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


def test_what_cannot_be_shown_rightly_fails_with_the_reason_and_hides_no_other(client: Catalog, database: Path) -> None:
    client.create_namespace("shop")
    tables = {name: client.create_table(("shop", name), ROWS) for name in ("fine", "equality", "orc", "elsewhere")}
    for table in tables.values():
        table.append(pa.table({"id": [1], "word": ["a"]}, ROWS))
    equality = {"content": DataFileContent.EQUALITY_DELETES, "equality_ids": [1]}
    _commit_file(tables["equality"], f"{tables['equality'].location()}/data/d.parquet", 1, **equality)
    orc = {"content": DataFileContent.DATA, "file_format": FileFormat.ORC}
    _commit_file(tables["orc"], f"{tables['orc'].location()}/data/a.orc", 1, **orc)
    _commit_file(tables["elsewhere"], "file:///elsewhere/a.parquet", 1, content=DataFileContent.DATA)

    shown = show(database, client, *(("shop", name) for name in tables))

    refused = {table.table_name: table.refused for table in shown}
    assert refused["fine"] is None
    assert query(database, "FROM main.fine") == [(1, "a")]
    for name, reason in {"equality": "deleted rows", "orc": "not Parquet", "elsewhere": "not under"}.items():
        assert reason in str(refused[name])
        with pytest.raises(duckdb.InvalidInputException, match=f"main.{name} is not shown: .*{reason}"):
            query(database, f"SELECT max(id) FROM main.{name} WHERE word = 'a'")
        for asked in ("count(*)", "id", "count(*) FILTER (id > 3)"):
            with pytest.raises(duckdb.InvalidInputException, match="is not shown"):
                query(database, f"SELECT {asked} FROM main.{name}")


def test_types_that_other_engines_write_are_read(client: Catalog, database: Path) -> None:
    client.create_namespace("shop")
    schema = Schema(
        NestedField(1, "id", UUIDType()), NestedField(2, "code", FixedType(2)), NestedField(3, "at", TimestampType())
    )
    table = client.create_table(SHOP, schema)
    table.append(
        pa.table(
            {"id": [b"0" * 16], "code": [b"ab"], "at": [dt.datetime(2026, 1, 1)]},  # noqa: DTZ001 - without a zone
            table.schema().as_arrow(),
        )
    )
    (shown,) = show(database, client, SHOP)

    assert shown.refused is None
    assert query(database, "SELECT id::varchar, code FROM main.orders") == [
        ("30303030-3030-3030-3030-303030303030", b"ab")
    ]


def test_tables_of_other_machines_are_told(catalog: Catalog, database: Path, stage: Any, switch: Any) -> None:
    switch(stage("select 1 as id"))
    table = catalog.load_table(ORDERS)
    table.metadata = table.metadata.model_copy(update={"location": "s3://lake/orders"})

    class Remote:
        def load_table(self, _: Iterable[str]) -> Table:
            return table

    remote: Any = Remote()
    (shown,) = show(database, remote, ORDERS)
    assert shown.refused == "its files are not on this machine, but at s3://lake/orders"


def test_only_what_changed_is_looked_at_and_nothing_is_written_for_nothing(
    stage: Any, switch: Any, catalog: Catalog, database: Path
) -> None:
    switch(stage("select 1 as id"))
    first = show(database, catalog, ORDERS)
    before = database.stat()
    show(database, catalog, ORDERS)
    assert database.stat() == before

    switch(stage("select 2 as id", "run-2"), sequence=2)
    second = show(database, catalog, ORDERS)

    assert query(database, "FROM main.orders") == [(2,)]
    assert first[0].snapshot_id != second[0].snapshot_id
    assert read_served(database) == second
    assert second[0].landed_at
    assert query(database, "SELECT snapshot_id FROM floe_serve.tables") == [(second[0].snapshot_id,)]


def test_a_rollback_and_a_drop_are_shown(stage: Any, switch: Any, catalog: Catalog, database: Path) -> None:
    first = switch(stage("select 1 as id"))
    switch(stage("select 2 as id, 'new' as word", "run-2"), sequence=2)
    show(database, catalog, ORDERS)
    rollback_table(catalog, ORDERS, first.snapshot_id, fence=lambda: None)
    show(database, catalog, ORDERS)
    assert query(database, "FROM main.orders") == [(1,)]

    catalog.drop_table(ORDERS)
    assert show(database, catalog, ORDERS) == ()
    with pytest.raises(duckdb.CatalogException):
        query(database, "FROM main.orders")


def test_a_reader_keeps_what_it_opened_while_the_file_is_replaced(
    stage: Any, switch: Any, catalog: Catalog, database: Path
) -> None:
    switch(stage("select 1 as id"))
    show(database, catalog, ORDERS)
    with duckdb.connect(":memory:") as reader:
        reader.execute(f"ATTACH '{database}' AS served (READ_ONLY)")
        switch(stage("select 2 as id", "run-2"), sequence=2)
        show(database, catalog, ORDERS)
        assert reader.execute("FROM served.main.orders").fetchall() == [(1,)]
    assert query(database, "FROM main.orders") == [(2,)]


def test_what_stands_there_and_is_no_database_is_written_anew(
    stage: Any, switch: Any, catalog: Catalog, database: Path
) -> None:
    switch(stage("select 1 as id"))
    database.parent.mkdir()
    database.write_bytes(b"half a file")
    (database.parent / "left.new").write_bytes(b"of a writer that died")
    show(database, catalog, ORDERS)
    assert query(database, "FROM main.orders") == [(1,)]
    assert sorted(path.name for path in database.parent.iterdir()) == ["serve.duckdb", "serve.lock"]


def test_a_table_whose_files_are_gone_hides_no_other_and_is_shown_again(
    stage: Any, switch: Any, catalog: Catalog, database: Path, tmp_path: Path
) -> None:
    other = (*ORDERS[:-1], "other")
    switch(stage("select 1 as id"))
    switch(stage("select 5 as id", identifier=other))
    show(database, catalog, ORDERS, other)
    switch(stage("select 2 as id", "run-2"), sequence=2)
    moved = [file.rename(file.with_suffix(".gone")) for file in (tmp_path / "warehouse").rglob("orders/data/run-2*/*")]

    before = database.stat()
    with pytest.raises(TableNotServed, match="orders"):
        show(database, catalog, ORDERS, other)
    assert database.stat() == before
    switch(stage("select 6 as id", "run-2", identifier=other), sequence=2)
    with pytest.raises(TableNotServed, match="orders"):
        show(database, catalog, ORDERS, other)
    assert query(database, "FROM main.other") == [(6,)]
    assert query(database, "FROM main.orders") == [(1,)], "it is shown as it was"

    for file in moved:
        file.rename(file.with_suffix(".parquet"))
    show(database, catalog, ORDERS, other)
    assert query(database, "FROM main.orders") == [(2,)]


def test_tables_that_take_each_others_names_are_shown_as_they_are_called(
    stage: Any, switch: Any, catalog: Catalog, database: Path
) -> None:
    other = (*ORDERS[:-1], "other")
    switch(stage("select 1 as id"))
    switch(stage("select 2 as id", identifier=other))
    for names in (("orders", "other"), ("other", "orders"), ("a", "b")):
        refresh_served(
            database, catalog, lambda _, n=names: [WantedTable(ORDERS, "main", n[0]), WantedTable(other, "main", n[1])]
        )
        assert query(database, f"SELECT (SELECT id FROM main.{names[0]}), (SELECT id FROM main.{names[1]})") == [(1, 2)]


def test_a_file_does_not_grow_with_what_it_has_shown(stage: Any, switch: Any, catalog: Catalog, database: Path) -> None:
    for number in range(40):
        switch(stage(f"select {number} as id", f"run-{number}"), sequence=number + 1)
        show(database, catalog, ORDERS)
    assert query(database, "FROM main.orders") == [(39,)]
    assert query(database, "SELECT count(*) FROM floe_serve.tables") == [(1,)]
    assert database.stat().st_size < 3 * 2**20


def test_a_folder_that_cannot_be_written_is_told(stage: Any, switch: Any, catalog: Catalog, database: Path) -> None:
    switch(stage("select 1 as id"))
    database.mkdir(parents=True)
    with pytest.raises(TableNotServed, match="cannot be written"):
        show(database, catalog, ORDERS)


def test_writers_take_turns_so_that_the_last_look_is_the_last_written(
    stage: Any, switch: Any, catalog: Catalog, properties: dict[str, str], database: Path
) -> None:
    """A writer that looked, and is slow, does not write over what one wrote that looked later."""
    switch(stage("select 1 as id"))
    looked, go_on = threading.Event(), threading.Event()

    def slowly(_: Catalog) -> list[WantedTable]:
        table = WantedTable(ORDERS, "main", "orders")
        looked.set()
        go_on.wait(60)
        return [table]

    slow = threading.Thread(target=refresh_served, args=(database, catalog, slowly))
    slow.start()
    assert looked.wait(60)
    switch(stage("select 2 as id", "run-2"), sequence=2)
    quick = threading.Thread(target=show, args=(database, catalog, ORDERS))
    quick.start()
    go_on.set()
    slow.join(60)
    quick.join(60)
    assert query(database, "FROM main.orders") == [(2,)]


def test_of_two_views_of_one_name_the_first_is_shown(stage: Any, switch: Any, catalog: Catalog, database: Path) -> None:
    switch(stage("select 1 as id"))
    switch(stage("select 2 as id", identifier=(*ORDERS[:-1], "other")))

    def look(_: Catalog) -> list[WantedTable]:
        return [WantedTable(ORDERS, "main", "Orders"), WantedTable((*ORDERS[:-1], "other"), "MAIN", "orders")]

    assert len(refresh_served(database, catalog, look)) == 1
    assert query(database, "FROM main.orders") == [(1,)]


def test_readers_need_not_be_as_new_as_floe(stage: Any, switch: Any, catalog: Catalog, database: Path) -> None:
    """Cube's driver brings a DuckDB of its own."""
    switch(stage("select 1 as id"))
    show(database, catalog, ORDERS)
    versions = query(database, "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'served'")
    assert versions == [("v1.4.0+",)]
