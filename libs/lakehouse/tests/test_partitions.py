from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.transforms import parse_transform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    IcebergType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

from floe_contracts.digests import canonical_json
from floe_contracts.errors import Permanent
from floe_lakehouse import staged_copy
from floe_lakehouse.errors import PartitionFieldInvalid, SchemaBroken, TooManyPartitions
from floe_lakehouse.partitioning import partition_rules
from floe_lakehouse.staged import StagedTable
from floe_lakehouse.types import duckdb_type

Read = Callable[[], list[dict[str, Any]]]
EPOCH = dt.datetime.fromisoformat("1970-01-01")
MOMENTS = st.datetimes(dt.datetime.fromisoformat("1901-01-01"), dt.datetime.fromisoformat("2199-12-31"))
VALUES: dict[IcebergType, st.SearchStrategy[Any]] = {
    BooleanType(): st.booleans(),
    IntegerType(): st.integers(-(2**31) + 10, 2**31 - 1),
    LongType(): st.integers(-(2**62), 2**62),
    DecimalType(18, 3): st.integers(-(10**15), 10**15).map(lambda value: Decimal(value).scaleb(-3)),
    StringType(): st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12),
    DateType(): st.dates(dt.date(1901, 1, 1), dt.date(2199, 12, 31)),
    TimeType(): st.times(),
    TimestampType(): MOMENTS,
    TimestamptzType(): MOMENTS.map(lambda value: value.replace(tzinfo=dt.UTC)),
}
TAKEN = [
    (transform, column_type)
    for transform, kinds in {
        "{}": tuple(VALUES),
        "year({})": (DateType(), TimestampType(), TimestamptzType()),
        "month({})": (DateType(), TimestampType(), TimestamptzType()),
        "day({})": (DateType(), TimestampType(), TimestamptzType()),
        "hour({})": (TimestampType(), TimestamptzType()),
        "bucket[7]({})": (
            IntegerType(), LongType(), StringType(), DateType(), TimeType(), TimestampType(), TimestamptzType(),
        ),
        "truncate[10]({})": (IntegerType(), LongType(), DecimalType(18, 3), StringType()),
        "truncate[1]({})": (StringType(),),
    }.items()
    for column_type in kinds
]  # fmt: skip


def days(read: Read) -> list[tuple[int, str]]:
    return sorted((row["id"], row["at"].isoformat()) for row in read())


# ---- the values are Iceberg's own


@pytest.mark.parametrize(("declared", "column_type"), TAKEN, ids=lambda value: str(value))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_partition_values_are_those_that_iceberg_computes(
    declared: str, column_type: IcebergType, data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.one_of(st.none(), VALUES[column_type]), min_size=1, max_size=20))
    (rule,) = partition_rules("t", [declared.format("x")], [("x", column_type)])
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'America/New_York'")
        connection.execute(f"create table rows (place integer, x {duckdb_type(column_type)})")
        connection.executemany("insert into rows values (?, ?)", [list(row) for row in enumerate(values)])
        query = f"select {rule.expression('rows')} from rows order by place"
        found = [value for (value,) in connection.execute(query).fetchall()]
    transform = parse_transform(declared.partition("(")[0] if "(" in declared else "identity").transform(column_type)
    expected = [transform(_number(value)) for value in values]
    assert found == expected


def _number(value: Any) -> Any:
    """A value as Iceberg holds it: days and microseconds are numbers."""
    if isinstance(value, dt.datetime):
        return (value.replace(tzinfo=None) - EPOCH) // dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days
    if isinstance(value, dt.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    return value


# ---- landed tables


def test_rows_are_parted_and_scans_leave_files_out(
    stage: Any, switch: Any, catalog: Catalog, identifier: Any, read: Read
) -> None:
    query = "select i as id, timestamp '2026-01-30 12:00:00' + to_hours(i::int) as at from range(96) r(i)"
    staged = stage(query, partition_by=("day(at)", "bucket[2](id)"))
    landed = switch(staged)

    table = catalog.load_table(identifier)
    found = table.inspect.partitions().to_pylist()
    assert {row["partition"]["at_day"] for row in found} == {dt.date(2026, 1, 30) + dt.timedelta(n) for n in range(5)}
    assert {row["partition"]["id_bucket_2"] for row in found} == {0, 1}
    assert sum(row["record_count"] for row in found) == landed.rows == len(read()) == 96
    assert len(table.specs()) == 1
    planned = list(table.scan(GreaterThanOrEqual("at", "2026-02-02T00:00:00")).plan_files())
    assert len(planned) < landed.files == 10
    only = list(table.scan(EqualTo("id", 5)).plan_files())
    assert len(only) <= landed.files // 2
    assert table.scan(EqualTo("id", 5)).to_arrow().num_rows == 1


def test_partitions_that_pyiceberg_infers_from_the_files_are_the_same(
    stage: Any, switch: Any, catalog: Catalog, identifier: Any
) -> None:
    fields = ("month(at)", "truncate[2](word)", "price", "day", "flag")
    query = (
        "select timestamptz '1969-11-30 20:00:00-05' + to_days(i::int * 11) as at, 'é' || i as word, "
        "(i / 4)::decimal(9, 2) as price, date '1969-12-30' + (i % 3)::int as day, i % 2 = 0 as flag "
        "from range(12) r(i)"
    )
    switch(stage(f"{query} union all select null, null, null, null, null", partition_by=fields))
    table = catalog.load_table(identifier)
    ours = sorted(str(row["partition"]) for row in table.inspect.files().to_pylist())

    other = catalog.create_table((*identifier[:-1], "other"), table.schema(), partition_spec=table.spec())
    other.add_files([task.file.file_path for task in table.scan().plan_files()])
    theirs = sorted(str(row["partition"]) for row in other.inspect.files().to_pylist())
    assert ours == theirs
    assert len(ours) > 10


def test_values_that_no_path_can_hold_are_fine(stage: Any, switch: Any, read: Read, files_under: Any) -> None:
    switch(stage("select * from (values ('../../x'), ('a=b/c%20'), (''), (null)) t(word)", partition_by=("word",)))
    assert sorted(str(row["word"]) for row in read()) == ["", "../../x", "None", "a=b/c%20"]
    assert len(files_under("*.parquet")) == 4


def test_partition_fields_change_with_the_next_landing(
    stage: Any, switch: Any, catalog: Catalog, identifier: Any, read: Read
) -> None:
    query = "select i as id, date '2026-01-01' + i::int as at from range(40) r(i)"
    first = switch(stage(query))
    switch(stage(query, run_id="run-2", partition_by=("month(at)",)), sequence=2)
    switch(stage(query, run_id="run-3", partition_by=("bucket[3](id)", "month(at)")), sequence=3)
    table = catalog.load_table(identifier)
    assert [field.name for field in table.spec().fields] == ["at_month", "id_bucket_3"]
    assert len(read()) == 40

    last = switch(stage(query, run_id="run-4"), sequence=4)
    table = catalog.load_table(identifier)
    assert (table.spec().fields, last.files) == ((), first.files)
    assert len(table.scan(snapshot_id=table.snapshots()[2].snapshot_id).to_arrow()) == 40


def test_upserts_and_appends_keep_partitions(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    keyed = {"mode": "upsert", "unique_key": ("id",), "partition_by": ("truncate[10](id)",)}
    switch(stage("select i::int as id, 0 as n from range(30) r(i)", **keyed))
    landed = switch(stage("select 15 as id, 1 as n union all select 41, 1", run_id="run-2", **keyed), sequence=2)
    table = catalog.load_table(identifier)
    files = {row["partition"]["id_trunc_10"]: row for row in table.inspect.partitions().to_pylist()}
    assert {value: row["record_count"] for value, row in files.items()} == {0: 10, 10: 10, 20: 10, 40: 1}
    assert landed.rows == 31

    growing = {"mode": "append", "watermark": "id", "partition_by": ("truncate[10](id)",)}
    switch(stage("select i::int as id, 2 as n from range(60) r(i)", run_id="run-3", **growing), sequence=3)
    files = {
        row["partition"]["id_trunc_10"]: row for row in catalog.load_table(identifier).inspect.partitions().to_pylist()
    }
    assert {value: row["record_count"] for value, row in files.items()} == {0: 10, 10: 10, 20: 10, 40: 9, 50: 10}


def test_files_of_before_a_new_field_are_upserted_too(
    stage: Any, switch: Any, catalog: Catalog, identifier: Any, read: Read
) -> None:
    keyed = {"mode": "upsert", "unique_key": ("id",)}
    switch(stage("select i::int as id, 0 as n from range(3) r(i)", **keyed))
    more = {**keyed, "partition_by": ("truncate[10](id)", "day")}
    switch(stage("select 1 as id, 1 as n, date '2026-01-02' as day", run_id="run-2", **more), sequence=2)

    assert sorted((row["id"], row["n"], row["day"]) for row in read()) == [
        (0, 0, None),
        (1, 1, dt.date(2026, 1, 2)),
        (2, 0, None),
    ]
    found = catalog.load_table(identifier).inspect.files().to_pylist()
    assert sorted(str(row["partition"].get("day")) for row in found) == ["2026-01-02", "None"]


def test_a_partition_column_may_not_break_even_if_that_is_allowed(stage: Any, switch: Any) -> None:
    switch(stage("select 1 as id, 2 as n", partition_by=("id",)))
    with pytest.raises(SchemaBroken, match='"id" was int and is now string'):
        stage("select 'x' as id, 'y' as n", run_id="run-2", allow_breaking=True)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("day(att)", "names the column 'att'"),
        ("day(id)", "has a column of the type int"),
        ("week(at)", r"names the column 'week\(at\)'"),
        ("bucket[0](id)", "names the column"),
        ("amount", "has a column of the type double"),
        ("bucket[4](price)", r"has a column of the type decimal\(9, 2\)"),
        ("id", "says no more than another one"),
        ("day(at)", "says no more than another one"),
        ("truncate[2](word)", "would be called word_trunc_2"),
    ],
)
def test_fields_that_do_not_fit_are_refused(stage: Any, files_under: Any, field: str, message: str) -> None:
    query = "select 1 as id, now()::timestamp as at, 1::double as amount, 1::decimal(9, 2) as price, 'x' as word, "
    with pytest.raises(PartitionFieldInvalid, match=f"FLOE-LAKE-021.*{message}") as caught:
        stage(f"{query} 1 as word_trunc_2", partition_by=("id", "hour(at)", field))
    assert isinstance(caught.value, Permanent)
    assert files_under("*.parquet") == []


def test_too_many_partitions_are_refused(stage: Any, files_under: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_copy, "MOST_PARTITIONS", 9)
    with pytest.raises(TooManyPartitions, match=r"FLOE-LAKE-022.*more than 9 partitions by id"):
        stage("select i as id from range(10) r(i)", partition_by=("id",))
    assert files_under("*.parquet") == []
    assert stage("select i % 9 as id from range(10) r(i)", partition_by=("id",)).rows == 10


def test_a_journal_holds_partitions_whole(stage: Any, switch: Any, catalog: Catalog, identifier: Any) -> None:
    """Canonical JSON has no numbers of more than 53 bits."""
    query = (
        "select 9223372036854775807 as id, true as flag, 0.25::decimal(9, 2) as price union all select -1, null, null"
    )
    staged = stage(query, partition_by=("id", "flag", "price"))
    switch(StagedTable.from_json(json.loads(canonical_json(staged.to_json()))))

    found = [row["partition"] for row in catalog.load_table(identifier).inspect.files().to_pylist()]
    assert sorted(found, key=lambda row: row["id"]) == [
        {"id": -1, "flag": None, "price": None},
        {"id": 2**63 - 1, "flag": True, "price": Decimal("0.25")},
    ]
