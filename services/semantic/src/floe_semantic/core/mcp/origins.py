"""Where a member comes from: its dbt nodes and columns, and what these are made of upstream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from floe_contracts.data import Data
from floe_contracts.lineage_requests import ColumnAnswer, ColumnEdge, GraphNode
from floe_semantic.core.mcp.entities import Entities, Member


@dataclass(frozen=True, slots=True)
class Origin:
    """What the model that Cube serves says of a member.

    Attributes:
        model: the cube's dbt model; None where the caller may not see the cube behind a view.
        defined_by: the dbt nodes that it was rendered from: a metric, a model, an exposure.
        columns: columns of the model that it is computed from.
    """

    model: str | None
    defined_by: tuple[str, ...]
    columns: tuple[str, ...]


class UpstreamColumn(Data):
    """A column that one of the member's columns is made of, directly or through others."""

    dataset: str = Field(description="OpenLineage's name of the dataset.")
    namespace: str = Field(description="OpenLineage's namespace of the dataset.")
    field: str = Field(description="The column.")
    of_dataset: str = Field(description="The dataset that is made of it.")
    of_field: str = Field(description="Its column; empty where all of it depends on it, as by a filter.")
    type: str = Field(description="DIRECT, or INDIRECT as by a filter or join.")
    subtype: str | None = Field(default=None, description="IDENTITY, TRANSFORMATION, AGGREGATION, JOIN, FILTER, ...")
    masking: bool = Field(default=False, description="Whether values are made unreadable on the way.")


class MemberLineage(Data):
    """Where a member comes from."""

    member: str = Field(description="The member that was asked for.")
    stands_for: str | None = Field(default=None, description="The cube's member that a view's one is.")
    model: str | None = Field(default=None, description="The dbt model, where the caller may see its cube.")
    defined_by: tuple[str, ...] = Field(default=(), description="The dbt nodes that it was rendered from.")
    columns: tuple[str, ...] = Field(default=(), description="Columns of the model that it is computed from.")
    classification: tuple[str, ...] = Field(default=(), description="What the owner says that these are.")
    source: Literal["cube", "cube and lineage"] = Field(
        description="cube: the model that Cube serves, alone; cube and lineage: the graph of what ran, too."
    )
    upstream: tuple[UpstreamColumn, ...] = Field(default=(), description="The nearest first, from the graph.")
    truncated: bool = Field(default=False, description="Whether there is more upstream than an answer holds.")
    note: str | None = Field(default=None, description="Why the graph was not asked, or had no answer.")


def origin(member: Member, entities: Entities) -> Origin:
    """What Cube's model says of a member."""
    behind = entities.by_name.get((member.stands_for or member.name).partition(".")[0])
    model = behind.dbt_unique_id if behind is not None and behind.kind == "cube" else None
    own = entities.by_name[member.name.partition(".")[0]].dbt_unique_id
    nodes = dict.fromkeys(node for node in (member.dbt_unique_id, model, own) if node)
    return Origin(model, tuple(nodes), member.columns)


def dataset_name(model: str) -> str:
    """The end of the name of a dbt model's dataset: that of the model, and of its version if it has one."""
    parts = model.split(".")
    return "_".join(parts[2:]) if len(parts) > 2 else model


def upstream_columns(answers: Sequence[ColumnAnswer], most: int) -> tuple[tuple[UpstreamColumn, ...], bool]:
    """What the graph tells, and whether some of it was left out."""
    found: dict[tuple[str, ...], tuple[int, UpstreamColumn]] = {}
    for answer in answers:
        nodes = {node.id: node for node in answer.nodes}
        for edge in answer.edges:
            source, target = nodes.get(edge.source), nodes.get(edge.target)
            if source is not None and target is not None:
                key = (edge.source, edge.source_field, edge.target, edge.target_field, edge.type)
                found.setdefault(key, (source.distance, _upstream(edge, source, target)))
    ordered = sorted(found.values(), key=lambda item: (item[0], item[1].dataset, item[1].field, item[1].of_field))
    cut = len(ordered) > most or any(answer.truncated for answer in answers)
    return tuple(entry for _, entry in ordered[:most]), cut


def _upstream(edge: ColumnEdge, source: GraphNode, target: GraphNode) -> UpstreamColumn:
    return UpstreamColumn(
        dataset=source.name,
        namespace=source.namespace,
        field=edge.source_field,
        of_dataset=target.name,
        of_field=edge.target_field,
        type=edge.type,
        subtype=edge.subtype,
        masking=edge.masking,
    )
