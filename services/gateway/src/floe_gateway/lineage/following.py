"""What a reader of the lineage stream is sent: the events that it wants, in order, and that nothing has come."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from floe_chassis.dead_letters import is_for
from floe_chassis.stream_follower import Followed, Gap, Position, Start, StreamFollower
from floe_gateway.core.lineage_queries import EventQuery
from floe_gateway.lineage.server_sent_events import ALIVE, begin, write_event

EVENT: Final = "lineage"
GAP: Final = "gap"
_RETRY_SECONDS: Final = 2.0
_NO_CONSUMER: Final = ""


def position_of(query: EventQuery) -> Position:
    """Where the stream is read from."""
    if query.after is not None:
        return query.after
    return query.since or (Start.OLDEST if query.oldest else Start.NEXT)


async def pieces(follower: StreamFollower, query: EventQuery, heartbeat: float) -> AsyncIterator[bytes]:
    """What goes to the reader of an open stream, as it comes; after `heartbeat` seconds without it a sign of life."""
    yield begin(_RETRY_SECONDS, follower.position)
    said = time.monotonic()
    while True:
        arrived = await follower.next(max(0.0, said + heartbeat - time.monotonic()))
        piece = _written(arrived, query)
        if not piece and time.monotonic() - said >= heartbeat:
            piece = ALIVE
        if piece:
            yield piece
            said = time.monotonic()


def _written(arrived: Sequence[Followed | Gap], query: EventQuery) -> bytes:
    return b"".join(_gap(each) if isinstance(each, Gap) else _event(each, query) for each in arrived)


def _gap(gap: Gap) -> bytes:
    return write_event(GAP, json.dumps({"after": gap.after}).encode(), gap.until)


def _event(followed: Followed, query: EventQuery) -> bytes:
    headers = followed.message.headers
    # What one backend alone gets again has been here before.
    if not query.wants(headers) or not is_for(headers, _NO_CONSUMER):
        return b""
    return write_event(EVENT, followed.message.data, followed.sequence)
