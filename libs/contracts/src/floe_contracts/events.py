"""The data of every event (DESIGN section 3).

Writers are strict: an unknown field is an error. Readers are tolerant: `read` ignores the fields of a newer minor.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from pydantic import Field, JsonValue

from floe_contracts.data import Data as Data
from floe_contracts.data import FirstMajor as FirstMajor
from floe_contracts.errors import ContractError, FloeError
from floe_contracts.governance.reports import EnforcementSummary
from floe_contracts.plans import Plan
from floe_contracts.subjects import EventKind, EventSubject

VERSION = "1.2"


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
    folder: str | None = Field(
        default=None, description="Where floe.yaml lies, from the root of the repository; left out: at the root."
    )


class Event(Data):
    """What all events share: the tenant that they speak of."""

    kind: ClassVar[EventKind]

    tenant: str = Field(description="Whom the product belongs to.")

    def subject(self) -> str:
        """The subject that this event is published on."""
        names = {name: self.detail() if name == "detail" else getattr(self, name) for name in self.kind.scope.names}
        return str(EventSubject(self.kind, **names))

    def detail(self) -> str:
        """The last name of the subject, for the kinds that have one."""
        raise ContractError(f"{self.kind} has no detail")


class GitPushed(Event):
    """A ref of a repository moved. A hint: what is compiled is the ref as it is by then."""

    kind = EventKind.GIT_PUSHED

    repository: str = Field(description="Name of the repository: host and path of its address.")
    url: str = Field(description="Where it is fetched from; without user name and password.")
    ref: str = Field(description="The ref that moved, as in refs/heads/main.")
    before: str | None = Field(default=None, description="Full hash of the commit before; zeros if there was none.")
    after: str | None = Field(default=None, description="Full hash of the commit after; zeros if the ref was deleted.")
    delivery: str = Field(description="Id that the sender gave this notice; the same notice is heard once.")
    pusher: str | None = Field(default=None, description="Who pushed, as the sender says.")


def push_event_id(pushed: GitPushed) -> str:
    """The id of the event: the same for the same notice, however often it is sent."""
    return f"{pushed.repository}:{pushed.ref}:{pushed.after or 'head'}:{pushed.delivery}"


class ProductEvent(Event):
    """An event that speaks of one product."""

    product: str = Field(description="Name of the product, as floe.yaml says.")


LATEST: Final = "latest"
"""In place of a digest: the artifact of the product that was compiled last."""


class SpecSubmitted(ProductEvent):
    """Somebody wants the source bundle compiled."""

    kind = EventKind.SPEC_SUBMITTED

    submission: str = Field(description="Chosen by who submits; the same submission is compiled once.")
    bundle: str = Field(description="Digest of the source bundle.")
    platform: str | None = Field(default=None, description="Digest of the platform.yaml that came with it.")
    platform_parents: dict[str, str] = Field(
        default={},
        max_length=10,
        description="Digests of the documents above platform.yaml, by their paths from its folder.",
    )
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    dry_run: bool = Field(default=False, description="Only tell what would change; nothing is announced as compiled.")
    against: str | None = Field(
        default=None,
        description="Digest of the artifact that the plan compares with; `latest`, or left out: the last one compiled.",
    )


def submission_event_id(submitted: SpecSubmitted) -> str:
    """The id of the event: the same for the same submission of the same sources, by whichever door it comes."""
    planned = f":plan:{submitted.against or LATEST}" if submitted.dry_run else ""
    return f"{submitted.product}:{submitted.submission}:{submitted.bundle}{planned}"


class ArtifactCompiled(ProductEvent):
    """A submission was compiled; carries the artifact itself."""

    kind = EventKind.ARTIFACT_COMPILED

    submission: str = Field(description="The submission that was compiled.")
    artifact_digest: str = Field(description="Digest of the artifact.")
    artifact: dict[str, Any] = Field(description="The CompiledArtifacts document; its canonical JSON has the digest.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    seconds: float = Field(description="Time that compiling took.")
    plan: Plan | None = Field(default=None, description="What it changes; a summary, if the whole is too long.")
    plan_digest: str | None = Field(default=None, description="Digest of the whole plan.")
    enforcement: EnforcementSummary | None = Field(default=None, description="What the rules of governance found.")


class ArtifactPlanned(ProductEvent):
    """A dry run was compiled. Nobody builds from it."""

    kind = EventKind.ARTIFACT_PLANNED

    submission: str = Field(description="The submission that was planned.")
    artifact_digest: str = Field(description="Digest that the artifact would have.")
    plan: Plan = Field(description="What it would change; a summary, if the whole is too long.")
    plan_digest: str = Field(description="Digest of the whole plan.")
    enforcement: EnforcementSummary | None = Field(default=None, description="What the rules of governance found.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    seconds: float = Field(description="Time that compiling took.")


class ArtifactRejected(ProductEvent):
    """A submission was refused."""

    kind = EventKind.ARTIFACT_REJECTED

    submission: str = Field(description="The submission that was refused.")
    stage: str = Field(description="The stage of the compiler that refused.")
    problems: tuple[Problem, ...] = Field(description="Why.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    dry_run: bool = Field(default=False, description="Whether it was only to be planned.")
    enforcement: EnforcementSummary | None = Field(default=None, description="What the rules of governance found.")


class ArtifactRetired(ProductEvent):
    """A product is gone from its repository. What it built stays; nothing more is built of it."""

    kind = EventKind.ARTIFACT_RETIRED

    submission: str = Field(description="The commit that it is gone with; zeros where its ref is gone.")
    reason: str = Field(description="removed, renamed or ref-deleted.")
    artifact_digest: str | None = Field(default=None, description="Digest of the last artifact of the product.")
    source: SourceReference | None = Field(default=None, description="Where it was.")


class EnvironmentEvent(ProductEvent):
    """An event of one environment."""

    environment: str = Field(description="Name of the environment, as platform.yaml says.")


class RunOptions(Data):
    """What is built in a run, and how."""

    select: tuple[str, ...] = Field(default=(), description="Only these, as `dbt build --select` takes them.")
    exclude: tuple[str, ...] = Field(default=(), description="Not these, as `dbt build --exclude` takes them.")
    full_refresh: bool = Field(default=False, description="Whether incremental models are built from nothing.")
    vars: dict[str, JsonValue] = Field(default={}, description="Variables of dbt; they win over the project's.")
    partition: str | None = Field(default=None, description="Key of the partition that is built.")
    retry_of: str | None = Field(
        default=None,
        description="A run that failed: only what failed or was skipped there is built, with the options of that run "
        "wherever one here is as by default.",
    )
    allow_breaking: bool = Field(
        default=False, description="Whether tables may change so that their readers break; the plan tells how."
    )


class PartitionChoice(Data):
    """The partitions of a backfill: a range of them, or their keys."""

    first: str | None = Field(default=None, description="Key of the first one of a range.")
    last: str | None = Field(default=None, description="Key of the last one of a range.")
    keys: tuple[str, ...] = Field(default=(), max_length=10_000, description="The keys, where it is no range.")


class RunRequested(EnvironmentEvent):
    """Somebody wants a run of an artifact, or a backfill: a run of each of several partitions."""

    kind = EventKind.RUN_REQUESTED

    artifact_digest: str = Field(description="Digest of the artifact to run; `latest`: the one that is live there.")
    requester: str = Field(description="Who asks, as the caller names itself.")
    reason: str = Field(description="Why, in the caller's words.")
    trigger: str = Field(default="manual", description="manual, compile, schedule, event, retry or backfill")
    options: RunOptions = RunOptions()
    partitions: PartitionChoice | None = Field(default=None, description="Asks for a backfill of these partitions.")
    nominal_time: str | None = Field(default=None, description="The tick of the schedule that it is for, ISO 8601.")
    caused_by: str | None = Field(default=None, description="Id of the run of another product that led to it.")
    chain: tuple[str, ...] = Field(
        default=(), description="Products whose runs led to it, the first one first; none comes twice."
    )
    backfill: str | None = Field(default=None, description="Id of the backfill that it is a part of.")
    source: SourceReference | None = Field(default=None, description="Where the artifact came from.")


class CancellationRequested(EnvironmentEvent):
    """Somebody wants a run, or all of a backfill, to end."""

    kind = EventKind.CANCELLATION_REQUESTED

    run_id: str = Field(description="Id of the run, or of the backfill.")
    requester: str = Field(description="Who asks, as the caller names itself.")
    reason: str = Field(description="Why, in the caller's words.")


class RunEvent(EnvironmentEvent):
    """An event of one run."""

    run_id: str = Field(description="Derived from the id of the request, so that a repeated request is one run.")
    artifact_digest: str = Field(description="Digest of the artifact that is run.")
    partition: str | None = Field(default=None, description="Key of the partition that it builds.")
    backfill: str | None = Field(default=None, description="Id of the backfill that it is a part of.")


class RunQueued(RunEvent):
    """The request is recorded; the run waits for its lease."""

    kind = EventKind.RUN_QUEUED

    trigger: str = Field(default="manual", description="What asked: manual, compile, schedule, event, retry, backfill.")
    requester: str = Field(default="", description="Who asked.")


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
    mode: str | None = Field(
        default=None, description="How its rows came in: replace, upsert or append; attached where dbt wrote it."
    )


class RunSeconds(Data):
    """Where the time of a run went."""

    run: float = Field(description="dbt under Dagster")
    land: float = Field(description="landing in Iceberg")
    queued: float | None = Field(default=None, description="Waiting, from the request to the first attempt.")


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


class RunCancelled(RunEvent):
    """The run was ended on request, or was not begun because its product lets none wait."""

    kind = EventKind.RUN_CANCELLED

    attempt: int = Field(description="Attempt of the run, from 1; 0 where none began.")
    requester: str = Field(description="Who asked for it.")
    reason: str = Field(description="Why, in the words of who asked.")
    nodes: tuple[NodeOutcome, ...] = Field(default=(), description="How the nodes ended that did.")
    tables: tuple[LandedTable, ...] = Field(default=(), description="What was landed before.")
    lineage_events: int = Field(default=0, description="OpenLineage events on the stream for this run, all attempts.")
    seconds: RunSeconds = Field(description="Where the time went.")


class RunSuperseded(RunEvent):
    """A newer request took the place of the run before it began."""

    kind = EventKind.RUN_SUPERSEDED

    by: str = Field(description="Id of the run that took its place.")


class PartitionResult(Data):
    """How the run of one partition ended."""

    partition: str = Field(description="Key of the partition.")
    run_id: str = Field(description="Its run.")
    status: str = Field(description="completed, failed, cancelled or superseded")


class BackfillCompleted(EnvironmentEvent):
    """Every run of a backfill has ended, each as its result says."""

    kind = EventKind.BACKFILL_COMPLETED

    backfill: str = Field(description="Derived from the id of the request, as the id of a run is.")
    artifact_digest: str = Field(description="Digest of the artifact that was run.")
    results: tuple[PartitionResult, ...] = Field(description="The partitions, in the order of their keys.")


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
    rows: int | None = Field(default=None, description="Rows of the table that it built, where they are known.")
    failures: int | None = Field(default=None, description="Rows that a test found.")


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
        GitPushed,
        SpecSubmitted,
        ArtifactCompiled,
        ArtifactPlanned,
        ArtifactRejected,
        ArtifactRetired,
        RunRequested,
        RunQueued,
        RunStarted,
        RunCompleted,
        RunFailed,
        RunCancelled,
        RunSuperseded,
        CancellationRequested,
        BackfillCompleted,
        NodeStarted,
        NodeCompleted,
        NodeFailed,
        NodeSkipped,
        TableCommitted,
        SemanticRendered,
        SemanticFailed,
    )
}
