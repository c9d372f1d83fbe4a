"""Errors as answers of an HTTP server: a status and a problem object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from floe_contracts.errors import DocumentInvalid, FloeError, Transient
from floe_contracts.events import Problem
from floe_contracts.requests import RequestProblem
from floe_gateway.errors import (
    ArchiveInvalid,
    ArchiveUnsafe,
    LineageBodyInvalid,
    LineageTooLarge,
    MediaTypeUnknown,
    MethodUnknown,
    PlaceForbidden,
    RequestInvalid,
    RequestTooSlow,
    RouteUnknown,
    SpecMissing,
    SubmissionTooLarge,
    Unauthorized,
)

RETRY_AFTER_SECONDS: Final = 5
_STATUS: Final[dict[type[FloeError], int]] = {
    RequestInvalid: 400,
    ArchiveInvalid: 400,
    ArchiveUnsafe: 400,
    LineageBodyInvalid: 400,
    Unauthorized: 401,
    PlaceForbidden: 403,
    RouteUnknown: 404,
    MethodUnknown: 405,
    RequestTooSlow: 408,
    SubmissionTooLarge: 413,
    LineageTooLarge: 413,
    MediaTypeUnknown: 415,
    SpecMissing: 422,
    DocumentInvalid: 422,
}
_STATUS_OF_SERVICES: Final = {"FLOE-LIN-020": 404, "FLOE-LIN-021": 409, "FLOE-LIN-022": 404}
"""By the code of what a service refused: a name that it does not know, or that several things have."""


@dataclass(frozen=True, slots=True)
class ProblemAnswer:
    """What is sent when a request fails."""

    status: int
    document: dict[str, Any]
    headers: dict[str, str]


def answer_problem(error: FloeError, *, unpackable: type[FloeError]) -> ProblemAnswer:
    """The answer to a request that failed with `error`.

    Args:
        error: what went wrong; a `DocumentInvalid` is told with all its problems.
        unpackable: the error of the blob store for a folder that it does not take.
    """
    status = (
        503 if isinstance(error, Transient) else 422 if isinstance(error, unpackable) else _STATUS.get(type(error), 500)
    )
    document = Problem.of(error).model_dump(exclude_none=True)
    if isinstance(error, DocumentInvalid):
        document["problems"] = [Problem.of(problem).model_dump(exclude_none=True) for problem in error.problems]
    return _answer(status, document)


def answer_service_problem(problem: RequestProblem) -> ProblemAnswer:
    """The answer to a request that a service could not fulfil, which said why."""
    asked_wrongly = 500 if problem.code == FloeError.code else 400
    status = 503 if problem.transient else _STATUS_OF_SERVICES.get(problem.code, asked_wrongly)
    return _answer(status, problem.model_dump(exclude={"transient"}, exclude_none=True))


def _answer(status: int, document: dict[str, Any]) -> ProblemAnswer:
    headers = {}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return ProblemAnswer(status, document, headers)
