"""`POST /api/v1/lineage` and `/api/v1/lineage/batch`, as OpenLineage 2.0.2 describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from floe_contracts.errors import Unreachable
from floe_contracts.openlineage.envelope import FACET_ERRORS_HEADER
from floe_gateway.core.known_callers import KnownCallers
from floe_gateway.core.lineage_reception import (
    NotNow,
    Outcome,
    Refused,
    Stored,
    batch_document,
    facet_problem_count,
    single_document,
)
from floe_gateway.core.producers import Producer
from floe_gateway.door import Endpoints
from floe_gateway.errors import LineageBodyInvalid
from floe_gateway.lineage.reception import Reception, read_body, receive, refusal, split_events
from floe_gateway.lineage.reception_metrics import ReceptionMetrics

SINGLE: Final = "/api/v1/lineage"
BATCH: Final = "/api/v1/lineage/batch"


def lineage_endpoints(reception: Reception, producers: KnownCallers[Producer], metrics: ReceptionMetrics) -> Endpoints:
    """Where producers send their events.

    Args:
        reception: what becomes of them.
        producers: who may send.
        metrics: counts them.
    """

    async def take(request: Request) -> tuple[Producer, list[bytes] | None, bytes]:
        producer = producers.recognise(request.headers.get("Authorization"))
        body = await read_body(request.stream(), request.headers.get("Content-Encoding"), reception.body_seconds)
        return producer, split_events(body), body

    async def single(request: Request) -> Response:
        producer, events, body = await take(request)
        outcomes = await receive(reception, producer, [body] if events is None else events)
        metrics.received(producer, outcomes)
        return _answer_many(outcomes, all_stored=201) if events is not None else _answer_one(outcomes[0])

    async def batch(request: Request) -> Response:
        producer, events, _ = await take(request)
        if events is None:
            raise LineageBodyInvalid("a batch is an array of events", hint=f"send a single event to {SINGLE}")
        outcomes = await receive(reception, producer, events)
        metrics.received(producer, outcomes)
        return _answer_many(outcomes, all_stored=204)

    return {SINGLE: {"POST": single}, BATCH: {"POST": batch}}


def _answer_one(outcome: Outcome) -> Response:
    match outcome:
        case Stored():
            return JSONResponse(single_document(outcome), status_code=201, headers=_marks([outcome]))
        case Refused():
            raise refusal(outcome)
        case NotNow(reason):
            raise Unreachable(reason, hint="send the same event again")


def _answer_many(outcomes: Sequence[Outcome], *, all_stored: int) -> Response:
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, NotNow)]
    if reasons and len(reasons) == len(outcomes):
        raise Unreachable(reasons[0], hint="send the same events again")
    if all(isinstance(outcome, Stored) for outcome in outcomes):
        return Response(status_code=all_stored, headers=_marks(outcomes))
    return JSONResponse(batch_document(outcomes), headers=_marks(outcomes))


def _marks(outcomes: Sequence[Outcome]) -> dict[str, str]:
    count = facet_problem_count(outcomes)
    return {FACET_ERRORS_HEADER: str(count)} if count else {}
