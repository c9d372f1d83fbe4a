from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from floe_contracts.errors import Permanent
from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.errors import SchemaBroken

Read = Callable[[], list[dict[str, Any]]]


def test_added_columns_are_added_with_the_rows(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any, files_under: Callable[[str], list[str]]
) -> None:
    first = switch(stage("select 1 as id, {'a': 1} as nested, [{'a': 1}] as list"))
    second = switch(
        stage(
            "select 2 as id, {'a': 1, 'b': 'x'} as nested, [{'b': 'y', 'a': 2}] as list, date '2026-01-01' as day",
            run_id="run-2",
        ),
        sequence=2,
    )

    assert [field.name for field in second.fields] == ["id", "nested", "list", "day"]
    assert [field.field_id for field in first.fields] == [field.field_id for field in second.fields[:3]]
    (row,) = read()
    assert row["nested"] == {"a": 1, "b": "x"}
    assert row["list"] == [{"a": 2, "b": "y"}]
    assert len(files_under("*.metadata.json")) == 2
    old = catalog.load_table(identifier).scan(snapshot_id=first.snapshot_id).to_arrow().to_pylist()
    assert old == [{"id": 1, "nested": {"a": 1}, "list": [{"a": 1}]}]


@pytest.mark.parametrize(
    ("old", "new", "iceberg_type", "value"),
    [
        ("1::int", "5000000000::bigint", "long", 5_000_000_000),
        ("1.5::float", "2.25::double", "double", 2.25),
        ("1.5::decimal(4,1)", "123456789.5::decimal(12,1)", "decimal(12, 1)", Decimal("123456789.5")),
        ("1::tinyint", "7::uinteger", "long", 7),
    ],
)
def test_widened_columns_are_widened(
    stage: Any,
    switch: Any,
    read: Read,
    catalog: Catalog,
    identifier: Any,
    old: str,
    new: str,
    iceberg_type: str,
    value: Any,
) -> None:
    first = switch(stage(f"select {old} as n"))
    second = switch(stage(f"select {new} as n", run_id="run-2"), sequence=2)

    assert [field.type for field in second.fields] == [iceberg_type]
    assert read() == [{"n": value}]
    # Files of before the change are still read, as the wider type.
    assert catalog.load_table(identifier).scan(snapshot_id=first.snapshot_id).to_arrow().num_rows == 1


def test_columns_widen_inside_of_others(stage: Any, switch: Any, read: Read) -> None:
    switch(stage("select {'n': 1::int} as s, [1::int] as l, map {'k': 1::int} as m"))
    switch(
        stage("select {'n': 1::bigint} as s, [1::bigint] as l, map {'k': 1::bigint} as m", run_id="run-2"), sequence=2
    )

    assert read() == [{"s": {"n": 1}, "l": [1], "m": [("k", 1)]}]


def test_a_dropped_column_stays_and_reads_as_null(stage: Any, switch: Any, read: Read) -> None:
    switch(stage("select 1 as id, 'x' as gone, {'a': 1, 'b': 2} as nested"))
    switch(stage("select 2 as id, {'a': 3} as nested", run_id="run-2"), sequence=2)
    assert read() == [{"id": 2, "gone": None, "nested": {"a": 3, "b": None}}]

    switch(stage("select 3 as id, 'back' as gone, {'b': 1} as nested", run_id="run-3"), sequence=3)
    assert read() == [{"id": 3, "gone": "back", "nested": {"a": None, "b": 1}}]


@pytest.mark.parametrize(
    ("old", "new", "path", "was", "became"),
    [
        ("1::bigint", "1::int", "n", "long", "int"),
        ("1::double", "1::float", "n", "double", "float"),
        ("1::int", "'1'", "n", "int", "string"),
        ("'1'", "'1'::blob", "n", "string", "binary"),
        ("1::decimal(9,2)", "1::decimal(8,2)", "n", "decimal(9, 2)", "decimal(8, 2)"),
        ("1::decimal(9,2)", "1::decimal(12,4)", "n", "decimal(9, 2)", "decimal(12, 4)"),
        ("date '2026-01-01'", "timestamp '2026-01-01 00:00:00'", "n", "date", "timestamp"),
        ("timestamp '2026-01-01 00:00:00'", "timestamptz '2026-01-01 00:00:00Z'", "n", "timestamp", "timestamptz"),
        ("{'a': [{'b': 1}]}", "{'a': [{'b': 'x'}]}", "n.a.element.b", "int", "string"),
        ("map {1: 1}", "map {1::bigint: 1}", "n.key", "int", "long"),
        ("map {'k': 1}", "map {'k': 'v'}", "n.value", "int", "string"),
        ("map {{'k': [1]}: 1}", "map {{'k': ['x']}: 1}", "n.key", "struct<1: k: optional list<int>>", None),
        ("[1]", "1", "n", "list<int>", "int"),
    ],
)
def test_breaking_changes_are_refused_before_any_file_is_written(
    stage: Any,
    switch: Any,
    read: Read,
    files_under: Callable[[str], list[str]],
    old: str,
    new: str,
    path: str,
    was: str,
    became: str | None,
) -> None:
    switch(stage(f"select {old} as n"))
    before = read()

    with pytest.raises(SchemaBroken, match="FLOE-LAND-002") as caught:
        stage(f"select {new} as n", run_id="run-2")

    (column,) = caught.value.columns
    assert column.path == path
    if became:
        assert (column.old, column.new) == (was, became)
    assert isinstance(caught.value, Permanent)
    assert caught.value.table == "acme.dev.shop.orders"
    assert read() == before
    assert len(files_under("*.parquet")) == 1


def test_all_broken_columns_are_told_at_once(stage: Any, switch: Any) -> None:
    switch(stage("select 1 as a, 2 as b, 3 as c, 4 as kept"))

    with pytest.raises(SchemaBroken) as caught:
        stage("select 'x' as a, 2.5 as b, 3 as \"C\", 4::bigint as kept", run_id="run-2")

    assert [(column.path, column.old, column.new) for column in caught.value.columns] == [
        ("a", "int", "string"),
        ("b", "int", "decimal(2, 1)"),
        ("C", 'spelled "c"', 'spelled "C"'),
    ]
    assert 'column "a" was int and is now string' in str(caught.value)


def test_a_map_key_that_stays_the_same_is_no_change(stage: Any, switch: Any, read: Read) -> None:
    query = "select map {{'k': [1], 'm': map {'x': 1}}: 1} as n"
    switch(stage(query))
    switch(stage(query, run_id="run-2"), sequence=2)

    assert len(read()) == 1


def test_a_change_since_the_staging_is_refused_at_the_switch(
    stage: Any, switch: Any, read: Read, catalog: Catalog, identifier: Any
) -> None:
    switch(stage("select 1 as id"))
    staged = stage("select 2 as id", run_id="run-2")
    switch(stage("select 3::bigint as id", run_id="run-3", attempt=1), sequence=1)

    with pytest.raises(SchemaBroken):
        switch(staged, sequence=2)
    assert read() == [{"id": 3}]


def test_a_required_column_of_a_foreign_table_may_not_vanish(stage: Any, catalog: Catalog, identifier: Any) -> None:
    ensure_namespace(catalog, identifier[:-1], {})
    catalog.create_table(identifier, Schema(NestedField(1, "key", LongType(), required=True)))

    with pytest.raises(SchemaBroken, match='"key" was required long and is now missing'):
        stage("select 1 as id")
