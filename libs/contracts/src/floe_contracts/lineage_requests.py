"""What the lineage service can be asked (see `floe_contracts.requests`), and what it answers.

A dataset or a job is named by its whole name, `<namespace> <name>` where several namespaces have it, or by any tail of
its name that names no other, such as `marts.orders` or `orders`.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from floe_contracts.data import Data
from floe_contracts.requests import Answer, Operation, Request

ANYWHERE: Final = "-"
"""Stands for the environment in requests that are about none; no environment is called so."""
MOST_DEPTH: Final = 100
_SERVICE: Final = "lineage"
_NAMED: Final = "Its name, or a tail of it that names no other."

NodeKind: TypeAlias = Literal["dataset", "job"]
Direction: TypeAlias = Literal["upstream", "downstream", "both"]
BreakerState: TypeAlias = Literal["closed", "open"]


def node_id(kind: NodeKind, namespace: str, name: str) -> str:
    """The id of a dataset or job among all of a tenant: the same wherever and whenever it is made."""
    return f"{kind}-{hashlib.sha256(chr(0).join((namespace, name)).encode()).hexdigest()[:32]}"


class ListBackends(Request):
    """Which backends the lineage is forwarded to, and how far they are."""


class BackendEntry(Data):
    """A backend, and how far it is behind."""

    name: str = Field(description="As the settings or platform.yaml call it.")
    waiting: int = Field(description="Events that it has not got yet.")
    in_flight: int = Field(description="Those of them that are being handed over.")
    oldest_waiting_at: str | None = Field(default=None, description="When the oldest of them was stored, ISO 8601.")
    breaker: BreakerState = Field(description="open while nothing is fetched for it, as it is away.")
    last_error: str | None = Field(default=None, description="What it last said or did instead of taking an event.")
    last_error_at: str | None = Field(default=None, description="When, ISO 8601.")
    accepted: int = Field(description="Events that it took since the service started.")
    refused: int = Field(description="Events that went to the dead letters since the service started.")


class BackendList(Answer):
    """The backends, by name."""

    backends: tuple[BackendEntry, ...] = Field(description="All of them.")


class ReplayLineage(Request):
    """Have a backend get again what it has had."""

    backend: str = Field(description="Its name.")
    since: str = Field(description="From when on, ISO 8601 with an offset; by the time when the bus stored an event.")
    dry_run: bool = Field(default=False, description="Say what would be sent, and send nothing.")


class ReplayStarted(Answer):
    """What a backend gets again; it comes as the backend takes it, before anything newer."""

    backend: str = Field(description="Its name.")
    events: int = Field(description="Events that it gets, those that it still waited for among them.")
    first_sequence: int | None = Field(default=None, description="The first one's number in the stream.")
    first_stored_at: str | None = Field(default=None, description="When the first one was stored, ISO 8601.")


class NodeRun(Data):
    """The last run that was told of a job, or that wrote a dataset."""

    run_id: str = Field(description="Of the job.")
    event_type: str = Field(description="What was last told of it: START, COMPLETE, FAIL and so on.")
    at: str = Field(description="When that was, by the event, ISO 8601.")
    job_id: str | None = Field(default=None, description="The id of the node that is its job.")


class NodeField(Data):
    """A column of a dataset."""

    name: str = Field(description="The column.")
    type: str | None = Field(default=None, description="As the producer spells it.")
    classification: str | None = Field(default=None, description="What its owner says that it is, as in pii.")
    derived: str | None = Field(default=None, description="What it is because of the columns that it is made of.")


class GraphNode(Data):
    """A dataset or a job."""

    id: str = Field(description="See `node_id`.")
    kind: NodeKind = Field(description="What it is.")
    namespace: str = Field(description="OpenLineage's namespace.")
    name: str = Field(description="OpenLineage's name.")
    distance: int = Field(description="Steps from what was asked for; a job between two datasets counts as one.")
    environment: str | None = Field(default=None, description="Where it was last told of.")
    product: str | None = Field(default=None, description="Who told of it last: a product, or a producer's `-name`.")
    type: str | None = Field(default=None, description="Of a dataset TABLE or VIEW, of a job what it runs.")
    last_run: NodeRun | None = Field(default=None, description="The last run.")
    fields: tuple[NodeField, ...] = Field(default=(), description="Columns of a dataset, where they are asked for.")


class GraphEdge(Data):
    """Data goes from one node to another: a dataset into a job, or a job into a dataset."""

    source: str = Field(description="Id of a node.")
    target: str = Field(description="Id of a node.")


class ColumnEdge(Data):
    """A column is made of another one."""

    source: str = Field(description="Id of the dataset.")
    source_field: str = Field(description="Its column.")
    target: str = Field(description="Id of the dataset that is made of it.")
    target_field: str = Field(
        default="", description="Its column; empty where the whole dataset depends on it, as by a filter."
    )
    type: str = Field(description="DIRECT or INDIRECT.")
    subtype: str | None = Field(default=None, description="IDENTITY, TRANSFORMATION, AGGREGATION, JOIN, FILTER, ...")
    masking: bool = Field(default=False, description="Whether values are made unreadable on the way.")


class ReadGraph(Request):
    """What a dataset or a job is made of, and what is made of it."""

    dataset: str | None = Field(default=None, description=_NAMED)
    job: str | None = Field(default=None, description=_NAMED)
    direction: Direction = Field(default="both", description="Which way to go.")
    depth: int = Field(default=5, ge=1, le=MOST_DEPTH, description="How many jobs to go through.")
    columns: bool = Field(default=False, description="Whether columns and their edges are wanted.")

    @model_validator(mode="after")
    def _one_named(self) -> Self:
        if (self.dataset is None) == (self.job is None):
            raise ValueError("name a dataset or a job")
        return self


class LineageGraph(Answer):
    """The part of the graph that was asked for, by distance, then by name."""

    root: str = Field(description="Id of the node that was asked for.")
    nodes: tuple[GraphNode, ...] = Field(description="Datasets and jobs.")
    edges: tuple[GraphEdge, ...] = Field(description="Between these nodes.")
    column_edges: tuple[ColumnEdge, ...] = Field(default=(), description="Between their columns, if asked for.")
    truncated: bool = Field(default=False, description="Whether there is more than an answer holds.")


class ReadImpact(Request):
    """What a change of a dataset, or of one column of it, reaches."""

    dataset: str = Field(description=_NAMED)
    field: str | None = Field(default=None, description="The column; left out, all of it.")


class ImpactEntry(Data):
    """Something that a change reaches."""

    node: GraphNode = Field(description="A dataset or a job.")
    columns: tuple[str, ...] = Field(default=(), description="Columns that are made of what changes, as far as known.")
    indirect: bool = Field(default=False, description="Whether it depends by filters, joins and the like alone.")
    certain: bool = Field(
        default=True, description="False where no columns are known on the way, so that it may not be reached at all."
    )


class Impact(Answer):
    """All that a change reaches, the nearest first."""

    root: str = Field(description="Id of the dataset.")
    entries: tuple[ImpactEntry, ...] = Field(description="Datasets and jobs.")
    truncated: bool = Field(default=False, description="Whether there is more than an answer holds.")


class ReadColumn(Request):
    """Where a column comes from, where it goes, and what it is because of that."""

    dataset: str = Field(description=_NAMED)
    field: str = Field(description="The column.")
    direction: Direction = Field(default="both", description="Which way to go.")


class PathStep(Data):
    """One column on the way."""

    namespace: str = Field(description="Of its dataset.")
    dataset: str = Field(description="Its dataset.")
    field: str = Field(description="The column.")


class DerivedClassification(Data):
    """What a column is because of another one, and how that came to it."""

    classification: str = Field(description="As in pii.")
    path: tuple[PathStep, ...] = Field(
        description="From the column whose owner says so to this one; empty where that one is not shown to who asks."
    )
    masked: bool = Field(default=False, description="Whether values were made unreadable on the way.")


class ColumnAnswer(Answer):
    """A column, and all that it has to do with."""

    root: str = Field(description="Id of its dataset.")
    field: NodeField = Field(description="The column.")
    nodes: tuple[GraphNode, ...] = Field(description="The datasets that the edges speak of.")
    edges: tuple[ColumnEdge, ...] = Field(description="Those that lead to it or from it, through any number of steps.")
    derived: tuple[DerivedClassification, ...] = Field(default=(), description="What it is because of others.")
    truncated: bool = Field(default=False, description="Whether there is more than an answer holds.")


LIST_BACKENDS: Final = Operation(_SERVICE, "list-backends", ListBackends, BackendList)
REPLAY_LINEAGE: Final = Operation(_SERVICE, "replay", ReplayLineage, ReplayStarted)
READ_GRAPH: Final = Operation(_SERVICE, "graph", ReadGraph, LineageGraph)
READ_IMPACT: Final = Operation(_SERVICE, "impact", ReadImpact, Impact)
READ_COLUMN: Final = Operation(_SERVICE, "column", ReadColumn, ColumnAnswer)

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    LIST_BACKENDS,
    REPLAY_LINEAGE,
    READ_GRAPH,
    READ_IMPACT,
    READ_COLUMN,
)
"""All that the lineage service can be asked."""
