"""The life of a run, as changes of its record: queued -> started (once an attempt) -> completed | failed."""

from __future__ import annotations

from datetime import datetime

from floe_contracts.events import RunCompleted as RunCompletedEvent
from floe_contracts.events import RunFailed, RunQueued, RunRequested, RunStarted
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, RunStatus

RunEnded = RunCompletedEvent | RunFailed


def queued(request: RunRequested, cause: str, at: datetime) -> RunRecord:
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
    )


def started(record: RunRecord, at: datetime) -> RunRecord:
    """The record when a worker begins the next attempt."""
    return record.model_copy(
        update={
            "status": RunStatus.STARTED,
            "attempt": record.attempt + 1,
            "started_at": record.started_at or at.isoformat(),
        }
    )


def staged(record: RunRecord, journal: str, lineage_events: int) -> RunRecord:
    """The record once everything is built and staged: from here on the run can only be completed."""
    return record.model_copy(update={"landing": journal, "lineage_events": lineage_events})


def ended(record: RunRecord, outcome: RunEnded, outcome_digest: str, at: datetime) -> RunRecord:
    """The record at its end."""
    status = RunStatus.COMPLETED if isinstance(outcome, RunCompletedEvent) else RunStatus.FAILED
    return record.model_copy(
        update={
            "status": status,
            "ended_at": at.isoformat(),
            "outcome": outcome_digest,
            "lineage_events": outcome.lineage_events,
        }
    )


def queued_event(record: RunRecord) -> RunQueued:
    """The event that tells that a run waits."""
    return RunQueued(
        tenant=record.tenant,
        environment=record.environment,
        product=record.product,
        run_id=record.run_id,
        artifact_digest=record.artifact_digest,
    )


def started_event(record: RunRecord) -> RunStarted:
    """The event that tells that an attempt begins."""
    return RunStarted(
        tenant=record.tenant,
        environment=record.environment,
        product=record.product,
        run_id=record.run_id,
        artifact_digest=record.artifact_digest,
        attempt=record.attempt,
    )
