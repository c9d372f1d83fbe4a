"""What becomes of each event of a request, and the answer that says so (OpenLineage 2.0.2, the batch endpoint)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from floe_contracts.openlineage.core_check import CoreProblem

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Stored:
    """The event is on the stream."""

    id: str
    duplicate: bool
    facet_problems: tuple[CoreProblem, ...] = ()
    """What is wrong with its facets; it is stored all the same, and marked."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The event never will be on the stream as it is."""

    problems: tuple[CoreProblem, ...]
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class NotNow:
    """The event could not be stored; it may be sent again."""

    reason: str


Outcome: TypeAlias = Stored | Refused | NotNow


def single_document(stored: Stored) -> dict[str, Any]:
    """The answer to one event that is stored."""
    document: dict[str, Any] = {"id": stored.id, "duplicate": stored.duplicate}
    if stored.facet_problems:
        document["facet_problems"] = [
            {"path": problem.pointer, "message": problem.message} for problem in stored.facet_problems[:_SHOWN]
        ]
    return document


def batch_document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The answer to a batch of which not all events are stored."""
    failed = [(index, outcome) for index, outcome in enumerate(outcomes) if not isinstance(outcome, Stored)]
    retriable = sum(isinstance(outcome, NotNow) for _, outcome in failed)
    return {
        "status": "partial_success",
        "summary": {
            "received": len(outcomes),
            "successful": len(outcomes) - len(failed),
            "failed": len(failed),
            "retriable": retriable,
            "non_retriable": len(failed) - retriable,
        },
        "failed_events": [_failure(index, outcome) for index, outcome in failed],
    }


def facet_problem_count(outcomes: Sequence[Outcome]) -> int:
    """How many problems the facets of the stored events have."""
    return sum(len(outcome.facet_problems) for outcome in outcomes if isinstance(outcome, Stored))


def _failure(index: int, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, NotNow):
        return {"index": index, "reason": outcome.reason, "retriable": True}
    problems = outcome.problems if isinstance(outcome, Refused) else ()
    reason = "; ".join(f"{problem.pointer or 'the event'} {problem.message}" for problem in problems[:_SHOWN])
    return {"index": index, "reason": reason, "retriable": False}
