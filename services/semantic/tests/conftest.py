"""A small shop to render: customers with sensitive columns, their orders, metrics and an exposure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest
import yaml

from floe_contracts.artifacts import (
    Catalog,
    CompiledArtifacts,
    CompiledEnvironment,
    CompiledPolicy,
    CompiledRowOwner,
    Compute,
    DbtProject,
    ProductIdentity,
    Serving,
    Sources,
    Storage,
    Tools,
)
from floe_contracts.compiled_product import (
    CompiledConcurrency,
    CompiledObservability,
    CompiledOrchestration,
    CompiledPreAggregations,
    CompiledRetries,
)
from floe_contracts.digests import digest_of
from floe_contracts.nodes import Check, Classification, Column, Exposure, Node, NodeGraph
from floe_semantic.core.rendering.render import Bundle

Policies: TypeAlias = dict[str, tuple[str, tuple[str, ...]]]
MakeArtifact: TypeAlias = Callable[..., CompiledArtifacts]
MakeNode: TypeAlias = Callable[..., Node]


def column(name: str, data_type: str | None = "varchar", classification: str | None = None, **more: Any) -> Column:
    meta = Classification.model_validate({"classification": classification}) if classification else None
    return Column(name=name, data_type=data_type, classification=meta, **more)


@pytest.fixture
def make_node() -> MakeNode:
    """A model that is exposed and lands as a table, from its name and (name, type, classification) of its columns."""

    def make(name: str, *columns: tuple[Any, ...], **more: Any) -> Node:
        fields: dict[str, Any] = {
            "unique_id": f"model.shop.{name}",
            "name": name,
            "resource_type": "model",
            "materialized": "table",
            "database": "warehouse",
            "schema_name": "main",
            "identifier": name,
            "path": f"models/{name}.sql",
            "expose": True,
            "columns": tuple(column(*parts) for parts in columns),
        }
        return Node(**{**fields, **more})

    return make


@pytest.fixture
def make_artifact() -> MakeArtifact:
    """An artifact with an environment for each set of policies; `nodes` are the digests of their NodeGraphs."""

    def make(
        row_owner: tuple[str, str] | None = ("brand", "brand"),
        nodes: dict[str, str] | None = None,
        cube: bool = True,
        compute: str = "duckdb",
        computes: Mapping[str, str] | None = None,
        pre_aggregations: CompiledPreAggregations | None = None,
        **environments: Policies,
    ) -> CompiledArtifacts:
        return CompiledArtifacts(
            product=ProductIdentity(name="shop", version="1.0.0", description="", owner="shop@example.com", labels={}),
            sources=Sources(bundle=digest_of(b"bundle"), platform=digest_of(b"platform")),
            tools=Tools(dbt_core="1.11.16", adapters={"duckdb": "1.11.1"}),
            transforms=(DbtProject(path="dbt"),),
            landing=("table", "incremental"),
            serving=Serving(
                cube=cube,
                pre_aggregations=pre_aggregations,
                row_owner=CompiledRowOwner(column=row_owner[0], claim=row_owner[1]) if row_owner else None,
            ),
            triggers=(),
            orchestration=CompiledOrchestration(
                retries=CompiledRetries(max_attempts=1, delay_seconds=0, backoff="constant"),
                concurrency=CompiledConcurrency(queue="queue", partitions=1),
            ),
            observability=CompiledObservability(traces=True, metrics=True, lineage=True, attributes={}),
            environments={
                name: CompiledEnvironment(
                    refs=("*",),
                    compute=Compute(name=compute, type=compute, threads=1),
                    computes={
                        name: Compute(name=name, type=kind, threads=1) for name, kind in (computes or {}).items()
                    },
                    storage=Storage(name="local", type="local"),
                    catalog=Catalog(name="local", type="sql"),
                    policies={
                        name: CompiledPolicy.model_validate({"action": action, "requires_role": roles})
                        for name, (action, roles) in policies.items()
                    },
                    manifest=digest_of(b"manifest"),
                    nodes=(nodes or {}).get(name, digest_of(b"nodes")),
                )
                for name, policies in environments.items()
            },
        )

    return make


@pytest.fixture
def graph_of() -> Callable[..., NodeGraph]:
    """A graph of nodes, with exposures, semantic models and metrics by name."""

    def make(*nodes: Node, **more: Any) -> NodeGraph:
        return NodeGraph(project="shop", nodes=nodes, checks=(), **more)

    return make


@pytest.fixture
def parsed() -> Callable[[Bundle, str], dict[str, Any]]:
    """A cube or view of a bundle by its name, as Cube's YAML parser sees it."""

    def parse(bundle: Bundle, name: str) -> dict[str, Any]:
        kind = "cubes" if name in bundle.cubes else "views"
        document = yaml.safe_load(bundle.files[f"model/{kind}/{name}.yml"])
        return dict(document[kind][0])

    return parse


@pytest.fixture
def shop(make_node: MakeNode) -> NodeGraph:
    """Customers and orders; the dicts have the shapes of a manifest of dbt 1.11."""
    customers = make_node(
        "customers",
        ("customer_id", "integer", "identifier"),
        ("brand", "varchar", "internal"),
        ("email", "varchar", "pii"),
        primary_key=("customer_id",),
        description="One row each; {braces} and `ticks` are shown as they are.",
    )
    orders = make_node(
        "orders",
        ("order_id", "integer", "identifier"),
        ("customer_id", "integer"),
        ("brand",),
        ("order_date", "date"),
        ("status", "varchar"),
        ("amount", "decimal(18,2)", "financial"),
        primary_key=("order_id",),
        owner="finance@example.com",
        checks=(
            Check(
                unique_id="test.shop.relationships_orders",
                name="relationships",
                column="customer_id",
                to_node="model.shop.customers",
                to_column="customer_id",
            ),
        ),
    )
    return NodeGraph(
        project="shop",
        nodes=(customers, orders),
        checks=(),
        exposures=(
            Exposure(
                unique_id="exposure.shop.board",
                name="board",
                type="dashboard",
                label="The board",
                owner="Finance",
                description="Read every morning.",
                depends_on=("model.shop.customers", "model.shop.orders"),
            ),
        ),
        semantic_models=(_semantic_model(),),
        metrics=(
            _metric("revenue", "simple", {"measure": {"name": "amount_sum"}}, label="Revenue"),
            _metric(
                "cancelled",
                "simple",
                {"measure": {"name": "order_count"}},
                filter={"where_filters": [{"where_sql_template": "{{ Dimension('order__status') }} = 'cancelled'"}]},
            ),
            _metric(
                "revenue_by_order",
                "ratio",
                {"numerator": {"name": "revenue"}, "denominator": {"name": "order_count"}},
            ),
            _metric("order_count", "simple", {"measure": {"name": "order_count"}}, label="Orders"),
            _metric(
                "revenue_7_days",
                "cumulative",
                {
                    "measure": {"name": "amount_sum"},
                    "cumulative_type_params": {"window": {"count": 7, "granularity": "day"}},
                },
            ),
        ),
    )


def _semantic_model() -> dict[str, Any]:
    return {
        "name": "orders",
        "resource_type": "semantic_model",
        "unique_id": "semantic_model.shop.orders",
        "model": "ref('orders')",
        "node_relation": {"alias": "orders", "schema_name": "main", "database": "warehouse"},
        "label": None,
        "defaults": {"agg_time_dimension": "order_date"},
        "entities": [{"name": "order", "type": "primary", "expr": "order_id", "role": None}],
        "dimensions": [
            {"name": "order_date", "type": "time", "type_params": {"time_granularity": "day"}, "expr": None},
            {"name": "status", "type": "categorical", "label": "State of the order", "expr": None},
        ],
        "measures": [
            {"name": "order_count", "agg": "count", "expr": "1", "agg_params": None, "non_additive_dimension": None},
            {"name": "amount_sum", "agg": "sum", "expr": "amount", "description": "In euro."},
        ],
        "depends_on": {"macros": [], "nodes": ["model.shop.orders"]},
        "primary_entity": None,
    }


def _metric(name: str, kind: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "resource_type": "metric",
        "unique_id": f"metric.shop.{name}",
        "description": "",
        "label": name,
        "type": kind,
        "type_params": {"measure": None, "input_measures": [], "numerator": None, "metrics": [], **parameters},
        "filter": None,
        **more,
    }
