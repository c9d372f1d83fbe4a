"""The names of the metrics of queries that Cube answers. Labels are bounded: outcomes and reasons are listed here."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "floe.semantic"

QUERIES: Final = "floe.semantic.queries"
"""Queries that Cube has told of; by outcome."""
RUNS: Final = "floe.semantic.queries.runs"
"""Runs that were told of them; one may stand for many."""
UNTOLD: Final = "floe.semantic.queries.untold"
"""Queries that are in no run; by reason."""

OUTCOME: Final = "floe.outcome"
REASON: Final = "floe.reason"

DROPPED_BY_CUBE: Final = "dropped_by_cube"
UNREADABLE: Final = "unreadable"
TOO_MANY_JOBS: Final = "too_many_jobs"
REFUSED: Final = "refused"
