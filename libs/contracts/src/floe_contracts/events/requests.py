"""What the executor is asked: runs, backfills, cancellations."""

from __future__ import annotations

from pydantic import Field, JsonValue

from floe_contracts.data import Data
from floe_contracts.events.scopes import EnvironmentEvent, SourceReference
from floe_contracts.subjects import EventKind


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
