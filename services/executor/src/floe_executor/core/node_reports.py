"""What dbt tells about its nodes while it builds, and what a run makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from floe_contracts.events import NodeCompleted, NodeEvent, NodeFailed, NodeOutcome, NodeSkipped, NodeStarted
from floe_contracts.runs import RunRecord
from floe_executor.core import run_states

LONGEST_MESSAGE: Final = 20_000
"""Characters: an error may repeat a whole query, and a message on the bus has its limit."""


class NodeStatus(StrEnum):
    """How a node ended."""

    SUCCESS = "success"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class NodeBegan:
    """dbt began a node."""

    unique_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NodeDone:
    """dbt is done with a node. A skipped node was never begun."""

    unique_id: str
    at: datetime
    status: NodeStatus
    seconds: float
    message: str | None = None
    rows: int | None = None
    failures: int | None = None
    columns: tuple[tuple[str, str], ...] = ()
    """Name and type of each column of what it built, in order, where they are known."""
    compiled_code: str | None = None
    """What was executed, where it is known."""
    query: str | None = None
    """The id by which the warehouse knows that, where it has one."""


NodeReport = NodeBegan | NodeDone


def event_of(report: NodeReport, record: RunRecord) -> NodeEvent:
    """The event that tells a report."""
    told = run_states.identity(record) | {"attempt": record.attempt, "unique_id": report.unique_id}
    if isinstance(report, NodeBegan):
        return NodeStarted(**told)
    ended = told | {
        "seconds": report.seconds,
        "message": report.message[:LONGEST_MESSAGE] if report.message else None,
        "rows": report.rows,
        "failures": report.failures,
    }
    if report.status is NodeStatus.SKIPPED:
        return NodeSkipped(**ended)
    if report.status is NodeStatus.FAILED:
        return NodeFailed(**ended)
    return NodeCompleted(**ended, status=report.status.value)


def outcomes(reports: Iterable[NodeReport]) -> tuple[NodeOutcome, ...]:
    """One outcome a node that ended, sorted by id."""
    done = {report.unique_id: report for report in reports if isinstance(report, NodeDone)}
    return tuple(
        NodeOutcome(unique_id=unique_id, status=report.status.value, seconds=round(report.seconds, 3))
        for unique_id, report in sorted(done.items())
    )
