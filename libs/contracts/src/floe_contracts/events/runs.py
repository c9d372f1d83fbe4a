"""The life of a run, and the end of a backfill."""

from __future__ import annotations

from pydantic import Field

from floe_contracts.data import Data
from floe_contracts.events.scopes import EnvironmentEvent, Problem
from floe_contracts.subjects import EventKind


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
