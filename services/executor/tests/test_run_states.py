from __future__ import annotations

from datetime import UTC, datetime, timedelta

from floe_contracts.events import RunCompleted, RunFailed, RunRequested, RunSeconds
from floe_contracts.openlineage.naming import run_id
from floe_contracts.runs import RunRecord, RunStatus
from floe_executor.core import run_states

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SECONDS = RunSeconds(run=1.0, land=0.5)


def request(environment: str = "dev") -> RunRequested:
    return RunRequested(
        tenant="default",
        environment=environment,
        product="shop",
        artifact_digest="sha256:" + "0" * 64,
        requester="test",
        reason="test",
    )


def test_a_request_waits_first() -> None:
    record = run_states.queued(request(), "shop:1:run", NOW)
    assert (record.status, record.attempt, record.run_id) == (RunStatus.QUEUED, 0, run_id(record.place, "shop:1:run"))
    assert record.requested_at == NOW.isoformat()
    assert run_states.queued(request(), "shop:1:run", NOW + timedelta(hours=1)).run_id == record.run_id
    event = run_states.queued_event(record)
    assert (event.run_id, event.environment) == (record.run_id, "dev")


def test_every_attempt_is_counted_and_the_first_one_says_when_it_started() -> None:
    first = run_states.started(run_states.queued(request(), "1", NOW), NOW)
    second = run_states.started(first, NOW + timedelta(minutes=1))
    assert (first.status, first.attempt, second.attempt) == (RunStatus.STARTED, 1, 2)
    assert second.started_at == NOW.isoformat()
    assert run_states.started_event(second).attempt == 2


def test_what_is_staged_survives_the_next_attempt() -> None:
    record = run_states.staged(run_states.started(run_states.queued(request(), "1", NOW), NOW), "sha256:journal", 12)
    assert run_states.started(record, NOW).landing == "sha256:journal"
    assert record.lineage_events == 12


def test_a_run_ends_as_its_outcome_says(run_record: RunRecord) -> None:
    common = {
        "tenant": "default",
        "environment": "dev",
        "product": "shop",
        "run_id": run_record.run_id,
        "artifact_digest": run_record.artifact_digest,
        "attempt": 1,
        "nodes": (),
        "lineage_events": 7,
        "seconds": SECONDS,
    }
    done = run_states.ended(run_record, RunCompleted(**common, tables=()), "sha256:outcome", NOW)
    assert (done.status, done.outcome, done.lineage_events) == (RunStatus.COMPLETED, "sha256:outcome", 7)
    assert done.ended_at == NOW.isoformat()
    assert done.status.terminal
    failed = run_states.ended(run_record, RunFailed(**common, problems=()), "sha256:outcome", NOW)
    assert failed.status is RunStatus.FAILED
