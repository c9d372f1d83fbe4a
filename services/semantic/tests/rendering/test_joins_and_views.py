"""Joins between cubes, views over them, and their names."""

from __future__ import annotations

import pytest

from floe_contracts.nodes import Check, Exposure
from floe_semantic.core.rendering.render import render

from .cube_compiler import CubeCompiler
from .manifest_parts import MakeArtifact, MakeGraph, MakeNode, Parse, model


def relationship(column: str, target: str, to_column: str) -> Check:
    return Check(
        unique_id=f"test.shop.{column}.{target}",
        name="relationships",
        column=column,
        to_node=f"model.shop.{target}",
        to_column=to_column,
    )


@pytest.mark.parametrize(
    ("keys", "column", "to_column", "joined"),
    [
        ({"a": ("id",), "b": ("id",)}, "b_id", "id", "many_to_one"),
        ({"a": ("b_id",), "b": ("id",)}, "b_id", "id", "one_to_one"),
        ({"a": (), "b": ("id",)}, "b_id", "id", "model.shop.a has no primary key"),
        ({"a": ("id",), "b": ()}, "b_id", "id", "model.shop.b has no primary key"),
        ({"a": ("id",), "b": ("id",)}, "b_id", "code", "column code is not unique"),
        ({"a": ("id",), "b": ("id", "code")}, "b_id", "id", "column id is not unique"),
    ],
)
def test_joins_from_relationships(
    make_node: MakeNode,
    make_artifact: MakeArtifact,
    keys: dict[str, tuple[str, ...]],
    column: str,
    to_column: str,
    joined: str,
    graph_of: MakeGraph,
    parsed: Parse,
) -> None:
    graph = graph_of(
        make_node("a", ("id",), ("b_id",), primary_key=keys["a"], checks=(relationship(column, "b", to_column),)),
        make_node("b", ("id",), ("code",), primary_key=keys["b"]),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    cube = parsed(bundle, "a")
    if joined.endswith("_to_one"):
        assert cube["joins"] == [{"name": "b", "sql": "{CUBE}.b_id = {b}.id", "relationship": joined}]
        assert cube["meta"]["floe"]["joins_to"] == ["b"]
    else:
        assert "joins" not in cube
        assert f"model.shop.a: no join to b by test.shop.b_id.b: {joined}" in bundle.skipped


def test_joins_from_entities(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    orders = model("a", "orders", entities=[{"name": "customer", "type": "foreign", "expr": "customer_id"}])
    customers = model("b", "customers", entities=[{"name": "customer", "type": "primary", "expr": "id"}])
    graph = graph_of(
        make_node("a", ("id",), ("customer_id",), primary_key=("id",)),
        make_node("b", ("id",)),
        semantic_models=(orders, customers),
    )
    cube = parsed(render(make_artifact(row_owner=None, prod={}), graph, "prod"), "a")
    assert cube["joins"] == [{"name": "b", "sql": "{CUBE}.customer_id = {b}.id", "relationship": "many_to_one"}]


def test_a_join_to_itself_is_told(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    graph = graph_of(
        make_node("a", ("id",), ("boss",), primary_key=("id",), checks=(relationship("boss", "a", "id"),)),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    assert "joins" not in parsed(bundle, "a")
    assert bundle.skipped == ("model.shop.a: no join to a by test.shop.boss.a: Cube joins no cube to itself",)


def test_two_cubes_have_one_join(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    checks = (relationship("buyer", "b", "id"), relationship("seller", "b", "id"))
    graph = graph_of(
        make_node("a", ("id",), ("buyer",), ("seller",), primary_key=("id",), checks=checks),
        make_node("b", ("id",), primary_key=("id",)),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    assert [join["sql"] for join in parsed(bundle, "a")["joins"]] == ["{CUBE}.buyer = {b}.id"]
    assert [line for line in bundle.skipped if "Cube takes one join between two cubes" in line]


def test_views_stand_around_cubes_that_none_leads_to(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse, cube_compiler: CubeCompiler
) -> None:
    checks = (relationship("b_id", "b", "id"),)
    graph = graph_of(
        make_node("a", ("id",), ("b_id",), ("b_code",), primary_key=("id",), checks=checks),
        make_node("b", ("id",), ("code",), primary_key=("id",)),
        make_node("c", ("id",)),
        exposures=(
            Exposure(
                unique_id="exposure.shop.one", name="c", type="dashboard", depends_on=("model.shop.a", "model.shop.b")
            ),
            Exposure(unique_id="exposure.shop.two", name="two", type="ml", depends_on=("model.shop.b", "model.shop.c")),
            Exposure(unique_id="exposure.shop.three", name="three", type="ml", depends_on=("model.shop.z",)),
        ),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    assert bundle.views == ("c_view", "two_b", "two_c")
    assert parsed(bundle, "c_view")["cubes"] == [
        {"join_path": "a", "includes": ["b_code", "b_id", "count", "id"]},
        {
            "join_path": "a.b",
            "prefix": True,
            "includes": [{"name": "code", "alias": "code_"}, "count", {"name": "id", "alias": "key"}],
        },
    ]
    assert "exposure.shop.three: no view, because none of its models can stand in one" in bundle.skipped
    assert [line for line in bundle.skipped if line.startswith("view c_view")] == [
        "view c_view: b.code is b_code_ there: another member is named b_code",
        "view c_view: b.id is b_key there: another member is named b_id",
    ]
    assert {"b_code_", "b_id", "b_key"} < set(bundle.shown.views["c_view"])
    asked = {"dimensions": ["c_view.b_id", "c_view.b_key", "c_view.b_code_"]}
    compiled = cube_compiler.compile(bundle.files, [asked])
    assert compiled["errors"] is None
    assert compiled["sql"][0]["sql"].split("FROM")[0].split() == [
        "SELECT",
        '"a".b_id', '"c_view__b_id",', '"b".id', '"c_view__b_key",', '"b".code', '"c_view__b_code_"',
    ]  # fmt: skip


def test_joins_in_a_circle_still_give_a_view(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    graph = graph_of(
        make_node("a", ("id",), primary_key=("id",), checks=(relationship("id", "b", "id"),)),
        make_node("b", ("id",), primary_key=("id",), checks=(relationship("id", "a", "id"),)),
        exposures=(
            Exposure(
                unique_id="exposure.shop.e", name="e", type="dashboard", depends_on=("model.shop.a", "model.shop.b")
            ),
        ),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    assert [part["join_path"] for part in parsed(bundle, "e")["cubes"]] == ["a", "a.b"]


def test_models_that_share_a_name_have_their_packages_before_it(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph
) -> None:
    graph = graph_of(
        make_node("a", ("id",)),
        make_node("a", ("id",), unique_id="model.other.a"),
        make_node("b", ("id",), unique_id="model.shop.b.v2"),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    assert bundle.cubes == ("b_v2", "other_a", "shop_a")
