"""Saved queries as views, and as what Cube keeps computed."""

from __future__ import annotations

from typing import Any

import pytest

from floe_contracts.compiled_product import CompiledPreAggregations
from floe_contracts.nodes import Classification, Node, NodeGraph
from floe_semantic.core.rendering.cubes.rollups import refresh_of
from floe_semantic.core.rendering.render import render

from .cube_compiler import CubeCompiler
from .manifest_parts import MakeArtifact, Parse

HOURLY = CompiledPreAggregations(refresh_schedule="0 * * * *", timezone="Europe/Berlin", external=True)


def query(name: str = "weekly", **parameters: Any) -> dict[str, Any]:
    return {
        "unique_id": f"saved_query.shop.{name}",
        "name": name,
        "label": "Every week",
        "description": "Read on Mondays.",
        "query_params": {"metrics": ["revenue"], "group_by": [], "where": None, **parameters},
    }


def with_queries(shop: NodeGraph, *queries: dict[str, Any]) -> NodeGraph:
    customers = {
        "unique_id": "semantic_model.shop.customers",
        "name": "customers",
        "depends_on": {"nodes": ["model.shop.customers"]},
        "entities": [{"name": "customer", "type": "primary", "expr": "customer_id"}],
        "dimensions": [{"name": "email", "type": "categorical"}, {"name": "brand", "type": "categorical"}],
    }
    models = (*shop.semantic_models, customers)
    return shop.model_copy(update={"saved_queries": queries, "semantic_models": models})


@pytest.mark.parametrize(
    ("spelled", "member"),
    [
        ("Dimension('order__status')", "status"),
        ("order__status", "status"),
        ("Entity('order')", "order_id"),
        ("TimeDimension('order__order_date', 'month')", "order_date"),
        ("TimeDimension('order__order_date')", "order_date"),
        ("Dimension('order__order_date').grain('week')", "order_date"),
        ("order__order_date__year", "order_date"),
        ("TimeDimension('metric_time', 'day')", "order_date"),
        ("metric_time", "order_date"),
        ("metric_time__quarter", "order_date"),
    ],
)
def test_a_view_has_what_its_query_asks_for(
    spelled: str, member: str, shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse
) -> None:
    bundle = render(make_artifact(row_owner=None, prod={}), with_queries(shop, query(group_by=[spelled])), "prod")
    view = parsed(bundle, "weekly")
    assert view["cubes"] == [{"join_path": "orders", "includes": sorted(["revenue", member])}]
    assert (view["title"], view["description"]) == ("Every week", "Read on Mondays.")
    assert view["meta"]["floe"] == {"dbt_unique_id": "saved_query.shop.weekly", "type": "saved_query"}


def test_a_view_goes_along_the_joins_and_keeps_row_owners(
    shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse
) -> None:
    graph = with_queries(shop, query(group_by=["Dimension('customer__email')"]))
    bundle = render(make_artifact(prod={"pii": ("mask", ("data_owner",))}), graph, "prod")
    view = parsed(bundle, "weekly")
    assert view["cubes"] == [
        {"join_path": "orders", "includes": ["brand", "revenue"]},
        {"join_path": "orders.customers", "prefix": True, "includes": ["brand", "email"]},
    ]
    _, masked, shown = view["access_policy"]
    assert masked["member_masking"] == shown["member_level"] == {"includes": ["customers_email"]}
    assert {policy["row_level"]["filters"][0]["member"] for policy in view["access_policy"]} == {"brand"}


def test_a_dimension_whose_name_is_taken_is_found_under_its_other_name(
    shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse
) -> None:
    (orders,) = shop.semantic_models
    dimensions = [*orders["dimensions"], {"name": "customers", "type": "categorical", "expr": "status || customer_id"}]
    graph = with_queries(shop, query(group_by=["order__customers"]))
    models = ({**orders, "dimensions": dimensions}, *graph.semantic_models[1:])
    bundle = render(
        make_artifact(row_owner=None, prod={}), graph.model_copy(update={"semantic_models": models}), "prod"
    )
    # A member named as a cube would be taken for the cube.
    assert parsed(bundle, "weekly")["cubes"] == [{"join_path": "orders", "includes": ["customers_", "revenue"]}]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (
            {"metrics": ["gone"]},
            ["no view, because none of its metrics is served", "without metric gone, which is not served"],
        ),
        ({"metrics": ["revenue", "gone"]}, ["without metric gone, which is not served"]),
        (
            {"where": {"where_filters": [{"where_sql_template": "1 = 1"}]}},
            ["its conditions are left to those who query the view"],
        ),
        ({"group_by": ["Dimension('other__status')"]}, ["without Dimension('other__status'): no cube has it"]),
        ({"group_by": ["Dimension('order__gone')"]}, ["without Dimension('order__gone'): no cube has it"]),
        ({"group_by": ["metric_time__fortnight"]}, ["without metric_time__fortnight: no cube has it"]),
        (
            {"group_by": ["TimeDimension('metric_time', 'fortnight')"]},
            ["without TimeDimension('metric_time', 'fortnight'): Cube has no grain fortnight"],
        ),
        (
            {"group_by": ["Metric('revenue', ['order'])"]},
            ["without Metric('revenue', ['order']): it is not spelled as a Dimension, TimeDimension or Entity"],
        ),
    ],
)
def test_what_cannot_be_had_is_told(
    parameters: dict[str, Any], told: list[str], shop: NodeGraph, make_artifact: MakeArtifact
) -> None:
    bundle = render(make_artifact(row_owner=None, prod={}), with_queries(shop, query(**parameters)), "prod")
    assert [line for line in bundle.skipped if "saved_query" in line] == [
        f"saved_query.shop.weekly: {one}" for one in told
    ]


def test_a_rollup_answers_its_query_for_every_row_owner(
    shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse, cube_compiler: CubeCompiler
) -> None:
    graph = with_queries(
        shop,
        query(metrics=["revenue", "order_count"], group_by=["Dimension('order__status')", "metric_time__month"]),
        query("all_time", group_by=["Dimension('order__status')"]),
    )
    bundle = render(make_artifact(pre_aggregations=HOURLY, prod={}), graph, "prod")
    first = parsed(bundle, "orders")["pre_aggregations"]
    assert first == [
        {
            "name": "all_time",
            "type": "rollup",
            "external": True,
            "measures": ["orders.revenue"],
            "dimensions": ["orders.brand", "orders.status"],
            "refresh_key": {"every": "0 * * * *", "timezone": "Europe/Berlin"},
        },
        {
            "name": "weekly",
            "type": "rollup",
            "external": True,
            "measures": ["orders.order_count", "orders.revenue"],
            "dimensions": ["orders.brand", "orders.status"],
            "time_dimensions": [{"dimension": "orders.order_date", "granularity": "month"}],
            "refresh_key": {"every": "0 * * * *", "timezone": "Europe/Berlin"},
        },
    ]
    mine = {"member": "weekly.brand", "operator": "equals", "values": ["acme"]}
    asked = {
        "measures": ["weekly.revenue"],
        "dimensions": ["weekly.status"],
        "timeDimensions": [{"dimension": "weekly.order_date", "granularity": "month"}],
    }
    other = {"member": "orders.customer_id", "operator": "equals", "values": ["1"]}
    compiled = cube_compiler.compile(bundle.files, [asked | {"filters": [mine]}, asked | {"filters": [other]}])
    assert compiled["errors"] is None
    kept, direct = compiled["sql"]
    assert [item["preAggregationId"] for item in kept["rollups"]] == ["orders.weekly"]
    assert "orders__brand" in kept["sql"]
    assert kept["values"] == ["acme"]
    # What a rollup cannot filter is asked of the table.
    assert direct["rollups"] == []


def test_a_rollup_over_a_join_has_the_row_owners_of_both_sides(
    shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse, cube_compiler: CubeCompiler
) -> None:
    graph = with_queries(shop, query(group_by=["Dimension('customer__email')"]))
    often = CompiledPreAggregations(refresh_schedule="*/30 * * * *", timezone="UTC", external=False)
    bundle = render(make_artifact(pre_aggregations=often, compute="postgres", prod={}), graph, "prod")
    rollup = parsed(bundle, "orders")["pre_aggregations"][0]
    assert rollup["dimensions"] == ["customers.brand", "customers.email", "orders.brand"]
    assert rollup["refresh_key"] == {"every": "30 minutes"}
    asked = {"measures": ["weekly.revenue"], "dimensions": ["weekly.customers_email"]}
    compiled = cube_compiler.compile(bundle.files, [asked], "postgres")
    # The compiler takes more schedules than the query builder, which is what reads the refresh key.
    assert [item["preAggregationId"] for item in compiled["sql"][0]["rollups"]] == ["orders.weekly"]


def test_nothing_is_kept_in_a_file_that_cube_only_reads(
    shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse
) -> None:
    inside = CompiledPreAggregations(refresh_schedule="0 6 * * *", timezone="UTC", external=False)
    bundle = render(make_artifact(pre_aggregations=inside, prod={}), with_queries(shop, query()), "prod")
    assert "pre_aggregations" not in parsed(bundle, "orders")
    assert any("the DuckDB file that Cube reads is read-only" in told for told in bundle.skipped)


@pytest.mark.parametrize("action", ["mask", "redact", "restrict", "synthesize"])
def test_nothing_is_kept_that_somebody_may_not_see(
    action: str, shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse
) -> None:
    emails = query("emails", metrics=["order_count"], group_by=["Dimension('customer__email')"])
    policies = {"pii": (action, ("data_owner",)), "financial": (action, ("finance",))}
    bundle = render(
        make_artifact(pre_aggregations=HOURLY, prod=policies), with_queries(shop, emails, query("sums")), "prod"
    )
    assert "pre_aggregations" not in parsed(bundle, "orders")
    assert [line for line in bundle.skipped if "reAggregation" in line or "pre-aggregation" in line] == [
        "consumption.cube.preAggregations: no saved query can be kept computed",
        "saved_query.shop.emails: no pre-aggregation: not everybody may see customers.email",
        "saved_query.shop.sums: no pre-aggregation: not everybody may see orders.revenue",
    ]


@pytest.mark.parametrize("one_side", [True, False], ids=["one-side", "both-sides"])
def test_nothing_is_kept_over_a_join_that_some_have_not(
    one_side: bool, shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse
) -> None:
    graph = with_queries(shop, query(group_by=["Dimension('customer__email')"]))
    customers, orders = graph.nodes
    place = Classification(classification="place")

    def classified(node: Node) -> Node:
        columns = [
            column.model_copy(update={"classification": place if column.name == "customer_id" else None})
            for column in node.columns
        ]
        return node.model_copy(update={"columns": tuple(columns)})

    graph = graph.model_copy(update={"nodes": (customers if one_side else classified(customers), classified(orders))})
    policies = {"place": ("mask", ("finance",))}
    bundle = render(make_artifact(pre_aggregations=HOURLY, prod=policies), graph, "prod")
    kept = parsed(bundle, "orders").get("pre_aggregations", [])
    # Hidden on both sides from the same, the rows are joined for everybody.
    assert len(kept) == (0 if one_side else 1)
    told = "saved_query.shop.weekly: no pre-aggregation: the join of orders to customers is not there for everybody"
    assert (told in bundle.skipped) == one_side


@pytest.mark.parametrize(
    ("schedule", "every", "timezone", "told"),
    [
        ("0 6 * * *", "0 6 * * *", "Asia/Kolkata", False),
        ("15  * * * 1", "15 * * * 1", "Asia/Kolkata", False),
        ("*/30 * * * *", "30 minutes", None, False),
        ("0 */6 * * *", "360 minutes", None, False),
        ("0 6 * * 1-5", "1440 minutes", None, True),
        ("0 6,7 * * *", "60 minutes", None, True),
        ("0 0 1 * *", "40320 minutes", None, True),
    ],
)
def test_schedules(schedule: str, every: str, timezone: str | None, told: bool) -> None:
    skipped: list[str] = []
    refresh = refresh_of(schedule, "Asia/Kolkata", skipped)
    assert (refresh.every, refresh.timezone, bool(skipped)) == (every, timezone, told)


def test_models_that_nothing_joins_have_a_view_each_and_no_rollup(
    shop: NodeGraph, make_artifact: MakeArtifact, parsed: Parse
) -> None:
    customers, orders = shop.nodes
    apart = shop.model_copy(update={"nodes": (customers, orders.model_copy(update={"checks": ()}))})
    graph = with_queries(apart, query(group_by=["Dimension('customer__email')"]))
    bundle = render(make_artifact(row_owner=None, pre_aggregations=HOURLY, prod={}), graph, "prod")
    assert bundle.views == ("board_customers", "board_orders", "weekly_customers", "weekly_orders")
    assert "saved_query.shop.weekly: no pre-aggregation: no join leads from orders to customers" in bundle.skipped
    assert parsed(bundle, "weekly_customers")["cubes"] == [{"join_path": "customers", "includes": ["email"]}]
