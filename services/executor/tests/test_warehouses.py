from __future__ import annotations

import pytest

from floe_contracts.artifacts import Catalog, CompiledArtifacts, Compute
from floe_contracts.events import NodeOutcome
from floe_contracts.nodes import Node, NodeGraph
from floe_executor.core.warehouses import nodes_for_lake


def node(unique_id: str, materialized: str, database: str = "shop") -> Node:
    return Node(
        unique_id=unique_id,
        name="n",
        resource_type=unique_id.split(".")[0],  # type: ignore[arg-type]
        materialized=materialized,
        database=database,
        schema_name="main",
        identifier="n",
        path="n.sql",
    )


GRAPH = NodeGraph(
    project="shop",
    nodes=(
        node("model.shop.local", "table"),
        node("model.shop.inside", "iceberg_table", "lake"),
        node("model.shop.added", "incremental", "lake"),
        node("model.shop.failed", "iceberg_table", "lake"),
        node("source.shop.outside", "table", "lake"),
    ),
    checks=(),
)
OUTCOMES = tuple(
    NodeOutcome(unique_id=each.unique_id, status="failed" if "failed" in each.unique_id else "success", seconds=1.0)
    for each in GRAPH.nodes
)


@pytest.mark.parametrize(
    ("compute", "catalog", "told"),
    [
        ("duckdb", "sql", ["model.shop.local", "model.shop.added"]),
        ("postgres", "sql", ["model.shop.local", "model.shop.added"]),
        ("duckdb", "polaris", ["model.shop.inside", "model.shop.added"]),
        ("duckdb", "nessie", ["model.shop.inside", "model.shop.added"]),
        ("snowflake", "polaris", []),
        ("databricks", "sql", []),
    ],
)
def test_what_lands_depends_on_the_warehouse_and_on_who_writes_into_the_catalog(
    artifact: CompiledArtifacts, compute: str, catalog: str, told: list[str]
) -> None:
    changed = {
        "compute": Compute(name="warehouse", type=compute, threads=1),
        "catalog": Catalog(name="catalog", type=catalog),
    }
    environment = artifact.environments["dev"].model_copy(update=changed)
    assert [each.unique_id for each in nodes_for_lake(artifact, environment, GRAPH, OUTCOMES)] == told
