"""Datasets, jobs and columns as answers have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from floe_contracts.lineage_requests import ANYWHERE, GraphNode, NodeField
from floe_contracts.lineage_states import DatasetState
from floe_lineage.core.graph.column_edges import Edge
from floe_lineage.core.graph.tenant_graph import TenantGraph

if TYPE_CHECKING:
    from floe_lineage.core.graph.walking import Seen


def seen_node(seen: Seen, identity: str, distance: int, *, columns: bool = False) -> GraphNode:
    """A dataset or job that is known, without what another environment told last; its columns if they are asked for."""
    state = seen.graph.state(identity)
    assert state is not None  # noqa: S101 - whoever asks has it from the same graph
    told_here = seen.environment in (ANYWHERE, state.environment)
    run = state.last_run if told_here else None
    if run is not None and run.job_id is not None and not seen.graph.shows(run.job_id, seen.environment):
        run = None
    return GraphNode.model_construct(
        id=identity,
        kind=state.kind,
        namespace=state.namespace,
        name=state.name,
        distance=distance,
        environment=state.environment if told_here else None,
        product=state.product if told_here else None,
        type=state.type,
        last_run=run,
        fields=tuple(_fields(seen, state)) if columns and isinstance(state, DatasetState) else (),
    )


def seen_field(seen: Seen, state: DatasetState, name: str) -> NodeField:
    """A column of a dataset, whether or not its schema is known."""
    kind = next((field.type for field in state.fields if field.name == name), None)
    derived = seen.derivations.of_column((state.id, name))
    return NodeField(
        name=name,
        type=kind,
        classification=", ".join(seen.graph.declared.get((state.id, name), ())) or None,
        derived=", ".join(sorted(derived)) or None,
    )


def edges_between(graph: TenantGraph, within: set[str]) -> Iterator[Edge]:
    """The edges between columns of these datasets that these jobs make."""
    found: set[Edge] = set()
    for identity in within:
        found.update(graph.columns.of_job(identity))
    return (edge for edge in found if edge.source[0] in within and edge.target[0] in within)


def _fields(seen: Seen, state: DatasetState) -> Iterator[NodeField]:
    """Made for each of thousands: a field is looked for by its name only where there is but one."""
    identity = state.id
    for field in state.fields:
        column = (identity, field.name)
        yield NodeField.model_construct(
            name=field.name,
            type=field.type,
            classification=", ".join(seen.graph.declared.get(column, ())) or None,
            derived=", ".join(sorted(seen.derivations.of_column(column))) or None,
        )
