from __future__ import annotations

import pytest

from floe_compiler.core.annotations import annotate, check_annotations
from floe_contracts.documents.reading import read_floe_spec
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.nodes import Column, Node, NodeGraph

HEAD = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.2.0, owner: me}
"""


def spec(models: str = "{}", more: str = "", transforms: str = "") -> FloeSpec:
    written = f"transforms:\n  - {{type: dbt, path: dbt, models: {models}}}\n{transforms}{more}"
    return read_floe_spec(HEAD + written)


def node(name: str, *depends_on: str, kind: str = "model", tags: tuple[str, ...] = ()) -> Node:
    return Node(
        unique_id=f"{kind}.shop.{name}",
        name=name,
        resource_type=kind,
        materialized="table",
        database="shop",
        schema_name="main",
        identifier=name,
        path=f"models/{name}.sql",
        depends_on=tuple(f"model.shop.{parent}" for parent in depends_on),
        tags=tags,
        tier="bronze",
        columns=(Column(name="id"), Column(name="amount")),
    )


GRAPH = NodeGraph(
    project="shop",
    nodes=(node("raw"), node("orders", "raw", tags=("daily",)), node("revenue", "orders"), node("api", kind="source")),
    checks=(),
)


def test_annotations_are_put_on_their_models() -> None:
    checks = "[{name: positive, type: expression, column: amount, severity: critical}]"
    written = spec(f"{{orders: {{tier: gold, tags: [b, daily], compute: heavy, qualityChecks: {checks}}}}}")
    by_name = {one.name: one for one in annotate(written, GRAPH).nodes}
    orders = by_name["orders"]
    assert (orders.tier, orders.tags, orders.compute) == ("gold", ("b", "daily"), "heavy")
    assert (orders.quality_checks[0].name, orders.quality_checks[0].severity) == ("positive", "critical")
    assert by_name["raw"] == GRAPH.nodes[0]


def test_what_the_project_fulfils_is_no_problem() -> None:
    written = spec(
        "{revenue: {dependsOn: [raw, orders]}}",
        "outputPorts: [{name: orders, schema: [{name: id, type: int}]}, {name: scores}]\n"
        "destinations: [{name: crm, type: webhook, models: [scores, orders]}]\n",
        "  - {type: python, name: scores, module: scores, dependsOn: [revenue]}\n"
        "  - {type: python, name: more, module: more, dependsOn: [scores]}\n",
    )
    assert list(check_annotations(written, GRAPH)) == []


@pytest.mark.parametrize(
    ("written", "code", "path", "message", "hint"),
    [
        (
            spec("{ordres: {}}"),
            "FLOE-COMP-006",
            "transforms.0.models.ordres",
            "no model 'ordres'",
            "did you mean 'orders'?",
        ),
        (
            spec("{api: {}}"),
            "FLOE-COMP-006",
            "transforms.0.models.api",
            "no model 'api'",
            "known are: orders, raw, revenue",
        ),
        (
            spec("{revenue: {dependsOn: [rwa]}}"),
            "FLOE-COMP-006",
            "transforms.0.models.revenue.dependsOn.0",
            "no model 'rwa'",
            "did you mean 'raw'?",
        ),
        (
            spec("{orders: {dependsOn: [raw, revenue]}}"),
            "FLOE-COMP-007",
            "transforms.0.models.orders.dependsOn.1",
            "orders is not built from revenue",
            "ref('revenue')",
        ),
        (
            spec(transforms="  - {type: python, name: orders, module: a}\n"),
            "FLOE-COMP-006",
            "transforms.1.name",
            "has a model 'orders', too",
            "another name",
        ),
        (
            spec(transforms="  - {type: python, name: a, module: a, dependsOn: [b]}\n"),
            "FLOE-COMP-006",
            "transforms.1.dependsOn.0",
            "no model 'b'",
            "known are",
        ),
        (
            spec(more="outputPorts: [{name: order}]\n"),
            "FLOE-COMP-006",
            "outputPorts.0.name",
            "no model 'order'",
            "'orders'",
        ),
        (
            spec(more="outputPorts: [{name: x, model: y}]\n"),
            "FLOE-COMP-006",
            "outputPorts.0.model",
            "no model 'y'",
            "known are",
        ),
        (
            spec(more="outputPorts: [{name: orders, schema: [{name: amuont, type: int}]}]\n"),
            "FLOE-COMP-008",
            "outputPorts.0.schema.0.name",
            "no column 'amuont'",
            "did you mean 'amount'?",
        ),
        (
            spec(more="destinations: [{name: x, type: y, models: [orders, z]}]\n"),
            "FLOE-COMP-006",
            "destinations.0.models.1",
            "no model 'z'",
            "known are",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(
    written: FloeSpec, code: str, path: str, message: str, hint: str
) -> None:
    (problem,) = check_annotations(written, GRAPH)
    assert problem.code == code
    assert problem.where is not None
    assert problem.where.path == path
    assert message in problem.message
    assert hint in (problem.hint or "")
