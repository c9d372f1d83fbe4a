"""Joins name what they depend on, so that Cube applies the policies of both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from floe_contracts.nodes import Check
from floe_semantic.core.rendering.render import render

from .cube_compiler import CubeCompiler
from .manifest_parts import MakeArtifact, MakeGraph, MakeNode, Parse

POLICIES = {
    "place": ("mask", ("hr",)),
    "key": ("restrict", ("hr",)),
    "other": ("redact", ("finance",)),
    "pii": ("mask", ("sales",)),
}


@pytest.fixture
def joined(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> Callable[..., tuple[str | None, tuple[str, ...]]]:
    """The condition of the join of `a` to `b`, if it has one, and what was skipped."""

    def join(
        own: str | None, other: str | None, row_owner: tuple[str, str] | None = None, data_type: str = "integer"
    ) -> Any:
        check = Check(
            unique_id="test.shop.t", name="relationships", column="b_id", to_node="model.shop.b", to_column="id"
        )
        source = make_node(
            "a", ("id", "integer"), ("b_id", data_type, own), ("brand",), primary_key=("id",), checks=(check,)
        )
        target = make_node("b", ("id", "integer", other), ("brand",), primary_key=("id",))
        bundle = render(make_artifact(row_owner=row_owner, prod=POLICIES), graph_of(source, target), "prod")
        joins = parsed(bundle, "a").get("joins", [])
        return (joins[0]["sql"] if joins else None), bundle.skipped

    return join


def test_columns_that_all_may_see_are_joined_as_they_are(joined: Callable[..., Any]) -> None:
    assert joined(None, None)[0] == "{CUBE}.b_id = {b}.id"


def test_row_owners_of_both_sides_are_named(joined: Callable[..., Any]) -> None:
    sql, _ = joined(None, None, row_owner=("brand", "brand"))
    assert sql == "{CUBE}.b_id = {b}.id and {CUBE.brand} is not null and {b.brand} is not null"


def test_a_column_that_is_hidden_on_one_side_alone_is_named(joined: Callable[..., Any]) -> None:
    assert joined("place", None)[0] == "{CUBE.b_id} = {b}.id"
    assert joined(None, "key")[0] == "{CUBE}.b_id = {b.id}"
    assert joined("other", "key")[0] == "{CUBE.b_id} = {b.id}"


def test_columns_that_are_hidden_from_the_same_callers_are_joined_as_they_are(joined: Callable[..., Any]) -> None:
    assert joined("place", "key")[0] == "{CUBE}.b_id = {b}.id"


def test_a_hidden_column_that_is_no_dimension_joins_nothing(joined: Callable[..., Any]) -> None:
    sql, skipped = joined("place", None, data_type="integer[]")
    assert sql is None
    assert any("no join to b: column b_id is protected, and no dimension of a" in line for line in skipped)


def test_a_text_under_a_mask_and_a_redaction_is_null(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("name", "varchar", "place"), ("nick", "varchar", "other"), ("kind",))
    model = {
        "unique_id": "semantic_model.shop.a",
        "name": "a",
        "depends_on": {"nodes": ["model.shop.a"]},
        "dimensions": [{"name": "both", "type": "categorical", "expr": "name || nick"}],
    }
    artifact = make_artifact(row_owner=None, prod=POLICIES)
    bundle = render(artifact, graph_of(node, semantic_models=(model,)), "prod")
    masks = {item["name"]: item.get("mask") for item in parsed(bundle, "a")["dimensions"]}
    assert masks["name"] == {"sql": "'[masked]'"}
    assert masks["both"] is None


@pytest.mark.parametrize(
    ("hidden", "answer"),
    [
        (["orders.buyer", "customers.email"], [(None, 3)]),
        (["orders.buyer"], [(None, 3)]),
        (["customers.email"], [(None, 3)]),
        ([], [("gold", 1), ("silver", 1), (None, 1)]),
    ],
    ids=["both", "own", "other", "none"],
)
def test_hidden_texts_match_nothing(
    hidden: list[str],
    answer: list[tuple[str | None, int]],
    make_node: MakeNode,
    make_artifact: MakeArtifact,
    graph_of: MakeGraph,
    parsed: Parse,
    cube_compiler: CubeCompiler,
) -> None:
    points = Check(
        unique_id="test.shop.r", name="relationships", column="buyer", to_node="model.shop.customers", to_column="email"
    )
    unique = Check(unique_id="test.shop.u", name="unique", column="email")
    orders = make_node("orders", ("id",), ("buyer", "varchar", "place"), primary_key=("id",), checks=(points,))
    customers = make_node(
        "customers", ("id",), ("email", "varchar", "pii"), ("segment",), primary_key=("id",), checks=(unique,)
    )
    bundle = render(make_artifact(row_owner=None, prod=POLICIES), graph_of(orders, customers), "prod")
    assert parsed(bundle, "orders")["joins"][0]["sql"] == "{CUBE.buyer} = {customers.email}"
    assert [line for line in bundle.skipped if "redact instead of mask" in line] == [
        f"model.shop.{column}: redact instead of mask, because a join compares it with a column that others may see"
        for column in ("customers: email", "orders: buyer")
    ]
    # Cube's server finds out what is masked for the caller, and says it so.
    asked = {
        "measures": ["orders.count"],
        "dimensions": ["customers.segment"],
        "maskedMembers": [{"member": one} for one in hidden],
    }
    compiled = cube_compiler.compile(bundle.files, [asked])
    assert compiled["errors"] is None
    warehouse = duckdb.connect()
    warehouse.execute("create table orders as from (values (1, 'ann'), (2, 'bob'), (3, '[masked]')) t(id, buyer)")
    warehouse.execute(
        "create table customers as from (values (1, 'ann', 'gold'), (2, 'bob', 'silver')) t(id, email, segment)"
    )
    found = warehouse.execute(compiled["sql"][0]["sql"]).fetchall()
    assert sorted(found, key=str) == sorted(answer, key=str)
