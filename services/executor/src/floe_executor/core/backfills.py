"""Backfills: one request, a run for each of its partitions, one result at the end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from floe_contracts.data import Data, FirstMajor
from floe_contracts.events import (
    BackfillCompleted,
    PartitionChoice,
    PartitionResult,
    RunOptions,
    RunRequested,
    SourceReference,
)
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, RunStatus


class BackfillRecord(Data):
    """One backfill, as it stands in the bucket of runs."""

    version: FirstMajor = "1.0"
    backfill: str
    tenant: str
    environment: str
    product: str
    artifact_digest: str
    cause: str
    sequence: int
    requested_at: str
    requester: str
    reason: str
    options: RunOptions
    choice: PartitionChoice
    source: SourceReference | None = None
    keys: tuple[str, ...] | None = Field(default=None, description="The partitions; None until the artifact was read.")
    parallel: int = Field(default=1, description="Runs that work at the same time.")
    made: int = Field(default=0, description="Partitions whose run was recorded, from the first one on.")
    ended_at: str | None = None

    @property
    def place(self) -> Place:
        """Where it belongs."""
        return Place(self.tenant, self.environment, self.product)

    @property
    def unfinished(self) -> bool:
        """Whether runs are still to be recorded."""
        return self.keys is None or self.made < len(self.keys)


def requested(
    request: RunRequested, choice: PartitionChoice, cause: str, at: datetime, sequence: int
) -> BackfillRecord:
    """The record of a request; the same request always leads to the same backfill."""
    return BackfillRecord(
        backfill=run_id(Place(request.tenant, request.environment, request.product), cause),
        tenant=request.tenant,
        environment=request.environment,
        product=request.product,
        artifact_digest=request.artifact_digest,
        cause=cause,
        sequence=sequence,
        requested_at=at.isoformat(),
        requester=request.requester,
        reason=request.reason,
        options=request.options,
        choice=choice,
        source=request.source,
    )


def expanded(record: BackfillRecord, keys: tuple[str, ...], parallel: int) -> BackfillRecord:
    """The record once its partitions are known."""
    return record.model_copy(update={"keys": keys, "parallel": parallel, "choice": PartitionChoice()})


def ended(record: BackfillRecord, at: datetime) -> BackfillRecord:
    """The record at its end."""
    return record.model_copy(update={"ended_at": at.isoformat()})


def part(record: BackfillRecord, index: int) -> RunRecord:
    """The run of one of its partitions, waiting."""
    key = (record.keys or ())[index]
    cause = f"{record.backfill}:{key}"
    return head(record).model_copy(
        update={
            "run_id": run_id(record.place, cause),
            "cause": cause,
            "backfill": record.backfill,
            "options": record.options.model_copy(update={"partition": key}),
            "position": index,
        }
    )


def head(record: BackfillRecord) -> RunRecord:
    """A run in the name of the whole backfill: it ends in its place, if none of its runs can begin."""
    return RunRecord(
        run_id=record.backfill,
        tenant=record.tenant,
        environment=record.environment,
        product=record.product,
        artifact_digest=record.artifact_digest,
        status=RunStatus.QUEUED,
        cause=record.cause,
        requested_at=record.requested_at,
        requester=record.requester,
        reason=record.reason,
        trigger="backfill",
        options=record.options,
        source=record.source,
        sequence=record.sequence,
    )


def to_make(record: BackfillRecord, pending: int) -> range:
    """The partitions whose runs are to be recorded now, with so many of its runs pending.

    Not all at once: whoever looks for work reads every run that waits.
    """
    count = len(record.keys or ())
    return range(record.made, min(count, record.made + max(0, 2 * record.parallel - pending)))


def completed(record: BackfillRecord, statuses: Mapping[str, RunStatus]) -> BackfillCompleted:
    """The event that tells how every partition ended.

    Args:
        record: of the backfill.
        statuses: how the runs ended, by their ids; a partition without a run was cancelled before it had one.
    """
    ids = {key: run_id(record.place, f"{record.backfill}:{key}") for key in record.keys or ()}
    return BackfillCompleted(
        tenant=record.tenant,
        environment=record.environment,
        product=record.product,
        backfill=record.backfill,
        artifact_digest=record.artifact_digest,
        results=tuple(
            PartitionResult(partition=key, run_id=run, status=statuses.get(run, RunStatus.CANCELLED).value)
            for key, run in ids.items()
        ),
    )
