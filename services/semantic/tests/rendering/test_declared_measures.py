"""Measures that a model declares in meta.floe."""

from __future__ import annotations

from floe_contracts.nodes import DeclaredMeasure
from floe_semantic.core.rendering.render import render

from .manifest_parts import MakeArtifact, MakeGraph, MakeNode, Parse


def test_declared_measures(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    declared = (
        DeclaredMeasure(name="big", type="count", filters=("amount > 100", "status = '{new}'")),
        DeclaredMeasure(name="revenue", type="sum", sql="amount * 1.19", title="Revenue {EUR}", description="Gross."),
        DeclaredMeasure(name="status", type="count_distinct", sql="status"),
        DeclaredMeasure(name="worst", type="max", sql="(select 1)"),
    )
    node = make_node("orders", ("amount", "integer", "financial"), ("status",), measures=declared)
    artifact = make_artifact(row_owner=None, prod={"financial": ("restrict", ("finance",))})
    bundle = render(artifact, graph_of(node), "prod")
    measures = {item.pop("name"): item for item in parsed(bundle, "orders")["measures"]}
    assert measures.pop("count")["type"] == "count"
    assert measures == {
        "big": {
            "type": "count",
            "sql": "1",
            "filters": [{"sql": "{CUBE}.amount > 100"}, {"sql": "{CUBE}.status = '\\{new\\}'"}],
            "meta": {"floe": {"columns": ["amount", "status"]}},
        },
        "revenue": {
            "title": "Revenue \\{EUR\\}",
            "description": "Gross.",
            "type": "sum",
            "sql": "{CUBE}.amount * 1.19",
            "meta": {"floe": {"columns": ["amount"]}},
        },
        "status_measure": {
            "type": "count_distinct",
            "sql": "{CUBE}.status",
            "meta": {"floe": {"columns": ["status"]}},
        },
    }
    # They inherit what the policies say of their columns.
    hidden = parsed(bundle, "orders")["access_policy"][0]["member_level"]["excludes"]
    assert hidden == ["amount", "big", "revenue"]
    assert bundle.skipped == (
        "model.shop.orders: measure status: its name is taken or not legal; served as status_measure",
        "model.shop.orders: measure worst: SQL with SELECT in it",
    )


def test_measures_see_nothing_of_other_models(
    make_node: MakeNode, make_artifact: MakeArtifact, graph_of: MakeGraph, parsed: Parse
) -> None:
    declared = (
        DeclaredMeasure(name="column", type="max", sql="lower(email)"),
        DeclaredMeasure(name="row", type="max", sql="big_customers::varchar"),
    )
    orders = make_node("orders", ("amount", "integer"), measures=declared)
    # Cube writes its table as big_customers.
    customers = make_node("BigCustomers", ("email", "varchar", "pii"))
    artifact = make_artifact(row_owner=None, prod={"pii": ("restrict", ())})
    bundle = render(artifact, graph_of(orders, customers), "prod")
    measures = {item["name"]: item.get("sql") for item in parsed(bundle, "orders")["measures"]}
    assert measures == {"column": "lower({CUBE}.email)", "count": None}
    assert "model.shop.orders: measure row: SQL that speaks of the whole row: big_customers" in bundle.skipped
