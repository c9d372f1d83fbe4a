"""Assets kept in Iceberg by a real Dagster, read back by pyiceberg."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster
import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from floe_lakehouse.arrow_writes import ArrowWrite, write_arrow
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.errors import (
    AssetMetadataInvalid,
    InvalidIdentifier,
    OutsidePartition,
    SchemaBroken,
    SnapshotMissing,
    TableMissing,
    TableParted,
    UnsupportedColumnType,
    WriteKeyInvalid,
)
from floe_lakehouse.io_manager import IcebergIOManager

NAMESPACE = ["acme", "dev", "shop"]
TABLE = (*NAMESPACE, "orders")
ROWS = {"id": [1, 2, 3], "state": ["new", "done", "new"]}
DAYS = dagster.DailyPartitionsDefinition("2026-11-01", end_offset=10_000)
REGIONS = dagster.StaticPartitionsDefinition(["eu", "us"])


@pytest.fixture
def manager(properties: dict[str, str]) -> IcebergIOManager:
    return IcebergIOManager(catalog=properties, namespace=NAMESPACE)


@pytest.fixture
def instance() -> Iterator[dagster.DagsterInstance]:
    with dagster.DagsterInstance.ephemeral() as made:
        yield made


class Assets:
    """Materialises assets with the IO manager; an error is raised as it was."""

    def __init__(self, manager: IcebergIOManager, instance: dagster.DagsterInstance) -> None:
        self._manager = manager
        self._instance = instance

    def run(self, *assets: dagster.AssetsDefinition, **options: Any) -> dagster.ExecuteInProcessResult:
        return dagster.materialize(assets, resources={"io_manager": self._manager}, instance=self._instance, **options)

    def write(self, rows: Any, *, partition: str | None = None, partitions: Any = None, **metadata: Any) -> Any:
        """Materialise the asset `orders` with these rows."""

        @dagster.asset(metadata=metadata, partitions_def=partitions)
        def orders():  # type: ignore[no-untyped-def]
            given = rows() if callable(rows) else pa.table(rows)
            return dagster.Output(given) if isinstance(given, Iterator) else given

        result = self.run(orders, partition_key=partition)
        (event,) = result.asset_materializations_for_node("orders")
        return {key: value.value for key, value in event.metadata.items()}

    def read(self, annotation: Any = pa.Table, *, partition: str | None = None, **options: Any) -> Any:
        """What an asset that reads `orders` gets; `options` are those of its input."""
        got: list[Any] = []
        upstream = dagster.AssetSpec(
            "orders", partitions_def=options.pop("partitions", None), metadata=options.pop("upstream", {})
        )

        def reader(orders):  # type: ignore[no-untyped-def]
            got.append(orders.fetchall() if annotation is duckdb.DuckDBPyRelation else orders)
            if annotation is pa.RecordBatchReader:
                got[0] = [batch.num_rows for batch in orders]

        reader.__annotations__ = {"orders": annotation, "return": None}
        asset = dagster.asset(
            ins={"orders": dagster.AssetIn(metadata=options.pop("metadata", {}))},
            partitions_def=options.pop("own_partitions", None),
        )(reader)
        self.run(upstream, asset, selection=[asset], partition_key=partition)
        return got[0]


@pytest.fixture
def assets(manager: IcebergIOManager, instance: dagster.DagsterInstance) -> Assets:
    return Assets(manager, instance)


@pytest.fixture
def rows(catalog: Catalog) -> Callable[[], list[tuple[Any, ...]]]:
    """The rows of the table `orders`, sorted."""

    def read() -> list[tuple[Any, ...]]:
        table = catalog.load_table(TABLE).scan().to_arrow()
        return sorted(tuple(row.values()) for row in table.to_pylist())

    return read


def batches(*parts: Mapping[str, list[Any]]) -> Iterator[pa.RecordBatch]:
    return (pa.record_batch(dict(part)) for part in parts)


def relation() -> duckdb.DuckDBPyRelation:
    return duckdb.connect().sql("select i::hugeint as id, 's' as state from range(1, 4) t(i)")


FORMS: dict[str, Callable[[], Any]] = {
    "table": lambda: pa.table(ROWS),
    "reader": lambda: pa.table(ROWS).to_reader(max_chunksize=1),
    "batches": lambda: batches({"id": [1]}, {"id": []}, {"id": [2, 3]}),
    "relation": relation,
}


@pytest.mark.parametrize("form", FORMS)
def test_an_asset_is_kept_in_any_form(assets: Assets, form: str, rows: Callable[[], Any]) -> None:
    told = assets.write(FORMS[form])
    assert [row[0] for row in rows()] == [1, 2, 3]
    assert (told["dagster/row_count"], told["iceberg/rows_written"]) == (3, 3)
    assert told["iceberg/table"] == "acme.dev.shop.orders"
    assert told["dagster/column_schema"].columns[0].name == "id"


def test_an_input_comes_in_the_form_that_is_asked_for(assets: Assets) -> None:
    assets.write(ROWS)
    assert assets.read().to_pydict() == ROWS
    assert assets.read(Any).to_pydict() == ROWS
    assert sum(assets.read(pa.RecordBatchReader)) == 3
    assert assets.read(duckdb.DuckDBPyRelation) == [(1, "new"), (2, "done"), (3, "new")]


def test_a_replacement_leaves_nothing_of_what_was_there(
    assets: Assets, rows: Callable[[], Any], catalog: Catalog
) -> None:
    assets.write(ROWS)
    assets.write({"id": [9], "state": ["new"]})
    assert rows() == [(9, "new")]
    assets.write(lambda: pa.table({"id": pa.array([], pa.int64()), "state": pa.array([], pa.string())}))
    assert rows() == []
    assert len(catalog.load_table(TABLE).snapshots()) == 3, "one snapshot each: no moment without rows"


def test_appended_rows_come_after_the_others(assets: Assets, rows: Callable[[], Any]) -> None:
    for number in (1, 2, 2):
        assets.write({"id": [number]}, write_mode="append")
    assert rows() == [(1,), (2,), (2,)]


@pytest.mark.parametrize("key", ["id", ["id", "region"]])
def test_an_upsert_replaces_the_rows_of_its_keys(assets: Assets, rows: Callable[[], Any], key: Any) -> None:
    for at in range(0, 9, 3):  # three files
        ids = list(range(at, at + 3))
        assets.write({"id": ids, "region": ["eu"] * 3, "n": [0] * 3}, write_mode="append")
    told = assets.write({"id": [4, 20], "region": ["eu"] * 2, "n": [1, 1]}, write_mode="upsert", unique_key=key)
    expected = [(number, "eu", 1 if number == 4 else 0) for number in range(9)]
    assert rows() == [*expected, (20, "eu", 1)]
    assert told["iceberg/rows_written"] == 2
    assert told["dagster/row_count"] == 10


def test_an_upsert_leaves_files_alone_that_it_does_not_touch(assets: Assets, catalog: Catalog) -> None:
    for number in (1, 2):
        assets.write({"id": [number], "n": [0]}, write_mode="append")
    before = {task.file.file_path for task in catalog.load_table(TABLE).scan().plan_files()}
    assets.write({"id": [2], "n": [1]}, write_mode="upsert", unique_key="id")
    after = {task.file.file_path for task in catalog.load_table(TABLE).scan().plan_files()}
    assert len(before & after) == 1


def test_an_upsert_of_a_new_table_and_with_a_new_column(assets: Assets, rows: Callable[[], Any]) -> None:
    assets.write({"id": [1]}, write_mode="upsert", unique_key="id")
    assets.write({"id": [1, 2], "more": ["a", "b"]}, write_mode="upsert", unique_key="id")
    assert rows() == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        ({"id": [1, 1]}, "id", "1 of 2 rows .* repeat the key"),
        ({"id": [1, None]}, "id", "have no value in the key column 'id'"),
        ({"id": [1]}, "number", "have no column 'number'"),
        ({"id": [1]}, [], "names no key"),
    ],
    ids=["twice", "null", "missing", "none"],
)
def test_an_upsert_needs_a_key(
    assets: Assets, catalog: Catalog, files_under: Callable[[str], list[str]], given: Any, key: Any, message: str
) -> None:
    with pytest.raises(WriteKeyInvalid, match=message):
        assets.write(given, write_mode="upsert", unique_key=key)
    assert not catalog.table_exists(TABLE)
    assert files_under("*.parquet") == []


def day(number: int, *amounts: int, kind: str = "date") -> dict[str, list[Any]]:
    """Rows of a day of November 2026."""
    moment: Any = dt.date(2026, 11, number)
    if kind == "timestamp":
        moment = dt.datetime(2026, 11, number, 23, 59)  # noqa: DTZ001 - a timestamp without time zone
    if kind == "timestamptz":
        moment = dt.datetime(2026, 11, number, 23, 59, tzinfo=dt.UTC)
    if kind == "text":
        moment = f"2026-11-{number:02}"
    return {"day": [moment] * len(amounts), "amount": list(amounts)}


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz", "text"])
def test_a_partition_replaces_itself_alone(assets: Assets, rows: Callable[[], Any], kind: str) -> None:
    for number, amounts in ((2, (1, 2)), (3, (3,)), (2, (9,)), (4, ())):
        given = pa.table(day(number, *amounts, kind=kind) if amounts else day(1, 0, kind=kind)).slice(
            0 if amounts else 1
        )
        key = f"2026-11-{number:02}"
        assets.write(lambda given=given: given, partition=key, partitions=DAYS, partition_expr="day")
    assert sorted(amount for _, amount in rows()) == [3, 9]


def test_a_partition_takes_its_rows_out_of_files_of_others(assets: Assets, rows: Callable[[], Any]) -> None:
    both = {key: values + day(3, 3)[key] for key, values in day(2, 1, 2).items()}
    assets.write(both | {"extra": ["x", "y", "z"]})
    assets.write(day(2, 9), partition="2026-11-02", partitions=DAYS, partition_expr="day")
    assert {(amount, extra) for _, amount, extra in rows()} == {(3, "z"), (9, None)}


def test_a_static_partition_replaces_itself_alone(assets: Assets, rows: Callable[[], Any]) -> None:
    for region, amount in (("eu", 1), ("us", 2), ("eu", 3)):
        assets.write({"r": [region], "n": [amount]}, partition=region, partitions=REGIONS, partition_expr="r")
    assert rows() == [("eu", 3), ("us", 2)]


def test_a_partition_of_two_dimensions_replaces_itself_alone(assets: Assets, rows: Callable[[], Any]) -> None:
    grid = dagster.MultiPartitionsDefinition({"day": DAYS, "region": REGIONS})
    for key, amount in (("2026-11-02|eu", 1), ("2026-11-02|us", 2), ("2026-11-03|eu", 3), ("2026-11-02|eu", 4)):
        given = day(int(key[8:10]), amount) | {"r": [key[-2:]]}
        assets.write(given, partition=key, partitions=grid, partition_expr={"day": "day", "region": "r"})
    assert {(moment.day, amount, region) for moment, amount, region in rows()} == {
        (2, 2, "us"),
        (3, 3, "eu"),
        (2, 4, "eu"),
    }
    with pytest.raises(AssetMetadataInvalid, match="no column for the dimension 'region'"):
        assets.write(ROWS, partition="2026-11-02|eu", partitions=grid, partition_expr={"day": "day"})


def test_a_partition_column_may_come_later(assets: Assets, rows: Callable[[], Any]) -> None:
    assets.write({"n": [0]}, write_mode="append")
    for amount in (1, 2):
        given = {"n": [amount], "r": ["eu"]}
        assets.write(given, partition="eu", partitions=REGIONS, partition_expr="r")
    assert set(rows()) == {(0, None), (2, "eu")}


def test_writers_at_the_same_time_lose_nothing(assets: Assets, catalog: Catalog, properties: dict[str, str]) -> None:
    assets.write({"id": [0], "n": [0]})

    def write(number: int) -> None:
        reader = pa.table({"id": [number, 100], "n": [number, number]}).to_reader()
        asked = ArrowWrite(identifier=TABLE, name=f"writer {number}", mode="upsert", unique_key=("id",))
        write_arrow(open_catalog(properties), reader, asked)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(1, 9)))
    rows = catalog.load_table(TABLE).scan().to_arrow().to_pylist()
    assert sorted(row["id"] for row in rows) == [*range(9), 100]


def test_rows_of_another_partition_are_refused(
    assets: Assets, catalog: Catalog, files_under: Callable[[str], list[str]]
) -> None:
    with pytest.raises(OutsidePartition, match=r"1 rows for acme\.dev\.shop\.orders are outside"):
        assets.write(day(3, 1), partition="2026-11-02", partitions=DAYS, partition_expr="day")
    assert not catalog.table_exists(TABLE)
    assert files_under("*.parquet") == []


def test_an_input_of_a_partition_reads_its_rows(assets: Assets) -> None:
    for number in (2, 3, 4):
        assets.write(day(number, number), partition=f"2026-11-{number:02}", partitions=DAYS, partition_expr="day")
    got = assets.read(partition="2026-11-03", partitions=DAYS, own_partitions=DAYS, upstream={"partition_expr": "day"})
    assert got["amount"].to_pylist() == [3]


def test_columns_widen_and_come_and_never_break(assets: Assets, rows: Callable[[], Any]) -> None:
    assets.write(lambda: pa.table({"id": pa.array([1], pa.int32())}), write_mode="append")
    assets.write(lambda: pa.table({"id": pa.array([2**40]), "more": ["x"]}), write_mode="append")
    assert rows() == [(1, None), (2**40, "x")]
    with pytest.raises(SchemaBroken, match="id"):
        assets.write({"id": ["text"]})
    assert rows() == [(1, None), (2**40, "x")]
    assets.write({"id": ["text"]}, allow_breaking=True)
    assert {row[-1] for row in rows()} == {"text"}


def test_an_input_reads_what_its_metadata_says(assets: Assets, catalog: Catalog) -> None:
    assets.write({"id": [1, 2, 3], "state": ["new", "done", "new"], "n": [5, 6, 7]})
    snapshot = catalog.load_table(TABLE).current_snapshot()
    assert snapshot is not None
    assets.write({"id": [9], "state": ["new"], "n": [0]})
    asked = {"columns": ["n", "id"], "row_filter": "state = 'new' and n > 5", "snapshot_id": snapshot.snapshot_id}
    assert sorted(map(tuple, (sorted(row.items()) for row in assets.read(metadata=asked).to_pylist()))) == [
        (("id", 3), ("n", 7))
    ]
    with pytest.raises(SnapshotMissing):
        assets.read(metadata={"snapshot_id": 1})


def failing() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"id": [1]})
    raise RuntimeError("the source is gone")


def test_a_stream_that_fails_leaves_no_table_and_no_file(
    assets: Assets, catalog: Catalog, files_under: Callable[[str], list[str]]
) -> None:
    with pytest.raises(RuntimeError, match="the source is gone"):
        assets.write(failing)
    assert not catalog.table_exists(TABLE)
    assert files_under("*.parquet") == []
    assets.write(ROWS)
    with pytest.raises(RuntimeError):
        assets.write(failing, write_mode="append")
    assert len(files_under("*.parquet")) == 1


def test_a_retried_step_writes_once(
    assets: Assets, manager: IcebergIOManager, rows: Callable[[], Any], catalog: Catalog
) -> None:
    class Forgetful(IcebergIOManager):
        """Fails after its first write, as a step whose process dies before Dagster knows."""

        def handle_output(self, context: dagster.OutputContext, obj: Any) -> None:
            super().handle_output(context, obj)
            if context.step_context.previous_attempt_count == 0:
                raise ConnectionError("lost after the commit")

    @dagster.asset(metadata={"write_mode": "append"}, retry_policy=dagster.RetryPolicy(max_retries=1))
    def orders() -> pa.Table:
        return pa.table({"id": [1]})

    forgetful = Forgetful(catalog=manager.catalog, namespace=manager.namespace)
    result = dagster.materialize([orders], resources={"io_manager": forgetful})
    assert result.success
    assert rows() == [(1,)]
    (event,) = result.asset_materializations_for_node("orders")
    assert event.metadata["iceberg/already_written"].value is True
    assert len(catalog.load_table(TABLE).snapshots()) == 1


def test_a_table_with_partition_fields_is_refused(assets: Assets, catalog: Catalog) -> None:
    assets.write(ROWS)
    with catalog.load_table(TABLE).update_spec() as update:
        update.add_identity("state")
    with pytest.raises(TableParted, match=r"acme\.dev\.shop\.orders"):
        assets.write(ROWS)


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        (ROWS, {"write_mode": "merge"}, "write_mode .* is 'merge'"),
        (lambda: 42, {}, "returned int"),
        (lambda: iter(()), {}, "yielded nothing"),
        (lambda: iter([1]), {}, "yielded int"),
        (ROWS, {"partitions": REGIONS, "partition": "eu"}, "names no column that tells them apart"),
        (ROWS, {"partitions": REGIONS, "partition": "eu", "partition_expr": "stat"}, "names 'stat'"),
        (ROWS, {"partitions": DAYS, "partition": "2026-11-02", "partition_expr": "id"}, "holds no time"),
        (
            ROWS,
            {"partitions": REGIONS, "partition": "eu", "partition_expr": "state", "write_mode": "append"},
            "has partitions, and its metadata write_mode",
        ),
        (ROWS, {"write_mode": "upsert", "unique_key": 3}, "unique_key .* is 3"),
    ],
    ids=["mode", "number", "no-batch", "no-batches", "no-expr", "no-column", "no-time", "append", "key"],
)
def test_what_an_asset_says_must_make_sense(assets: Assets, output: Any, options: Any, message: str) -> None:
    with pytest.raises(AssetMetadataInvalid, match=message) as refused:
        assets.write(output, **options)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("annotation", "metadata", "message"),
    [
        (dict, {}, "annotated as"),
        (pa.Table, {"columns": ["ids"]}, "cannot be read as its metadata says"),
        (pa.Table, {"columns": 3}, "columns .* is 3"),
        (pa.Table, {"row_filter": "id >"}, "is no filter"),
        (pa.Table, {"snapshot_id": "newest"}, "snapshot_id .* is 'newest'"),
    ],
    ids=["annotation", "column", "columns", "filter", "snapshot"],
)
def test_what_an_input_says_must_make_sense(assets: Assets, annotation: Any, metadata: Any, message: str) -> None:
    assets.write(ROWS)
    with pytest.raises(AssetMetadataInvalid, match=message):
        assets.read(annotation, metadata=metadata)


def test_an_asset_that_was_never_materialised(assets: Assets) -> None:
    with pytest.raises(TableMissing, match=r"acme\.dev\.shop\.orders"):
        assets.read()


def test_a_name_and_a_type_that_iceberg_does_not_hold(
    properties: dict[str, str], instance: dagster.DagsterInstance
) -> None:
    flat = Assets(IcebergIOManager(catalog=properties), instance)
    with pytest.raises(InvalidIdentifier):
        flat.write(ROWS)
    with pytest.raises(UnsupportedColumnType, match="duration"):
        Assets(IcebergIOManager(catalog=properties, namespace=["a"]), instance).write(
            {"id": pa.array([1], pa.duration("s"))}
        )


def test_an_op_without_an_asset_is_refused(manager: IcebergIOManager) -> None:
    @dagster.op
    def produce() -> int:
        return 1

    @dagster.job(resource_defs={"io_manager": manager})
    def plain() -> None:
        produce()

    with pytest.raises(AssetMetadataInvalid, match="assets only"):
        plain.execute_in_process()


MEMORY = """
    import sys
    from pathlib import Path
    import pyarrow as pa
    from floe_lakehouse.arrow_reads import open_reader
    from floe_lakehouse.arrow_writes import ArrowWrite, write_arrow
    from floe_lakehouse.catalogs import open_catalog

    def peak():
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

    catalog = open_catalog({"type": "sql", "uri": f"sqlite:///{sys.argv[1]}/c.db", "warehouse": sys.argv[1]})
    rows, parts = 200_000, int(sys.argv[2])

    def batches():
        for part in range(parts):
            ids = pa.array(range(part * rows, (part + 1) * rows))
            yield pa.record_batch({"id": ids, "text": ids.cast(pa.string()), "other": ids})

    schema = pa.schema({"id": pa.int64(), "text": pa.string(), "other": pa.int64()})
    before = peak()
    write = ArrowWrite(identifier=("a", "t"), name="1", file_size_bytes=2 * 2**20)
    write_arrow(catalog, pa.RecordBatchReader.from_batches(schema, batches()), write)
    table = catalog.load_table(("a", "t"))
    read = sum(batch.num_rows for batch in open_reader(table))
    assert read == rows * parts, read
    print(peak() - before)
"""


def test_memory_stays_flat_both_ways(tmp_path: Path) -> None:
    peaks = []
    for parts in (10, 40):
        folder = tmp_path / str(parts)
        folder.mkdir()
        program = [sys.executable, "-c", textwrap.dedent(MEMORY), str(folder), str(parts)]
        done = subprocess.run(program, capture_output=True, text=True, check=True, env=dict(os.environ))
        peaks.append(float(done.stdout))
    small, large = peaks
    assert large < small + 120, peaks  # the thirty parts more are 210 MB of Arrow; what is kept for reuse varies by 40
