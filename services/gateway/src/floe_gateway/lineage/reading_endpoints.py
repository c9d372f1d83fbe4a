"""`GET /v1/lineage/...`: the events as a stream, and what the lineage service knows of datasets, jobs and columns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from floe_chassis.bus import Bus
from floe_chassis.requests import ask
from floe_chassis.stream_follower import StreamFollower
from floe_chassis.topology import LINEAGE
from floe_contracts.lineage_requests import READ_COLUMN, READ_GRAPH, READ_IMPACT
from floe_contracts.requests import AnswerT, Operation, RequestT
from floe_gateway.core.known_callers import KnownCallers
from floe_gateway.core.lineage_queries import read_event_query, read_graph_request
from floe_gateway.core.lineage_readers import LineageReader
from floe_gateway.door import Endpoint, Endpoints
from floe_gateway.lineage.following import pieces, position_of
from floe_gateway.lineage.open_streams import OpenStreams
from floe_gateway.lineage.server_sent_events import EventStream

EVENTS: Final = "/v1/lineage/events"
GRAPH: Final = "/v1/lineage/graph"
IMPACT: Final = "/v1/lineage/impact"
COLUMN: Final = "/v1/lineage/column"
_STALL_HEARTBEATS: Final = 4
"""A reader that takes nothing for so many heartbeats is given up."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What readers are served with.

    Attributes:
        bus: where the stream is, and the lineage service.
        readers: who may read.
        streams: those that are open.
        stopping: set when the service stops.
        heartbeat: seconds after which a stream says that it is there.
    """

    bus: Bus
    readers: KnownCallers[LineageReader]
    streams: OpenStreams
    stopping: asyncio.Event
    heartbeat: float


def reading_endpoints(reading: Reading) -> Endpoints:
    """Where lineage is read."""

    async def events(request: Request) -> Response:
        reader = reading.readers.recognise(request.headers.get("Authorization"))
        items, last = request.query_params.multi_items(), request.headers.get("Last-Event-ID")
        query = read_event_query(items, last, reader, datetime.now(UTC))
        follower = StreamFollower(reading.bus, LINEAGE, query.patterns, position_of(query))
        return await _open(reading, follower, pieces(follower, query, reading.heartbeat))

    return {
        EVENTS: {"GET": events},
        GRAPH: {"GET": _asking(reading, READ_GRAPH)},
        IMPACT: {"GET": _asking(reading, READ_IMPACT)},
        COLUMN: {"GET": _asking(reading, READ_COLUMN)},
    }


async def _open(reading: Reading, follower: StreamFollower, written: AsyncIterator[bytes]) -> Response:
    reading.streams.enter()

    async def close() -> None:
        try:
            await follower.close()
        finally:
            reading.streams.leave()

    try:
        await follower.open()
    except BaseException:
        await close()
        raise
    stall = _STALL_HEARTBEATS * reading.heartbeat
    return EventStream(written, stopping=reading.stopping, stall_seconds=stall, close=close)


def _asking(reading: Reading, operation: Operation[RequestT, AnswerT]) -> Endpoint:
    async def answer(request: Request) -> Response:
        reader = reading.readers.recognise(request.headers.get("Authorization"))
        asked, environment = read_graph_request(request.query_params.multi_items(), operation.request, reader)
        answered = await ask(reading.bus, operation, asked, tenant=reader.tenant, environment=environment)
        return Response(answered.model_dump_json(), media_type="application/json")

    return answer
