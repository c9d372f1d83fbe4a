"""Pulling from a JetStream consumer in batches: a request and a wake-up for each, where nats-py has a task a message.

A request asks the server for what there is now, at most so many messages and bytes, or for the first message that comes
within its time. The server ends each request with a status, which names the request, so an answer that is late for one
request does not end another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from typing import Any, Final, NamedTuple

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NotJSMessageError
from nats.js.api import Header
from nats.js.errors import APIError

from floe_chassis.bus import Bus

BATCH_BYTES: Final = 4 * 1024 * 1024
"""A batch ends before it has more, so that events as large as the bus takes do not fill the memory."""
_LATE_SECONDS: Final = 1.0
_NANOSECONDS: Final = 1_000_000_000
_ACK_PREFIX: Final = ["$JS", "ACK"]
_TOKENS: Final = 9
_TOKENS_WITH_DOMAIN: Final = 11
# The server has given all that it has, the request's time is over, or it has given as much as was asked for.
_ENDS: Final = frozenset({"404", "408"})
_ENDS_EARLY: Final = frozenset({"Batch Completed", "Message Size Exceeds MaxBytes"})


class Delivered(NamedTuple):
    """What the server says of one delivery, in the subject to acknowledge it on."""

    deliveries: int
    """How often the message was delivered, from 1."""
    sequence: int
    """In the stream."""
    number: int
    """Of the delivery, counted by the consumer."""
    stored_at: int
    """When the message was stored, in nanoseconds since 1970."""
    waiting: int
    """How many messages there are behind it for this consumer."""


def delivered(message: Msg) -> Delivered:
    """What the server says of a delivery; nats-py's `metadata` is the same, at some five times the price.

    Raises:
        NotJSMessageError: the message did not come from a consumer.
    """
    tokens = message.reply.split(".")
    count = len(tokens)
    if tokens[:2] != _ACK_PREFIX or (count != _TOKENS and count < _TOKENS_WITH_DOMAIN):
        raise NotJSMessageError
    return Delivered(*map(int, tokens[4:9] if count == _TOKENS else tokens[6:11]))


class BatchPull:
    """Reads through one durable pull consumer.

    Args:
        bus: connected.
        stream: name of the stream.
        consumer: name of the consumer.
    """

    def __init__(self, bus: Bus, stream: str, consumer: str) -> None:
        self._bus = bus
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = ""
        self._numbers = itertools.count()
        self._subscription: Any = None
        self._came: list[Msg] = []
        self._open: _Request | None = None

    async def open(self) -> None:
        """Subscribe to what the requests bring."""
        self._inbox = self._bus.nc.new_inbox()
        self._subscription = await self._bus.nc.subscribe(f"{self._inbox}.*", cb=self._take)

    async def fetch(self, most: int, seconds: float) -> list[Msg]:
        """The next messages, in order: what there is now, or what comes first within `seconds`; else none.

        Raises:
            APIError: the server does not deliver: there is no such consumer, or it has been deleted meanwhile.
            NatsError: the connection is closed.
        """
        if not self._came:
            await self._request(most, seconds)
        taken, self._came = self._came[:most], self._came[most:]
        return taken

    async def close(self) -> None:
        """Read no more. What was delivered and not handed out is delivered again."""
        subscription, self._subscription, self._came = self._subscription, None, []
        if subscription is not None:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()

    async def _request(self, most: int, seconds: float) -> None:
        request = _Request(f"{self._inbox}.{next(self._numbers)}")
        self._open = request
        asked = {
            "batch": most,
            "max_bytes": BATCH_BYTES,
            "expires": int(seconds * _NANOSECONDS),
            # With a time to expire at, this means: wait for the first message only.
            "no_wait": True,
        }
        try:
            await self._bus.nc.publish(self._next, json.dumps(asked).encode(), request.inbox)
            async with asyncio.timeout(seconds + _LATE_SECONDS):
                await request.ended.wait()
        except TimeoutError:
            return  # the connection is gone, or very slow: what has come is good
        finally:
            self._open = None
        if request.refusal is not None and not self._came:
            APIError.from_msg(request.refusal)

    async def _take(self, message: Msg) -> None:
        if message.reply:
            self._came.append(message)
            return
        request = self._open
        if request is None or message.subject != request.inbox:
            return
        if not _is_end(message.headers or {}):
            request.refusal = message
        request.ended.set()


class _Request:
    """A request that the server has not ended yet."""

    def __init__(self, inbox: str) -> None:
        self.inbox = inbox
        self.ended = asyncio.Event()
        self.refusal: Msg | None = None


def _is_end(headers: dict[str, str]) -> bool:
    return headers.get(Header.STATUS) in _ENDS or headers.get(Header.DESCRIPTION) in _ENDS_EARLY
