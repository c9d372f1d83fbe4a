from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from floe_lakehouse.errors import CopyFailed, UnsupportedColumnType

at = dt.datetime.fromisoformat
ID = "00000000-0000-0000-0000-00000000002a"

# DuckDB type, literals of it, the Iceberg type, what pyiceberg must read back.
SCALARS: list[tuple[str, list[str], str, list[Any]]] = [
    ("BOOLEAN", ["true", "false"], "boolean", [True, False]),
    ("TINYINT", ["-128", "127"], "int", [-128, 127]),
    ("SMALLINT", ["-32768", "32767"], "int", [-32768, 32767]),
    ("INTEGER", ["-2147483648", "2147483647"], "int", [-(2**31), 2**31 - 1]),
    ("BIGINT", ["-9223372036854775808", "9223372036854775807"], "long", [-(2**63), 2**63 - 1]),
    ("HUGEINT", ["-170141183460469231731", "7"], "decimal(38, 0)", [Decimal(-170141183460469231731), Decimal(7)]),
    ("UTINYINT", ["255"], "int", [255]),
    ("USMALLINT", ["65535"], "int", [65535]),
    ("UINTEGER", ["4294967295"], "long", [2**32 - 1]),
    ("UBIGINT", ["18446744073709551615"], "decimal(20, 0)", [Decimal(2**64 - 1)]),
    ("UHUGEINT", ["18446744073709551616"], "decimal(38, 0)", [Decimal(2**64)]),
    ("FLOAT", ["1.5"], "float", [1.5]),
    ("DOUBLE", ["-2.25", "1e300"], "double", [-2.25, 1e300]),
    ("DECIMAL(4,1)", ["-999.9"], "decimal(4, 1)", [Decimal("-999.9")]),
    ("DECIMAL(9,3)", ["123456.789"], "decimal(9, 3)", [Decimal("123456.789")]),
    ("DECIMAL(18,4)", ["12345678901234.5678"], "decimal(18, 4)", [Decimal("12345678901234.5678")]),
    (
        "DECIMAL(38,10)",
        ["1234567890123456789.0123456789"],
        "decimal(38, 10)",
        [Decimal("1234567890123456789.0123456789")],
    ),
    ("VARCHAR", ["'æ ''quoted''; 雪'", "''"], "string", ["æ 'quoted'; 雪", ""]),
    ("BLOB", [r"'\x00\xFF'"], "binary", [b"\x00\xff"]),
    ("DATE", ["'1582-10-15'", "'2026-02-28'"], "date", [dt.date(1582, 10, 15), dt.date(2026, 2, 28)]),
    ("TIME", ["'23:59:59.999999'"], "time", [dt.time(23, 59, 59, 999999)]),
    ("TIME_NS", ["'23:59:59.999999999'"], "string", ["23:59:59.999999999"]),
    ("TIMETZ", ["'10:00:00+02'"], "string", ["10:00:00+02"]),
    ("TIMESTAMP", ["'2026-01-02 03:04:05.678901'"], "timestamp", [at("2026-01-02 03:04:05.678901")]),
    ("TIMESTAMP_S", ["'2026-01-02 03:04:05'"], "timestamp", [at("2026-01-02 03:04:05")]),
    ("TIMESTAMP_MS", ["'2026-01-02 03:04:05.678'"], "timestamp", [at("2026-01-02 03:04:05.678000")]),
    ("TIMESTAMP_NS", ["'2026-01-02 03:04:05.678901234'"], "timestamp", [at("2026-01-02 03:04:05.678901")]),
    ("TIMESTAMPTZ", ["'2026-01-02 03:04:05+02'"], "timestamptz", [at("2026-01-02 01:04:05+00:00")]),
    ("UUID", [f"'{ID}'"], "string", [ID]),
    ("JSON", ["""'{"a": [1, "two"]}'""", "'null'"], "string", ['{"a": [1, "two"]}', "null"]),
    ("INTERVAL", ["'1 year 2 days 03:00:00'"], "string", ["1 year 2 days 03:00:00"]),
    ("BIT", ["'10101'"], "string", ["10101"]),
    ("ENUM('low', 'high')", ["'high'", "'low'"], "string", ["high", "low"]),
]
NESTED: list[tuple[str, list[str], list[Any]]] = [
    ("HUGEINT[]", ["[1, NULL]", "[]"], [[Decimal(1), None], []]),
    ("UTINYINT[2]", ["[1, 255]"], [[1, 255]]),
    ("JSON[][]", ["""[['{"a":1}'], NULL]"""], [[['{"a":1}'], None]]),
    (
        'STRUCT(id UUID, "it""s a" HUGEINT, deep STRUCT(moment TIMESTAMP_NS))',
        [f"{{'id': '{ID}', 'it\"s a': 2, 'deep': {{'moment': '2026-01-02 03:04:05.678901234'}}}}"],
        [{"id": ID, 'it"s a': Decimal(2), "deep": {"moment": at("2026-01-02 03:04:05.678901")}}],
    ),
    (
        "MAP(VARCHAR, STRUCT(n UINTEGER)[])",
        ["map {'k': [{'n': 4294967295}], 'none': NULL}"],
        [[("k", [{"n": 2**32 - 1}]), ("none", None)]],
    ),
    ("MAP(UUID, INTERVAL)", [f"map {{'{ID}'::UUID: INTERVAL 1 DAY}}"], [[(ID, "1 day")]]),
]


def numbered(literals: list[str], duckdb_type: str) -> str:
    """A query for the literals and NULL, each beside its position."""
    rows = [f"({place}, ({literal})::{duckdb_type})" for place, literal in enumerate([*literals, "NULL"])]
    return f"from (values {', '.join(rows)}) as rows(place, value)"


@pytest.mark.parametrize(
    ("duckdb_type", "literals", "iceberg_type", "values"), SCALARS, ids=[case[0] for case in SCALARS]
)
def test_scalar_arrives_with_its_values_and_nulls(
    stage: Any,
    switch: Any,
    read: Callable[[], list[dict[str, Any]]],
    duckdb_type: str,
    literals: list[str],
    iceberg_type: str,
    values: list[Any],
) -> None:
    landed = switch(stage(numbered(literals, duckdb_type)))

    assert [row["value"] for row in sorted(read(), key=lambda row: row["place"])] == [*values, None]
    assert [field.type for field in landed.fields] == ["int", iceberg_type]


@pytest.mark.parametrize(("duckdb_type", "literals", "values"), NESTED, ids=[c[0] for c in NESTED])
def test_nested_arrives_with_its_values_and_nulls(
    stage: Any,
    switch: Any,
    read: Callable[[], list[dict[str, Any]]],
    duckdb_type: str,
    literals: list[str],
    values: list[Any],
) -> None:
    switch(stage(numbered(literals, duckdb_type)))

    assert [row["value"] for row in sorted(read(), key=lambda row: row["place"])] == [*values, None]


def test_empty_result_of_every_type_keeps_its_columns(
    stage: Any, switch: Any, catalog: Catalog, identifier: Any
) -> None:
    columns = ", ".join(f"NULL::{case[0]} as c{position}" for position, case in enumerate(SCALARS + NESTED))
    landed = switch(stage(f"select {columns} where false"))

    scan = catalog.load_table(identifier).scan().to_arrow()
    assert scan.num_rows == landed.rows == 0
    assert [field.type for field in landed.fields[: len(SCALARS)]] == [case[2] for case in SCALARS]
    assert scan.num_columns == len(SCALARS) + len(NESTED)


def test_sum_of_integers_is_landed_as_a_number(
    stage: Any, switch: Any, read: Callable[[], list[dict[str, Any]]]
) -> None:
    switch(stage("select sum(i) as total, null as nothing from range(5) as rows(i)"))

    assert read() == [{"total": Decimal(10), "nothing": None}]


def test_awkward_column_names_survive(stage: Any, switch: Any, read: Callable[[], list[dict[str, Any]]]) -> None:
    names = ["a.b", 'say "hi"', "with space", "naïve", "select", "semi;colon--", "UPPER", "1st"]
    columns = ", ".join(
        f'{position}::hugeint as "{name.replace(chr(34), chr(34) * 2)}"' for position, name in enumerate(names)
    )
    for run in ("run-1", "run-2"):
        switch(stage(f"select {columns}", run_id=run))

    assert read() == [{name: Decimal(position) for position, name in enumerate(names)}]


def test_every_column_without_an_iceberg_form_is_named(stage: Any, files_under: Callable[[str], list[str]]) -> None:
    with pytest.raises(UnsupportedColumnType) as caught:
        stage(
            "select 1 as fine, union_value(n := 1) as either, row(1, 2) as unnamed, 1::bignum as big, "
            "'{}'::json::variant as any_form, "
            "'POINT(1 1)'::geometry as place, [{'deep': union_value(n := 1)}] as nested",
            kind="view",
        )

    error = caught.value
    assert error.code == "FLOE-LAND-001"
    assert error.table == "acme.dev.shop.orders"
    assert [(column.name, column.part) for column in error.columns] == [
        ("either", "UNION(n INTEGER)"),
        ("unnamed", "STRUCT(INTEGER, INTEGER)"),
        ("big", "BIGNUM"),
        ("any_form", "VARIANT"),
        ("place", "GEOMETRY"),
        ("nested", "UNION(n INTEGER)"),
    ]
    assert "STRUCT(deep UNION(n INTEGER))[], which holds UNION(n INTEGER)" in str(error)
    assert error.hint
    assert "cast" in error.hint
    assert files_under("*") == []


def test_hugeint_beyond_38_digits_is_an_error_and_leaves_no_files(
    stage: Any, files_under: Callable[[str], list[str]]
) -> None:
    # The last row is the bad one, and the files are small, so that DuckDB has finished some when it fails.
    with pytest.raises(CopyFailed, match="FLOE-LAND-006"):
        stage(
            "select case when i < 499999 then i else 170141183460469231731687303715884105727 end::hugeint as n, "
            "hash(i) as noise from range(500000) as rows(i)",
            file_size_bytes=200_000,
        )

    assert files_under("*") == []
