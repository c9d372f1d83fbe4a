"""The problems of a rejection, in as many words as an event has room for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from floe_compiler.errors import ProblemsLeftOut
from floe_contracts.errors import FloeError
from floe_contracts.events import Problem

MOST_PROBLEMS: Final = 250
MOST_BYTES: Final = 256 * 1024
"""Of all problems together: a rejection is an answer, so it must never be too large for the bus."""
MOST_MESSAGE: Final = 4000
"""Characters; what a project says through dbt's own errors may have any length."""
MOST_DETAIL: Final = 1000


def told(problems: Iterable[FloeError]) -> tuple[Problem, ...]:
    """The problems as events carry them: long texts are cut, and of very many the first ones stand for all."""
    told_of: list[Problem] = []
    room = MOST_BYTES
    every = tuple(problems)
    for error in every:
        problem = _shortened(Problem.of(error))
        room -= len(problem.model_dump_json().encode())
        if room < 0 or len(told_of) == MOST_PROBLEMS:
            told_of.append(Problem.of(ProblemsLeftOut(f"and {len(every) - len(told_of)} more problems")))
            break
        told_of.append(problem)
    return tuple(told_of)


def _shortened(problem: Problem) -> Problem:
    return problem.model_copy(
        update={
            "message": _cut(problem.message, MOST_MESSAGE),
            "hint": _cut(problem.hint, MOST_DETAIL),
            "file": _cut(problem.file, MOST_DETAIL),
            "path": _cut(problem.path, MOST_DETAIL),
        }
    )


def _cut(text: str | None, most: int) -> str | None:
    return text if text is None or len(text) <= most else f"{text[:most]} …"
