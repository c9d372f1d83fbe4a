"""The life of a run, as changes of its record.

requested -> queued -> started (once an attempt) -> completed | failed | cancelled; superseded is one that never began.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from floe_contracts.events import (
    CancellationRequested,
    NodeOutcome,
    Problem,
    RunCancelled,
    RunFailed,
    RunOptions,
    RunQueued,
    RunRequested,
    RunSeconds,
    RunStarted,
    RunSuperseded,
)
from floe_contracts.events import RunCompleted as RunCompletedEvent
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, RunStatus

RunEnded = RunCompletedEvent | RunFailed | RunCancelled | RunSuperseded
ENDS: dict[RunStatus, type[RunEnded]] = {
    RunStatus.COMPLETED: RunCompletedEvent,
    RunStatus.FAILED: RunFailed,
    RunStatus.CANCELLED: RunCancelled,
    RunStatus.SUPERSEDED: RunSuperseded,
}
"""The event that tells of each end."""
NO_TIME = RunSeconds(run=0.0, land=0.0)


def queued(request: RunRequested, cause: str, at: datetime, sequence: int = 0) -> RunRecord:
    """The record of a request; the same request always leads to the same run."""
    return RunRecord(
        run_id=run_id(Place(request.tenant, request.environment, request.product), cause),
        tenant=request.tenant,
        environment=request.environment,
        product=request.product,
        artifact_digest=request.artifact_digest,
        status=RunStatus.QUEUED,
        cause=cause,
        requested_at=at.isoformat(),
        requester=request.requester,
        reason=request.reason,
        trigger=request.trigger,
        options=request.options,
        nominal_time=request.nominal_time,
        caused_by=request.caused_by,
        chain=request.chain,
        backfill=request.backfill,
        source=request.source,
        sequence=sequence,
    )


def retrying(options: RunOptions, earlier: RunOptions) -> RunOptions:
    """The options of a run that retries another one: what it says itself, else what that one was asked for."""
    # On the bus the defaults are written out, so what is as by default is not said.
    said = options.model_dump(exclude_defaults=True).keys() - {"retry_of"}
    return earlier.model_copy(
        update={name: getattr(options, name) for name in said} | {"retry_of": options.retry_of},
    )


def identity(record: RunRecord) -> dict[str, Any]:
    """The fields that every event of a run begins with."""
    return {
        "tenant": record.tenant,
        "environment": record.environment,
        "product": record.product,
        "run_id": record.run_id,
        "artifact_digest": record.artifact_digest,
        "partition": record.options.partition,
        "backfill": record.backfill,
    }


def started(record: RunRecord, at: datetime, partition: str | None = None) -> RunRecord:
    """The record when a worker begins the next attempt; `partition` is the one that it was found to be for."""
    update: dict[str, Any] = {
        "status": RunStatus.STARTED,
        "attempt": record.attempt + 1,
        "started_at": record.started_at or at.isoformat(),
        "not_before": None,
    }
    if partition is not None:
        update["options"] = record.options.model_copy(update={"partition": partition})
    return record.model_copy(update=update)


def staged(record: RunRecord, journal: str, lineage_events: int) -> RunRecord:
    """The record once everything is built and staged: the next attempt would complete the landing."""
    return record.model_copy(update={"landing": journal, "lineage_events": lineage_events})


def failed_attempt(record: RunRecord, built: str | None, not_before: datetime) -> RunRecord:
    """The record after an attempt that failed for a reason that may pass."""
    return record.model_copy(update={"built": built or record.built, "not_before": not_before.isoformat()})


def interrupted(record: RunRecord, built: str | None) -> RunRecord:
    """The record after an attempt whose worker was stopped."""
    return record.model_copy(
        update={"built": built or record.built, "interruptions": record.interruptions + 1},
    )


def lost(record: RunRecord, not_before: datetime) -> RunRecord:
    """The record after an attempt whose process ended before it began."""
    return record.model_copy(
        update={
            "status": RunStatus.STARTED,
            "attempt": record.attempt + 1,
            "not_before": not_before.isoformat(),
        }
    )


def ended(record: RunRecord, outcome: RunEnded, outcome_digest: str, at: datetime) -> RunRecord:
    """The record at its end."""
    status = next(status for status, event in ENDS.items() if isinstance(outcome, event))
    return record.model_copy(
        update={
            "status": status,
            "ended_at": at.isoformat(),
            "outcome": outcome_digest,
            "lineage_events": getattr(outcome, "lineage_events", record.lineage_events),
        }
    )


def queued_event(record: RunRecord) -> RunQueued:
    """The event that tells that a run waits."""
    return RunQueued(**identity(record), trigger=record.trigger, requester=record.requester)


def started_event(record: RunRecord) -> RunStarted:
    """The event that tells that an attempt begins."""
    return RunStarted(**identity(record), attempt=record.attempt)


def cancelled_before_start(record: RunRecord, requester: str, reason: str) -> RunCancelled:
    """The end of a run that never began."""
    return RunCancelled(**identity(record), attempt=0, requester=requester, reason=reason, seconds=NO_TIME)


def rejected(record: RunRecord, other: RunRecord) -> RunCancelled:
    """The end of a run that its product lets not wait."""
    return cancelled_before_start(
        record, "queue policy", f"the product lets no run wait, and the run {other.run_id} had not ended"
    )


def superseded(record: RunRecord, by: RunRecord) -> RunSuperseded:
    """The end of a run whose place a newer one took."""
    return RunSuperseded(**identity(record), by=by.run_id)


def failed_before_start(record: RunRecord, problem: Problem) -> RunFailed:
    """The end of a run that could not begin."""
    return RunFailed(
        **identity(record), attempt=record.attempt, nodes=(), problems=(problem,), lineage_events=0, seconds=NO_TIME
    )


def cancelled(
    record: RunRecord,
    request: CancellationRequested,
    nodes: tuple[NodeOutcome, ...],
    lineage_events: int,
    seconds: RunSeconds,
) -> RunCancelled:
    """The end of a run that somebody ended."""
    return RunCancelled(
        **identity(record),
        attempt=record.attempt,
        requester=request.requester,
        reason=request.reason,
        nodes=nodes,
        lineage_events=lineage_events,
        seconds=seconds,
    )


def queue_seconds(record: RunRecord) -> float | None:
    """From the request to the first attempt."""
    if record.started_at is None:
        return None
    waited = datetime.fromisoformat(record.started_at) - datetime.fromisoformat(record.requested_at)
    return round(max(waited.total_seconds(), 0.0), 3)
