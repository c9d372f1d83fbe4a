"""What is known of datasets and jobs now: the lineage service's memory, a projection of the lineage stream.

It stands in the buckets `floe_lineage_datasets` and `floe_lineage_jobs`, one record for each dataset and job under
`<tenant, escaped>.<id>`, the id being that of `lineage_requests.node_id`. The lineage service alone writes; anybody may
read. All of it can be made again from the stream, as far back as that goes.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal, TypeAlias

from pydantic import Field

from floe_contracts.data import Data, FirstMajor
from floe_contracts.lineage_requests import NodeKind, NodeRun, node_id
from floe_contracts.plugins.lineage_backends import Position
from floe_contracts.subjects import escape

ColumnsFrom: TypeAlias = Literal["producer", "sql", "landing"]

NEVER: Final = 0
"""A time that is before all others, in microseconds since 1970."""


class DatasetName(Data):
    """A dataset, as OpenLineage names it."""

    namespace: str = Field(description="OpenLineage's namespace.")
    name: str = Field(description="OpenLineage's name.")

    @property
    def id(self) -> str:
        """The id of its record."""
        return node_id("dataset", self.namespace, self.name)


class StateField(Data):
    """A column of a dataset."""

    name: str = Field(description="The column.")
    type: str | None = Field(default=None, description="As the producer spells it.")


class Declaration(Data):
    """What one product or producer says that the columns of a dataset are."""

    product: str = Field(description="Who says so: a product, or a producer's `-name`.")
    at: int = Field(description="When it last said so, in microseconds since 1970.")
    columns: dict[str, tuple[str, ...]] = Field(description="Column -> what it is, as in pii.")


class LineageState(Data):
    """What datasets and jobs have in common."""

    kind: ClassVar[NodeKind]
    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    tenant: str = Field(description="Whom it belongs to.")
    namespace: str = Field(description="OpenLineage's namespace.")
    name: str = Field(description="OpenLineage's name.")
    environment: str = Field(description="Where it was last told of.")
    environments: tuple[str, ...] = Field(description="All environments where it was told of.")
    product: str = Field(description="Who told of it last: a product, or a producer's `-name`.")
    type: str | None = Field(default=None, description="Of a dataset TABLE or VIEW, of a job what it runs.")
    last_run: NodeRun | None = Field(default=None, description="Of a job the last run, of a dataset what wrote it.")
    described_at: int = Field(default=NEVER, description="Time of what it is described by, in microseconds since 1970.")
    sequence: int = Field(description="The last event of the stream that is in this record.")
    stored_at: int = Field(description="When the bus stored that event, in microseconds since 1970.")

    @property
    def id(self) -> str:
        """The id of its record."""
        return node_id(self.kind, self.namespace, self.name)

    @property
    def position(self) -> Position:
        """How far this record is."""
        return Position(self.sequence, self.stored_at)


class DatasetState(LineageState):
    """A dataset, as far as events tell of it."""

    kind: ClassVar[NodeKind] = "dataset"
    fields: tuple[StateField, ...] = Field(default=(), description="Its columns.")
    fields_complete: bool = Field(default=False, description="Whether these are all of them, in their order.")
    fields_rank: int = Field(default=-1, description="How good a source they have: 0 a START, 1 a reader, 2 a writer.")
    fields_at: int = Field(default=NEVER, description="When they were told, in microseconds since 1970.")
    declarations: tuple[Declaration, ...] = Field(
        default=(), description="What its columns are said to be, and by whom."
    )
    symlinks: tuple[DatasetName, ...] = Field(default=(), description="Other names of the same data.")
    dropped: bool = Field(default=False, description="Whether it was last told to be gone.")

    @property
    def declared(self) -> dict[str, tuple[str, ...]]:
        """Column -> all that anybody says that it is, sorted."""
        found: dict[str, set[str]] = {}
        for declaration in self.declarations:
            for column, names in declaration.columns.items():
                found.setdefault(column, set()).update(names)
        return {column: tuple(sorted(names)) for column, names in found.items()}


class ColumnSource(Data):
    """A column that another one is made of."""

    namespace: str = Field(description="Of its dataset.")
    dataset: str = Field(description="Its dataset.")
    field: str = Field(description="The column.")
    type: Literal["DIRECT", "INDIRECT"] = Field(default="DIRECT", description="Whether its values are in the other.")
    subtype: str | None = Field(default=None, description="IDENTITY, TRANSFORMATION, AGGREGATION, JOIN, FILTER, ...")
    masking: bool = Field(default=False, description="Whether values are made unreadable on the way.")


class OutputColumns(Data):
    """What the columns of one output of a job are made of."""

    namespace: str = Field(description="Of the output.")
    name: str = Field(description="The output.")
    told_by: ColumnsFrom = Field(description="Who found it out: the producer, or floe, from the SQL or from a landing.")
    partial: bool = Field(default=False, description="Whether the making of some columns could not be told.")
    columns: dict[str, tuple[ColumnSource, ...]] = Field(default={}, description="Column -> what it is made of.")
    whole: tuple[ColumnSource, ...] = Field(default=(), description="What the dataset as a whole depends on.")


class RunOrigin(Data):
    """The run that what is known of a job comes from."""

    run_id: str = Field(description="Of the job.")
    at: str = Field(description="When it was told to be complete, ISO 8601.")
    sequence: int = Field(default=0, description="The number of the event that told so, in the stream.")
    parent_run_id: str | None = Field(default=None, description="The run that it belonged to.")
    parent_namespace: str | None = Field(default=None, description="Namespace of the job of that run.")
    parent_name: str | None = Field(default=None, description="The job of that run.")


class OpenRun(Data):
    """What is told by now of the data of a run that has not come to its end: events of one run add to each other."""

    run_id: str = Field(description="Of the job.")
    inputs: tuple[DatasetName, ...] = Field(default=(), description="What it reads.")
    outputs: tuple[DatasetName, ...] = Field(default=(), description="What it writes.")


class ToldOutput(Data):
    """An output of a job that floe has told something about."""

    namespace: str = Field(description="Of the output.")
    name: str = Field(description="The output.")
    facets: tuple[str, ...] = Field(description="The facets that it told.")


class Told(Data):
    """What floe last told of its own about a job."""

    digest: str = Field(description="Of what it told.")
    sequence: int = Field(description="Its number in the stream.")
    outputs: tuple[ToldOutput, ...] = Field(default=(), description="What that was about.")


class JobState(LineageState):
    """A job, as far as events tell of it."""

    kind: ClassVar[NodeKind] = "job"
    inputs: tuple[DatasetName, ...] = Field(default=(), description="What its last complete run read.")
    outputs: tuple[DatasetName, ...] = Field(default=(), description="What its last complete run wrote.")
    completed: bool = Field(default=False, description="Whether these are of a complete run, or of one that began.")
    open_runs: tuple[OpenRun, ...] = Field(
        default=(), description="The runs that are not at their end, the last heard of last; a few at most."
    )
    origin: RunOrigin | None = Field(default=None, description="The last complete run.")
    columns: tuple[OutputColumns, ...] = Field(default=(), description="What the columns of its outputs are made of.")
    columns_key: str | None = Field(
        default=None, description="What they were found out from; the same again, the same."
    )
    told: Told | None = Field(default=None, description="What floe told of them.")


def lineage_state_key(tenant: str, identity: str) -> str:
    """The key of a record, by the id of the dataset or job."""
    return f"{escape(tenant)}.{identity}"
