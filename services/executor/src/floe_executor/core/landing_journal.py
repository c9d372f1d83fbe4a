"""The journal of a landing: written once every table is staged, read by whoever completes it (DESIGN section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.events import Data, FirstMajor, NodeOutcome, RunOptions
from floe_contracts.nodes import Node, NodeGraph, NodeLanding


class StagedNode(Data):
    """A node whose rows are staged."""

    unique_id: str
    staged: dict[str, Any] = Field(description="The staged table, as the lakehouse writes it down.")


class LandingJournal(Data):
    """What there is to switch, and what the terminal event says of the build."""

    version: FirstMajor = "1.0"
    nodes: tuple[NodeOutcome, ...]
    tables: tuple[StagedNode, ...]
    seconds: float = Field(description="Time that dbt took.")


def nodes_to_land(artifact: CompiledArtifacts, graph: NodeGraph, outcomes: Iterable[NodeOutcome]) -> tuple[Node, ...]:
    """The nodes that land: built well in this run, and of a kind that the artifact selects."""
    built = {outcome.unique_id for outcome in outcomes if outcome.status in {"success", "warned"}}
    return tuple(
        node
        for node in graph.nodes
        if node.unique_id in built and node.resource_type != "source" and node.materialized in artifact.landing
    )


def planned_landing(node: Node, options: RunOptions) -> NodeLanding:
    """How a node's rows come into its table: as the project says, and whole where it was built from nothing."""
    declared = node.landing or NodeLanding()
    if declared.mode is None or options.full_refresh:
        return declared.model_copy(update={"mode": "replace"})
    return declared
