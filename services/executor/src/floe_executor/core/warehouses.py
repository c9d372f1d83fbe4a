"""What floe does with the tables of each kind of warehouse once they are built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.attached_catalogs import is_attached, is_in_attached
from floe_contracts.events import NodeOutcome
from floe_contracts.nodes import Node, NodeGraph
from floe_executor.core.landing_journal import nodes_to_land

READ: Final = frozenset({"duckdb", "postgres"})
"""Their tables are read and landed in Iceberg."""

NATIVE: Final = frozenset({"bigquery", "databricks", "snowflake", "spark"})
"""Their dbt adapters can write Iceberg themselves (a table or file format of the model): nothing is landed. Not
Redshift: its adapter writes no Iceberg, so a product's tables would stay where no consumer of the lake sees them."""

SUPPORTED: Final = READ | NATIVE
"""Where this executor builds."""


def is_landed(compute: str) -> bool:
    """Whether the tables that a compute of this type builds are landed."""
    return compute not in NATIVE


def nodes_for_lake(
    artifact: CompiledArtifacts, environment: CompiledEnvironment, graph: NodeGraph, outcomes: Iterable[NodeOutcome]
) -> tuple[Node, ...]:
    """The nodes whose tables the run has to land, or to tell of where dbt has written them into the catalog itself.

    With an attached catalog those are the nodes in it; what a product builds in its DuckDB file stays its own.
    """
    if not is_landed(environment.compute.type):
        return ()
    if not is_attached(environment):
        return nodes_to_land(artifact, graph, outcomes)
    built = {outcome.unique_id for outcome in outcomes if outcome.status in {"success", "warned"}}
    return tuple(node for node in graph.nodes if node.unique_id in built and is_in_attached(node))
