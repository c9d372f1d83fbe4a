"""Ending what only a START is known of, and making an event smaller."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from floe_contracts.openlineage import run_facets
from floe_contracts.openlineage.events import EventType, event_time

LineageEvent = dict[str, Any]

_LARGEST: Final = (
    "columnLineage",
    "sql",
    "schema",
    "floe_classification",
    "tags",
    "documentation",
    "executionParameters",
    "jobDependencies",
)
"""The facets that grow with the project, the first to go first; without them an event has a few kB."""


def aborted(start: LineageEvent, at: datetime) -> LineageEvent:
    """The event that closes a START which a dead worker left open."""
    return closed(start, "ABORT", at)


def closed(start: LineageEvent, event_type: EventType, at: datetime, *, error: str | None = None) -> LineageEvent:
    """The event that closes a START, made from the START alone."""
    run = start["run"]
    if error:
        run = run | {"facets": run["facets"] | {"errorMessage": run_facets.error_message(error)}}
    return start | {"eventType": event_type, "eventTime": event_time(at), "run": run}


def smaller(event: LineageEvent) -> Iterator[LineageEvent]:
    """The event without its largest facets: without one, then without two, and so on.

    A table of thousands of columns makes an event larger than a message on the bus may be. That the node ran, and what
    it read and wrote, is told in any case.
    """
    for count in range(1, len(_LARGEST) + 1):
        yield _without(event, frozenset(_LARGEST[:count]))


def _without(event: LineageEvent, keys: frozenset[str]) -> LineageEvent:
    def fewer(part: dict[str, Any]) -> dict[str, Any]:
        return part | {"facets": {key: facet for key, facet in part.get("facets", {}).items() if key not in keys}}

    return event | {
        "run": fewer(event["run"]),
        "job": fewer(event["job"]),
        "inputs": [fewer(dataset) for dataset in event["inputs"]],
        "outputs": [fewer(dataset) for dataset in event["outputs"]],
    }
