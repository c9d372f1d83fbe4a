"""A data contract against a dbt project: by hand-made nodes for each rule, and once against a real parse."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from floe_compiler.core.data_contracts.checking import ContractCheck, check_contract
from floe_compiler.core.data_contracts.column_types import agree, family_of
from floe_compiler.core.data_contracts.errors import (
    ContractClassificationMismatch,
    ContractColumnMissing,
    ContractModelMissing,
    ContractRequiredUntested,
    ContractTypeMismatch,
    ContractUniqueUntested,
)
from floe_compiler.core.data_contracts.reading import read_contract
from floe_contracts.errors import FloeError
from floe_contracts.nodes import Check, Classification, Column, Node, NodeGraph
from floe_dbt import shared
from floe_dbt.nodes import read_nodes
from floe_dbt.parse import parse_project

HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
schema:
  - name: orders
    properties:
"""
PII = Classification(classification="pii")


def check_of(name: str, column: str | None) -> Check:
    return Check(unique_id=f"test.shop.{name}_{column}", name=name, column=column)


def node(
    *columns: Column, checks: tuple[Check, ...] = (), primary_key: tuple[str, ...] = (), identifier: str = "orders"
) -> NodeGraph:
    orders = Node(
        unique_id="model.shop.orders",
        name="orders",
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier=identifier,
        path="models/orders.sql",
        columns=columns,
        primary_key=primary_key,
        checks=checks,
    )
    return NodeGraph(project="shop", nodes=(orders,), checks=())


def check(fields: str, graph: NodeGraph, head: str = HEAD) -> ContractCheck:
    return check_contract(read_contract(f"{head}      - {fields}\n", "contracts/orders.yaml"), graph)


def problem(fields: str, graph: NodeGraph, head: str = HEAD) -> FloeError:
    (found,) = check(fields, graph, head).problems
    return found


def test_a_kept_contract_passes() -> None:
    graph = node(
        Column(name="ID", data_type="bigint"),
        Column(name="mail", data_type="varchar", classification=PII),
        checks=(check_of("unique", "ID"), check_of("not_null", "ID")),
    )
    mail = "{name: mail, logicalType: string, classification: pii}"
    result = check(f"{{name: id, logicalType: integer, primaryKey: true}}\n      - {mail}", graph)
    assert (result.status, result.problems, result.not_checked) == ("passed", [], [])
    assert result.checked == 8


def test_nothing_to_check_is_not_a_pass() -> None:
    contract = read_contract("apiVersion: v3.1.0\nkind: DataContract\nid: o\nversion: 1.0.0\n", "a.yaml")
    assert check_contract(contract, node()).status == "not_checked"


def test_a_model_that_is_not_built() -> None:
    other = HEAD.replace("name: orders", "name: ordres")
    found = problem("{name: id}", node(Column(name="id")), other)
    assert isinstance(found, ContractModelMissing)
    assert str(found.where) == "contracts/orders.yaml:6:5 (schema.0)"
    assert found.hint == "did you mean 'orders'?"


def test_a_table_is_found_by_its_relation_first() -> None:
    physical = HEAD.replace("name: orders", "{name: o, physicalName: MAIN.FCT_ORDERS}").replace("    properties:\n", "")
    contract = read_contract(physical, "a.yaml")
    assert check_contract(contract, node(identifier="fct_orders")).status == "passed"
    assert check_contract(contract, node()).status == "failed"


def test_a_column_that_is_not_documented() -> None:
    found = problem("{name: custmer}", node(Column(name="customer")))
    assert isinstance(found, ContractColumnMissing)
    assert (found.where and found.where.line, found.hint) == (
        8,
        "did you mean 'customer'?; document the column in the properties file of orders",
    )


def test_a_type_that_differs() -> None:
    found = problem("{name: id, logicalType: integer}", node(Column(name="id", data_type="varchar")))
    assert isinstance(found, ContractTypeMismatch)
    assert found.message == "'id' is integer in the contract, and varchar in orders"
    physical = problem("{name: id, physicalType: INT}", node(Column(name="id", data_type="date")))
    assert isinstance(physical, ContractTypeMismatch)


@pytest.mark.parametrize(
    ("field", "column", "message"),
    [
        ("{name: id, logicalType: integer}", Column(name="id"), "the model declares no data_type for it"),
        ("{name: id}", Column(name="id", data_type="int"), "the contract gives 'id' no type"),
        ("{name: id, logicalType: integer}", Column(name="id", data_type="geo"), "floe does not know"),
        ("{name: id, logicalType: string, classification: secret}", Column(name="id"), "'secret' is not one of floe's"),
        ("{name: id, logicalType: string}", Column(name="id", classification=PII), "'id' is pii in orders"),
        ("{name: id, properties: [{name: x}]}", Column(name="id"), "'id.x' is inside of a column"),
    ],
)
def test_what_cannot_be_compared_is_said_to_be_not_checked(field: str, column: Column, message: str) -> None:
    result = check(field, node(column))
    assert result.problems == []
    assert any(message in skipped.message and skipped.where.line == 8 for skipped in result.not_checked)


@pytest.mark.parametrize(
    "graph",
    [
        node(Column(name="id"), checks=(check_of("not_null", "id"),)),
        node(Column(name="id", constraints=("not_null",))),
        node(Column(name="id"), primary_key=("id",)),
    ],
    ids=["test", "constraint", "key"],
)
def test_a_required_column_wants_something_that_keeps_nulls_out(graph: NodeGraph) -> None:
    assert check("{name: id, required: true}", graph).problems == []
    found = problem("{name: id, required: true}", node(Column(name="id"), checks=(check_of("unique", "id"),)))
    assert isinstance(found, ContractRequiredUntested)
    assert found.hint == "add the data test not_null to the column"


def test_unique_columns_and_keys_want_something_that_keeps_them_so() -> None:
    column = Column(name="id", constraints=("not_null",))
    for field in ("{name: id, unique: true}", "{name: id, primaryKey: true}"):
        assert isinstance(problem(field, node(column)), ContractUniqueUntested)
        assert check(field, node(column, checks=(check_of("unique", "id"),))).problems == []
    keyed = Column(name="id", constraints=("not_null", "primary_key"))
    assert check("{name: id, primaryKey: true, unique: true}", node(keyed)).problems == []


def test_a_key_of_several_columns() -> None:
    columns = (Column(name="a", constraints=("not_null",)), Column(name="b", constraints=("not_null",)))
    fields = "{name: a, primaryKey: true}\n      - {name: b, primaryKey: true, primaryKeyPosition: 2}"
    assert "a, b is the primary key" in problem(fields, node(*columns)).message
    assert check(fields, node(*columns, primary_key=("b", "a"))).problems == []
    combined = check(fields, node(*columns, checks=(check_of("dbt_utils.unique_combination_of_columns", None),)))
    assert combined.problems == []
    assert any("names a, b" in skipped.message for skipped in combined.not_checked)


def test_classifications_that_differ() -> None:
    field = "{name: mail, classification: pii}"
    for column in (Column(name="mail"), Column(name="mail", classification=Classification(classification="public"))):
        found = problem(field, node(column))
        assert isinstance(found, ContractClassificationMismatch)
        assert "classification: pii" in (found.hint or "")


@pytest.mark.parametrize(
    ("data_type", "family"),
    [
        ("VARCHAR(20)", "string"),
        ("character varying(3)", "string"),
        ("DECIMAL(10, 2)", "decimal"),
        ("NUMBER(38,0)", "integer"),
        ("int unsigned", "integer"),
        ("double precision", "float"),
        ("timestamp(6) with time zone", "timestamp"),
        ("TIMESTAMP_NTZ", "timestamp"),
        ("struct(a int, b varchar(3))", "object"),
        ("STRUCT<a INT64>", "object"),
        ("ARRAY<STRUCT<a INT64>>", "array"),
        ("varchar[]", "array"),
        ("map(varchar, int)", "map"),
        ("enum('a', 'b')", "string"),
        ("geography", None),
    ],
)
def test_the_family_of_a_type(data_type: str, family: str | None) -> None:
    assert family_of(data_type) == family


def test_what_a_logical_type_stands_for() -> None:
    assert agree("number", "integer", "v3.1.0")
    assert agree("integer", "NUMBER", "v3.1.0")
    assert not agree("integer", "decimal(10,2)", "v3.1.0")
    assert agree("date", "timestamp", "v3.0.2"), "3.0 has no other type for a point in time"
    assert not agree("date", "timestamp", "v3.1.0")
    assert agree("object", "jsonb", "v3.1.0")
    assert agree("string", "geography", "v3.1.0") is None


PROJECT = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\n",
    "models/orders.sql": "{{ config(materialized='table') }} select 1 as id, 'a' as mail, 2.5 as total",
    "models/schema.yml": """\
models:
  - name: orders
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: integer, constraints: [{type: not_null}], data_tests: [unique]}
      - {name: mail, data_type: varchar, config: {meta: {floe: {classification: internal}}}}
      - {name: total, data_type: double}
""",
}
PROFILE = "floe: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n"


@pytest.mark.dbt
def test_against_a_project_that_dbt_has_parsed(dbt_folder: Path, tmp_path: Path) -> None:
    for name, text in {**PROJECT, "../profiles/profiles.yml": PROFILE}.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    dbt = shared.acquire(dbt_folder)
    try:
        parsed = parse_project(
            dbt,
            tmp_path / "project",
            environment="dev",
            profiles_dir=tmp_path / "profiles",
            state_dir=tmp_path / "state",
            source=os.environ,
        )
    finally:
        shared.release(dbt_folder)
    fields = [
        "{name: id, logicalType: integer, primaryKey: true}",
        "{name: mail, logicalType: string, classification: pii}",
        "{name: total, logicalType: integer, required: true}",
        "{name: placed_on, logicalType: date}",
    ]
    result = check("\n      - ".join(fields), read_nodes(parsed.manifest))
    assert [(type(found), found.where and found.where.line) for found in result.problems] == [
        (ContractClassificationMismatch, 9),
        (ContractTypeMismatch, 10),
        (ContractRequiredUntested, 10),
        (ContractColumnMissing, 11),
    ]
