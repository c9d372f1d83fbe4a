"""What Cube's own compiler makes of bundles: members as rendered, SQL as each warehouse takes it."""

from __future__ import annotations

from typing import Any

from floe_contracts.nodes import KeyConstraint, NodeGraph
from floe_semantic.core.rendering.render import render

from .cube_compiler import CubeCompiler
from .manifest_parts import MakeArtifact, MakeGraph, MakeNode

PROD = {"pii": ("mask", ("data_owner",)), "financial": ("restrict", ("finance",))}


def names(compiled: dict[str, Any]) -> dict[str, set[str]]:
    return {
        cube["name"]: {item["name"].partition(".")[2] for item in cube["dimensions"] + cube["measures"]}
        for cube in compiled["cubes"]
    }


def test_all_that_is_rendered_is_there(
    shop: NodeGraph, make_artifact: MakeArtifact, cube_compiler: CubeCompiler
) -> None:
    bundle = render(make_artifact(prod=PROD), shop, "prod")
    compiled = cube_compiler.compile(bundle.files)
    assert compiled["errors"] is None
    assert set(names(compiled)) == {*bundle.cubes, *bundle.views}
    assert {"revenue", "revenue_7_days", "count", "amount"} <= names(compiled)["orders"]
    assert "customers_email" in names(compiled)["board"]
    customers = next(cube for cube in compiled["cubes"] if cube["name"] == "customers")
    assert customers["description"] == "One row each; {braces} and `ticks` are shown as they are."


def test_names_that_need_quotes_reach_the_warehouse(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, cube_compiler: CubeCompiler
) -> None:
    node = make_node("orders", ("my amount", "float64"), ("order", "string"), relation_name="`shop`.`main`.`orders`")
    bundle = render(make_artifact(row_owner=None, compute="bigquery", prod={}), graph_of(node), "prod")
    query = {"dimensions": ["orders.my_amount", "orders.order"]}
    compiled = cube_compiler.compile(bundle.files, [query], "bigquery")
    assert compiled["sql"][0].get("error") is None, compiled["sql"]
    sql = " ".join(compiled["sql"][0]["sql"].split())
    assert "FROM `shop`.`main`.`orders` AS `orders`" in sql
    assert "`orders`.`my amount`" in sql
    assert "`orders`.order " in sql


def test_joins_by_keys_of_several_columns(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, cube_compiler: CubeCompiler
) -> None:
    places = make_node("places", ("id", "integer"), ("Part", "integer"), keys=(key("primary_key", "id", "Part"),))
    foreign = KeyConstraint(
        type="foreign_key", columns=("place", "part"), to_node=places.unique_id, to_columns=("id", "Part")
    )
    orders = make_node("orders", ("id", "integer"), ("place", "integer"), keys=(key("primary_key", "id"), foreign))
    bundle = render(make_artifact(row_owner=None, prod={}), graph_of(places, orders), "prod")
    query = {"measures": ["orders.count"], "dimensions": ["places.Part"]}
    compiled = cube_compiler.compile(bundle.files, [query])
    assert '"orders".place = "places".id and "orders".part = "places".Part' in compiled["sql"][0]["sql"]
    assert bundle.skipped == ()


def key(kind: Any, *columns: str) -> KeyConstraint:
    return KeyConstraint(type=kind, columns=columns)


def test_models_of_another_compute_are_asked_for_there(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph
) -> None:
    customers = make_node("customers", ("id", "integer"), relation_name="`lake`.`customers`", compute="big-spark")
    orders = make_node("orders", ("id", "integer"), ("customer", "integer"), relation_name="main.orders")
    customers = customers.model_copy(update={"keys": (key("primary_key", "id"),)})
    foreign = KeyConstraint(type="foreign_key", columns=("customer",), to_node=customers.unique_id, to_columns=("id",))
    orders = orders.model_copy(update={"keys": (key("primary_key", "id"), foreign)})
    computes = {"big-spark": "spark"}
    artifact = make_artifact(row_owner=None, compute="snowflake", computes=computes, prod={})
    bundle = render(artifact, graph_of(customers, orders), "prod")
    assert "data_source: big_spark" in bundle.files["model/cubes/customers.yml"]
    assert 'sql_table: "`lake`.`customers`"' in bundle.files["model/cubes/customers.yml"]
    assert "data_source" not in bundle.files["model/cubes/orders.yml"]
    assert "refresh_key" not in bundle.files["model/cubes/orders.yml"]
    (told,) = bundle.skipped
    assert told.startswith("model.shop.orders: no join to customers by the foreign key customer: ")
    assert told.endswith("model.shop.customers is in another warehouse")
    # Locally, the database that Cube reads has the landed tables of all computes.
    local = render(make_artifact(row_owner=None, computes=computes, prod={}), graph_of(customers, orders), "prod")
    assert "data_source" not in local.files["model/cubes/customers.yml"]
    assert 'sql_table: "\\"main\\".\\"customers\\""' in local.files["model/cubes/customers.yml"]
    assert local.skipped == ()


def test_versions_of_a_model_have_names_of_their_own(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph
) -> None:
    versions = [make_node("orders", ("id",), unique_id=f"model.shop.orders.v{number}") for number in (1, 2)]
    bundle = render(make_artifact(row_owner=None, prod={}), graph_of(*versions), "prod")
    assert bundle.cubes == ("orders_v1", "orders_v2")
