"""How tables differ from what projects declare of them."""

from __future__ import annotations

import pytest

from floe_catalog.core.declared_tables import DeclaredColumn, DeclaredTable
from floe_catalog.core.drift import table_drift, without_ids
from floe_contracts.events import TableColumn, TableDrift, TableSchema

TYPES = {"bigint": "long", "numeric(10,2)": "decimal(10, 2)", "struct(a int)": "struct<a: optional int>"}


def declared(*columns: tuple[str, str | None], enforced: bool = True, **changes) -> DeclaredTable:
    facts = {
        "unique_id": "model.shop.orders",
        "levels": ("default", "dev", "shop", "main", "orders"),
        "relation": ("main", "orders"),
        "compute": "duckdb",
        "columns": tuple(DeclaredColumn(name, kind, not_null=False) for name, kind in columns),
        "partition_by": (),
        "enforced": enforced,
        "attached": False,
    }
    return DeclaredTable(**facts | changes)


def found(*columns: tuple[str, str], required: bool = False, partition_by: tuple[str, ...] = ()) -> TableSchema:
    named = (
        TableColumn(field_id=number, name=name, type=kind, required=required)
        for number, (name, kind) in enumerate(columns, start=1)
    )
    return TableSchema(schema_id=0, columns=tuple(named), partition_by=partition_by)


def test_a_table_as_declared_does_not_differ() -> None:
    table = declared(("ID", "bigint"), ("amount", "numeric(10,2)"), partition_by=("day(At)", "id"))
    columns = found(("id", "long"), ("amount", "decimal(10, 2)"), partition_by=("id", "day(at)"))
    assert table_drift(table, columns, TYPES) == ()


def test_every_difference_is_named() -> None:
    table = declared(("id", "bigint"), ("amount", "numeric(10,2)"), ("at", "date"), partition_by=("day(at)",))
    columns = found(("amount", "double"), ("id", "long"), ("note", "string"))
    assert table_drift(table, columns, TYPES) == (
        TableDrift(kind="type", column="amount", declared="decimal(10, 2)", found="double"),
        TableDrift(kind="missing_column", column="at", declared="date"),
        TableDrift(kind="extra_column", column="note", found="string"),
        TableDrift(kind="partition", declared="day(at)", found="none"),
    )


def test_columns_that_nobody_documented_are_no_difference_without_a_contract() -> None:
    assert table_drift(declared(("id", None), enforced=False), found(("id", "long"), ("x", "int")), TYPES) == ()


def test_a_type_that_nobody_knows_is_not_compared() -> None:
    assert table_drift(declared(("id", "mood")), found(("id", "long")), TYPES) == ()


@pytest.mark.parametrize(("not_null", "kinds"), [(True, []), (False, ["nullability"])])
def test_a_table_may_demand_no_more_than_is_promised(not_null: bool, kinds: list[str]) -> None:
    table = declared(columns=(DeclaredColumn("id", "bigint", not_null),))
    assert [each.kind for each in table_drift(table, found(("id", "long"), required=True), TYPES)] == kinds


def test_a_landed_table_is_optional_whatever_is_promised() -> None:
    table = declared(columns=(DeclaredColumn("id", "bigint", not_null=True),))
    assert table_drift(table, found(("id", "long")), TYPES) == ()


def test_partition_fields_of_a_table_that_dbt_writes_are_its_own_affair() -> None:
    table = declared(("id", "bigint"), attached=True)
    assert table_drift(table, found(("id", "long"), partition_by=("id",)), TYPES) == ()


@pytest.mark.parametrize(
    ("spelled", "bare"),
    [
        ("struct<1001: a: optional int>", "struct<a: optional int>"),
        ("list<struct<12: a: optional int, 13: b: optional decimal(10, 2)>>",
         "list<struct<a: optional int, b: optional decimal(10, 2)>>"),
        ("decimal(10, 2)", "decimal(10, 2)"),
    ],
    ids=["struct", "nested", "decimal"],
)  # fmt: skip
def test_ids_of_nested_fields_are_no_part_of_a_type(spelled: str, bare: str) -> None:
    assert without_ids(spelled) == bare
    assert table_drift(declared(("s", "struct(a int)")), found(("s", "struct<7: a: optional int>")), TYPES) == ()
