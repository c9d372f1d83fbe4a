"""Dimensions, measures and metrics of cubes."""

from __future__ import annotations

from typing import Any

import pytest

from floe_semantic.core.rendering.render import render

from .manifest_parts import MakeArtifact, MakeGraph, MakeNode, Parse, members, metric, model, where


def test_columns_without_a_type_are_told_of_and_those_of_a_strange_one_left_out(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("plain", None), ("list", "integer[]"), ("day", None), ("created_at", None))
    semantic = model("a", dimensions=[{"name": "day", "type": "time", "expr": None, "label": "Day {x}"}])
    bundle = render(make_artifact(row_owner=None, prod={}), graph_of(node, semantic_models=(semantic,)), "prod")
    dimensions = members(parsed(bundle, "a"), "dimensions")
    assert {name: item["type"] for name, item in dimensions.items()} == {
        "plain": "string",
        "created_at": "time",
        "day": "time",
    }
    assert dimensions["day"]["title"] == "Day \\{x\\}"
    assert bundle.skipped == (
        "model.shop.a: column list: Cube has no type for integer[]; left out",
        "model.shop.a: columns without a data_type, served as text: plain, day (2)",
        "model.shop.a: columns without a data_type, served as times: created_at (1)",
    )


def test_a_semantic_model_says_what_a_column_is(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("booked_at", None), ("size", "integer"), ("kind", "integer"))
    dimensions = [
        {"name": "booked_at", "type": "categorical"},
        {"name": "size", "type": "categorical", "expr": "case when size > 3 then 'large' else 'small' end"},
        {"name": "kind", "type": "categorical"},
    ]
    graph = graph_of(node, semantic_models=(model("a", dimensions=dimensions),))
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    found = members(parsed(bundle, "a"), "dimensions")
    assert {name: item["type"] for name, item in found.items()} == {
        "booked_at": "string",
        "size": "string",
        "kind": "number",
    }


def test_keys_and_row_owners_of_a_type_that_cube_does_not_have_are_text(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    node = make_node("a", ("id", "bytea"), ("brand", "json"), ("extra", "json"), primary_key=("id",))
    bundle = render(make_artifact(prod={}), graph_of(node), "prod")
    found = members(parsed(bundle, "a"), "dimensions")
    assert {name: (item["type"], item.get("primary_key", False)) for name, item in found.items()} == {
        "brand": ("string", False),
        "id": ("string", True),
    }
    assert bundle.skipped == (
        "model.shop.a: column brand: Cube has no type for json; served as text: rows are chosen or counted by it",
        "model.shop.a: column extra: Cube has no type for json; left out",
        "model.shop.a: column id: Cube has no type for bytea; served as text: rows are chosen or counted by it",
    )


def test_the_primary_entity_is_the_key_where_dbt_knows_none(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    semantic = model("a", entities=[{"name": "a", "type": "primary", "expr": "a_id"}])
    graph = graph_of(make_node("a", ("kind",)), semantic_models=(semantic,))
    cube = parsed(render(make_artifact(row_owner=None, prod={}), graph, "prod"), "a")
    assert members(cube, "dimensions")["a_id"]["primary_key"] is True
    assert members(cube, "dimensions")["a_id"]["public"] is True


@pytest.mark.parametrize(
    ("aggregation", "rendered"),
    [
        ({"agg": "sum", "expr": "n"}, ("sum", "{CUBE}.n")),
        ({"agg": "average"}, ("avg", "{CUBE}.x")),
        ({"agg": "min", "expr": "n"}, ("min", "{CUBE}.n")),
        ({"agg": "max", "expr": "n + 1"}, ("max", "{CUBE}.n + 1")),
        ({"agg": "count", "expr": "n"}, ("count", "{CUBE}.n")),
        ({"agg": "count", "expr": "*"}, ("count", "1")),
        ({"agg": "count_distinct", "expr": "n"}, ("count_distinct", "{CUBE}.n")),
        ({"agg": "sum_boolean", "expr": "n > 1"}, ("sum", "case when {CUBE}.n > 1 then 1 else 0 end")),
        ({"agg": "median", "expr": "n"}, ("number", "quantile_cont({CUBE}.n, 0.5)")),
        (
            {"agg": "percentile", "expr": "n", "agg_params": {"percentile": 0.9, "use_discrete_percentile": True}},
            ("number", "quantile_disc({CUBE}.n, 0.9)"),
        ),
        (
            {"agg": "percentile", "expr": "n", "agg_params": {"percentile": 0.9, "use_approximate_percentile": True}},
            ("number", "approx_quantile({CUBE}.n, 0.9)"),
        ),
        ({"agg": "percentile", "expr": "n"}, "a percentile between 0 and 1 is not given"),
        ({"agg": "sum", "expr": "n", "non_additive_dimension": {"name": "day"}}, "it is non-additive"),
        ({"agg": "mode", "expr": "n"}, "Cube has no aggregation mode"),
        ({"agg": "sum", "expr": "(select 1)"}, "SQL with SELECT in it"),
    ],
)
def test_aggregations(
    make_node: MakeNode,
    make_artifact: MakeArtifact,
    aggregation: dict[str, Any],
    rendered: tuple[str, str] | str,
    graph_of: MakeGraph,
    parsed: Parse,
) -> None:
    graph = graph_of(
        make_node("a", ("n", "integer")), semantic_models=(model("a", measures=[{"name": "x", **aggregation}]),)
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    measures = members(parsed(bundle, "a"), "measures")
    if isinstance(rendered, str):
        assert "x" not in measures
        assert f"semantic_model.shop.m: measure x: {rendered}" in bundle.skipped
    else:
        assert (measures["x"]["type"], measures["x"]["sql"]) == rendered


METRICS: list[tuple[dict[str, Any], dict[str, Any] | str]] = [
    (metric("x", "simple", {"measure": {"name": "total"}}), {"type": "sum", "sql": "{CUBE}.n"}),
    (
        metric("x", "simple", {"measure": {"name": "total", "filter": where("day > 1")}}, filter=where("n > 2")),
        {"type": "sum", "sql": "{CUBE}.n", "filters": [{"sql": "{CUBE}.day > 1"}, {"sql": "{CUBE}.n > 2"}]},
    ),
    (
        metric("x", "simple", {"measure": {"name": "middle"}}, filter=where("{{Dimension(\"a__kind\")}} = '{k}'")),
        {
            "type": "number",
            "sql": "quantile_cont(case when ((upper({CUBE}.kind)) = '\\{k\\}') then {CUBE}.n end, 0.5)",
        },
    ),
    (
        metric(
            "x", "simple", {"metric_aggregation_params": {"semantic_model": "m", "agg": "sum", "expr": "n"}, "expr": 1}
        ),
        {"type": "sum", "sql": "{CUBE}.n"},
    ),
    (
        metric("x", "ratio", {"numerator": {"name": "total_m"}, "denominator": {"name": "middle_m"}}),
        {"type": "number", "sql": "1.0 * {total_m} / nullif({middle_m}, 0)"},
    ),
    (
        metric(
            "x",
            "derived",
            {"expr": "other - total_m", "metrics": [{"name": "total_m"}, {"name": "z", "alias": "other"}]},
        ),
        {"type": "number", "sql": "{z} - {total_m}"},
    ),
    (
        metric("x", "cumulative", {"measure": {"name": "total"}}),
        {"type": "sum", "sql": "{CUBE}.n", "rolling_window": {"trailing": "unbounded"}},
    ),
    (
        metric("x", "cumulative", {"measure": {"name": "total"}, "window": {"count": 2, "granularity": "weeks"}}),
        {"type": "sum", "sql": "{CUBE}.n", "rolling_window": {"trailing": "2 week"}},
    ),
    (
        metric(
            "x", "cumulative", {"cumulative_type_params": {"metric": {"name": "total_m"}, "grain_to_date": "month"}}
        ),
        {"type": "sum", "sql": "{CUBE}.n", "rolling_window": {"type": "to_date", "granularity": "month"}},
    ),
    (metric("x", "cumulative", {"measure": {"name": "middle"}}), "Cube runs only sums"),
    (
        metric("x", "cumulative", {"measure": {"name": "total"}, "grain_to_date": "fiscal_year"}),
        "Cube has no window of fiscal_year",
    ),
    (
        metric("x", "cumulative", {"cumulative_type_params": {"metric": {"name": "total_m"}}}, filter=where("n > 1")),
        "a filter on a cumulative metric",
    ),
    (metric("x", "conversion", {}), "Cube has no counterpart for metrics of type conversion"),
    (metric("x", "simple", {}), "it names no measure"),
    (metric("x", "simple", {"measure": {"name": "unknown"}}), "measure unknown is not served"),
    (metric("x", "simple", {"measure": {"name": "total", "fill_nulls_with": 0}}), "Cube does not fill in"),
    (
        metric(
            "x",
            "simple",
            {"metric_aggregation_params": {"semantic_model": "m", "agg": "sum"}, "join_to_timespine": True},
        ),
        "Cube does not fill in",
    ),
    (
        metric("x", "simple", {"metric_aggregation_params": {"semantic_model": "other", "agg": "sum"}}),
        "semantic model other is not served",
    ),
    (
        metric("x", "simple", {"measure": {"name": "total"}}, filter=where("{{ Dimension('customer__region') }} = 1")),
        "a filter on another model",
    ),
    (
        metric("x", "simple", {"measure": {"name": "total"}}, filter=where("{{ Dimension('a__unknown') }} = 1")),
        "a filter on an unknown dimension",
    ),
    (
        metric("x", "simple", {"measure": {"name": "total"}}, filter=where("{{ TimeDimension('a__day', 'day') }} > 1")),
        "a filter other than on a Dimension",
    ),
    (metric("x", "derived", {"expr": "1", "metrics": []}), "it is made of no metrics"),
    (metric("x", "derived", {"metrics": [{"name": "total_m"}]}), "neither numerator and denominator nor an expression"),
    (metric("x", "derived", {"expr": "x", "metrics": [{"name": "x"}]}), "it is made of itself"),
    (metric("x", "derived", {"expr": "q", "metrics": [{"name": "q"}]}), "metric q is not served"),
    (
        metric("x", "derived", {"expr": "total_m + b_m", "metrics": [{"name": "total_m"}, {"name": "b_m"}]}),
        "it is made of metrics of several models",
    ),
    (
        metric("x", "derived", {"expr": "total_m", "metrics": [{"name": "total_m", "offset_to_grain": "month"}]}),
        "it compares with another time",
    ),
    (
        metric("x", "derived", {"expr": "total_m", "metrics": [{"name": "total_m", "filter": where("n > 1")}]}),
        "a filter on its input total_m",
    ),
    (
        metric("x", "ratio", {"numerator": {"name": "total_m"}, "denominator": {"name": "z"}}, filter=where("n > 1")),
        "a filter on a ratio metric",
    ),
]


@pytest.mark.parametrize(("spec", "rendered"), METRICS, ids=range(len(METRICS)))
def test_metrics(
    make_node: MakeNode,
    make_artifact: MakeArtifact,
    spec: dict[str, Any],
    rendered: dict[str, Any] | str,
    graph_of: MakeGraph,
    parsed: Parse,
) -> None:
    semantic = model(
        "a",
        entities=[{"name": "a", "type": "primary", "expr": "id"}],
        dimensions=[{"name": "kind", "type": "categorical", "expr": "upper(kind)"}],
        measures=[{"name": "total", "agg": "sum", "expr": "n"}, {"name": "middle", "agg": "median", "expr": "n"}],
    )
    other = model("b", "b", measures=[{"name": "b_total", "agg": "sum", "expr": "n"}])
    graph = graph_of(
        make_node("a", ("id", "integer"), ("n", "integer"), ("kind",), ("day",)),
        make_node("b", ("n", "integer")),
        semantic_models=(semantic, other),
        metrics=(
            spec,
            metric("total_m", "simple", {"measure": {"name": "total"}}),
            metric("middle_m", "simple", {"measure": {"name": "middle"}}),
            metric("b_m", "simple", {"measure": {"name": "b_total"}}),
            metric("z", "simple", {"measure": {"name": "total"}}),
        ),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    measures = members(parsed(bundle, "a"), "measures")
    if isinstance(rendered, str):
        assert "x" not in measures
        assert [line for line in bundle.skipped if line.startswith(f"metric.shop.x: {rendered}")]
    else:
        kept = {key: value for key, value in measures["x"].items() if key not in {"name", "meta"}}
        assert kept == rendered


def test_names_that_are_taken_are_changed_and_told_of(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    graph = graph_of(
        make_node("a", ("n", "integer"), ("count", "integer")),
        semantic_models=(model("a", measures=[{"name": "n", "agg": "sum"}]),),
        metrics=(
            metric("n", "simple", {"measure": {"name": "n"}}, filter=where("n > 1")),
            metric("class", "simple", {"measure": {"name": "n"}}),
        ),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    measures = members(parsed(bundle, "a"), "measures")
    assert sorted(measures) == ["class_", "count_of_rows", "n_measure", "n_metric"]
    assert len([line for line in bundle.skipped if "taken or not legal" in line]) == 3


def test_a_metric_that_is_its_measure_is_one_member(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    graph = graph_of(
        make_node("a", ("n", "integer")),
        semantic_models=(
            model("a", measures=[{"name": "total", "agg": "sum", "expr": "n", "description": "In euro."}]),
        ),
        metrics=(metric("total", "simple", {"measure": {"name": "total"}}, label="Total"),),
    )
    measures = members(parsed(render(make_artifact(row_owner=None, prod={}), graph, "prod"), "a"), "measures")
    assert sorted(measures) == ["count", "total"]
    assert (measures["total"]["title"], measures["total"]["description"]) == ("Total", "In euro.")


def test_what_cannot_be_read_is_told_of(make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph) -> None:
    graph = graph_of(
        make_node("a", ("n", "integer")),
        semantic_models=({"unique_id": "semantic_model.shop.m", "name": 3}, model("elsewhere", "n")),
        metrics=({"unique_id": "metric.shop.x", "name": "x", "type": "simple", "type_params": {"measure": "total"}},),
        saved_queries=({"unique_id": "saved_query.shop.q", "name": "q"},),
    )
    bundle = render(make_artifact(row_owner=None, prod={}), graph, "prod")
    assert [line.split(": ")[:2] for line in bundle.skipped] == [
        ["metric.shop.x", "cannot be read"],
        ["saved_query.shop.q", "no view, because none of its metrics is served"],
        ["semantic_model.shop.m", "cannot be read"],
        ["semantic_model.shop.n", "its model is not served"],
    ]
