"""The data of every event (DESIGN section 3).

Writers are strict: an unknown field is an error. Readers are tolerant: `read` ignores the fields of a newer minor.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from floe_contracts.errors import ContractError, FloeError
from floe_contracts.subjects import EventKind, EventSubject, Scope

VERSION = "1.0"

FirstMajor = Annotated[str, StringConstraints(pattern=r"^1\.\d+$")]
"""The version of a stored document: any minor of the first major is read, another major is refused."""


class Data(BaseModel):
    """Frozen data that crosses a boundary."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, document: object) -> Self:
        """Read what another version of floe may have written: unknown fields are ignored.

        Raises:
            ContractError: the document does not fulfil the contract.
        """
        try:
            return cls.model_validate(document, extra="ignore")
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the document"
            raise ContractError(f"{cls.__name__}: {place}: {first['msg']}") from error


class Problem(Data):
    """A `FloeError` as it travels in an event."""

    code: str = Field(description="FLOE-<AREA>-<nnn>, see the reference of errors.")
    message: str = Field(description="What is wrong, in one sentence.")
    file: str | None = Field(default=None, description="The file that it speaks of.")
    line: int | None = Field(default=None, description="From 1.")
    column: int | None = Field(default=None, description="From 1.")
    path: str | None = Field(default=None, description="The field, as in metadata.name.")
    hint: str | None = Field(default=None, description="How to mend it.")

    @classmethod
    def of(cls, error: FloeError) -> Self:
        """The problem that `error` tells of."""
        where = error.where
        return cls(
            code=error.code,
            message=error.message,
            hint=error.hint,
            file=where.file if where else None,
            line=where.line if where else None,
            column=where.column if where else None,
            path=where.path if where else None,
        )


class SourceReference(Data):
    """Where a submission came from. Stands in events only, never in the artifact."""

    repository: str = Field(description="Address or name of the Git repository.")
    ref: str | None = Field(default=None, description="The Git ref, as in refs/heads/main.")
    commit: str | None = Field(default=None, description="The commit's full hash.")


class Event(Data):
    """What all events share: the tenant and the product they speak of."""

    kind: ClassVar[EventKind]

    tenant: str = Field(description="Whom the product belongs to.")
    product: str = Field(description="Name of the product, as floe.yaml says.")

    def subject(self) -> str:
        """The subject that this event is published on."""
        scope = self.kind.scope
        return str(
            EventSubject(
                self.kind,
                tenant=self.tenant,
                product=self.product,
                environment=None if scope is Scope.PRODUCT else getattr(self, "environment", None),
                detail=self.detail() if scope is Scope.DETAIL else None,
            )
        )

    def detail(self) -> str:
        """The last name of the subject, for the kinds that have one."""
        raise ContractError(f"{self.kind} has no detail")


class SpecSubmitted(Event):
    """Somebody wants the source bundle compiled."""

    kind = EventKind.SPEC_SUBMITTED

    submission: str = Field(description="Chosen by who submits; the same submission is compiled once.")
    bundle: str = Field(description="Digest of the source bundle.")
    platform: str | None = Field(default=None, description="Digest of the platform.yaml that came with it.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")


def submission_event_id(submitted: SpecSubmitted) -> str:
    """The id of the event: the same for the same submission of the same sources, by whichever door it comes."""
    return f"{submitted.product}:{submitted.submission}:{submitted.bundle}"


class ArtifactCompiled(Event):
    """A submission was compiled; carries the artifact itself."""

    kind = EventKind.ARTIFACT_COMPILED

    submission: str = Field(description="The submission that was compiled.")
    artifact_digest: str = Field(description="Digest of the artifact.")
    artifact: dict[str, Any] = Field(description="The CompiledArtifacts document; its canonical JSON has the digest.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    seconds: float = Field(description="Time that compiling took.")


class ArtifactRejected(Event):
    """A submission was refused."""

    kind = EventKind.ARTIFACT_REJECTED

    submission: str = Field(description="The submission that was refused.")
    stage: str = Field(description="The stage of the compiler that refused.")
    problems: tuple[Problem, ...] = Field(description="Why.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")


class EnvironmentEvent(Event):
    """An event of one environment."""

    environment: str = Field(description="Name of the environment, as platform.yaml says.")


class RunRequested(EnvironmentEvent):
    """Somebody wants a run of an artifact."""

    kind = EventKind.RUN_REQUESTED

    artifact_digest: str = Field(description="Digest of the artifact to run.")
    requester: str = Field(description="Who asks, as the caller names itself.")
    reason: str = Field(description="Why, in the caller's words.")


class RunEvent(EnvironmentEvent):
    """An event of one run."""

    run_id: str = Field(description="Derived from the id of the request, so that a repeated request is one run.")
    artifact_digest: str = Field(description="Digest of the artifact that is run.")


class RunQueued(RunEvent):
    """The request is recorded; the run waits for its lease."""

    kind = EventKind.RUN_QUEUED


class RunStarted(RunEvent):
    """A worker has the lease and begins an attempt."""

    kind = EventKind.RUN_STARTED

    attempt: int = Field(description="Attempt of the run, from 1.")


class NodeOutcome(Data):
    """How a node of dbt ended."""

    unique_id: str = Field(description="The dbt node.")
    status: str = Field(description="success, warned, failed or skipped")
    seconds: float = Field(description="Time that the node took.")


class LandedTable(Data):
    """An Iceberg table that a run has landed."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    unique_id: str = Field(description="The dbt node that built it.")
    table_uuid: str = Field(description="Iceberg's id of the table.")
    snapshot_id: int = Field(description="Iceberg's id of the snapshot: 64 bits, more than a double holds.")
    rows: int = Field(description="Rows of the table in this snapshot.")
    files: int = Field(description="Data files of the snapshot.")
    bytes: int = Field(description="Size of the data files.")


class RunSeconds(Data):
    """Where the time of a run went."""

    run: float = Field(description="dbt under Dagster")
    land: float = Field(description="landing in Iceberg")


class RunCompleted(RunEvent):
    """The run ended well: everything is built, tested and landed."""

    kind = EventKind.RUN_COMPLETED

    attempt: int = Field(description="Attempt of the run, from 1.")
    nodes: tuple[NodeOutcome, ...] = Field(description="How each dbt node ended.")
    tables: tuple[LandedTable, ...] = Field(description="What was landed.")
    lineage_events: int = Field(description="OpenLineage events on the stream for this run, all attempts.")
    seconds: RunSeconds = Field(description="Where the time went.")


class RunFailed(RunEvent):
    """The run ended badly. What was built before stays; nothing was landed unless `tables` says so."""

    kind = EventKind.RUN_FAILED

    attempt: int = Field(description="Attempt of the run, from 1.")
    nodes: tuple[NodeOutcome, ...] = Field(description="How each dbt node ended.")
    tables: tuple[LandedTable, ...] = Field(default=(), description="What was landed all the same.")
    problems: tuple[Problem, ...] = Field(description="Why.")
    lineage_events: int = Field(description="OpenLineage events on the stream for this run, all attempts.")
    seconds: RunSeconds = Field(description="Where the time went.")


class NodeEvent(RunEvent):
    """An event of one dbt node in one attempt of a run."""

    attempt: int = Field(description="Attempt of the run, from 1.")
    unique_id: str = Field(description="The dbt node.")

    def detail(self) -> str:
        """The node's unique id."""
        return self.unique_id


class NodeStarted(NodeEvent):
    """dbt began the node."""

    kind = EventKind.NODE_STARTED


class NodeEnded(NodeEvent):
    """dbt is done with the node."""

    seconds: float = Field(description="Time that the node took.")
    message: str | None = Field(default=None, description="What dbt says about the node.")


class NodeCompleted(NodeEnded):
    """The node ended well, or with a warning."""

    kind = EventKind.NODE_COMPLETED

    status: str = Field(description="success or warned")


class NodeFailed(NodeEnded):
    """The node failed."""

    kind = EventKind.NODE_FAILED


class NodeSkipped(NodeEnded):
    """The node did not run, because something before it failed."""

    kind = EventKind.NODE_SKIPPED


class TableCommitted(EnvironmentEvent):
    """A snapshot became the current one of a table."""

    kind = EventKind.TABLE_COMMITTED

    identifier: str = Field(description="Namespace and name in the catalog.")
    table_uuid: str = Field(description="Iceberg's id of the table.")
    snapshot_id: int = Field(description="Iceberg's id of the snapshot: 64 bits, more than a double holds.")
    parent_snapshot_id: int | None = Field(default=None, description="The snapshot that was current before.")
    operation: str = Field(description="append, overwrite, replace or delete, as Iceberg calls it.")
    rows: int = Field(description="Rows of the table in this snapshot.")
    files: int = Field(description="Data files of the snapshot.")
    bytes: int = Field(description="Size of the data files.")
    run_id: str | None = Field(default=None, description="The run that committed it, if floe did.")
    artifact_digest: str | None = Field(default=None, description="The artifact of that run.")

    def detail(self) -> str:
        """The table's identifier."""
        return self.identifier


class SemanticRendered(EnvironmentEvent):
    """The Cube bundle of an artifact is in the blob store."""

    kind = EventKind.SEMANTIC_RENDERED

    artifact_digest: str = Field(description="Digest of the artifact that was rendered.")
    bundle_digest: str = Field(description="Digest of the Cube bundle.")
    cubes: tuple[str, ...] = Field(description="Names of the cubes in the bundle.")
    views: tuple[str, ...] = Field(description="Names of the views in the bundle.")
    skipped: tuple[str, ...] = Field(description="What could not be said in Cube, and why; one sentence each.")


class SemanticFailed(EnvironmentEvent):
    """The artifact could not be rendered for Cube."""

    kind = EventKind.SEMANTIC_FAILED

    artifact_digest: str = Field(description="Digest of the artifact that could not be rendered.")
    problems: tuple[Problem, ...] = Field(description="Why.")


EVENTS: dict[EventKind, type[Event]] = {
    model.kind: model
    for model in (
        SpecSubmitted,
        ArtifactCompiled,
        ArtifactRejected,
        RunRequested,
        RunQueued,
        RunStarted,
        RunCompleted,
        RunFailed,
        NodeStarted,
        NodeCompleted,
        NodeFailed,
        NodeSkipped,
        TableCommitted,
        SemanticRendered,
        SemanticFailed,
    )
}
