"""Building OpenLineage events of runs and of jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from floe_contracts.openlineage.naming import Place, job_namespace

PRODUCER: Final = "https://floe.dev/executor"
_SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_JOB_SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent"

EventType = Literal["START", "COMPLETE", "FAIL", "ABORT"]
Facets = Mapping[str, Mapping[str, Any]]


def run_event(
    event_type: EventType,
    *,
    time: datetime,
    place: Place,
    job: str,
    run_id: str,
    run_facets: Facets,
    job_facets: Facets,
    inputs: Iterable[Mapping[str, Any]] = (),
    outputs: Iterable[Mapping[str, Any]] = (),
    producer: str = PRODUCER,
) -> dict[str, Any]:
    """One run event as JSON values."""
    return {
        "eventType": event_type,
        "eventTime": event_time(time),
        "producer": producer,
        "schemaURL": _SCHEMA,
        "run": {"runId": run_id, "facets": run_facets},
        "job": {"namespace": job_namespace(place), "name": job, "facets": job_facets},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def job_event(
    *,
    producer: str,
    time: str,
    namespace: str,
    name: str,
    job_facets: Facets,
    inputs: Iterable[Mapping[str, Any]] = (),
    outputs: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One event of a job, apart from its runs, as JSON values; `time` is ISO 8601 with an offset."""
    return {
        "eventTime": time,
        "producer": producer,
        "schemaURL": _JOB_SCHEMA,
        "job": {"namespace": namespace, "name": name, "facets": job_facets},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def event_time(at: datetime) -> str:
    """A time as events have it."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_bytes(event: Mapping[str, Any]) -> bytes:
    """The event as it travels."""
    return orjson.dumps(event)


def message_id(event: Mapping[str, Any]) -> str:
    """The id of an event's message: the run and what happened to it, which happens once, whoever tells it."""
    return f"{event['run']['runId']}:{event['eventType']}"
