"""Pulling the events of one consumer: one request at a time, each event held until its reader is done with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from floe_client.consumers import Asking, Consumer, Standing, standing
from floe_client.errors import ConsumerGone
from floe_contracts.errors import FloeError, Unreachable

_REQUEST_SECONDS: Final = 60
_HEARTBEAT_SECONDS: Final = 5
_SILENCE_SECONDS: Final = 2.5 * _HEARTBEAT_SECONDS
"""Without a heartbeat for so long a request is lost: asked again."""
_PAUSE_SECONDS: Final = 0.1
_GIVEN_BACK: Final = b'-NAK {"delay": 100000000}'
"""In nanoseconds; given back without a delay, the first of several events is handed out last (nats-server 2.15)."""
_NANOSECONDS: Final = 1_000_000_000
_LEAVE_SECONDS: Final = 2.0


class Reading:
    """What a consumer has handed out to one reader.

    Args:
        client: of the connection; it reconnects by itself.
        asking: calls on the same connection.
        consumer: the one to pull from.
        where: its standing.
    """

    def __init__(self, client: Client, asking: Asking, consumer: Consumer, where: Standing) -> None:
        self._client = client
        self._asking = asking
        self._consumer = consumer
        self._batch = where.in_flight
        self._beat_seconds = where.ack_wait / 3
        # By number, in the order of their coming; an event that comes again takes the place of itself.
        self._held: dict[int, Msg] = {}
        self._left = 0
        self._news = asyncio.Event()
        self._doubtful = False
        self._over: FloeError | None = None
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and keep what is held from being handed out to others."""
        self._subscription = await self._client.subscribe(self._inbox, cb=self._take)
        self._beating = asyncio.create_task(self._beat())

    async def next(self, wanted: int | None = None) -> Msg:
        """The first message that is not acknowledged.

        Args:
            wanted: how many are still wanted, it included: no more are taken from other readers.

        Raises:
            ConsumerGone: there is nothing to read from any more.
            NotAllowed: the bus has closed the connection for good.
        """
        while not self._held:
            if self._over is not None:
                raise self._over
            while self._doubtful and self._client.is_connected:
                await self._look()
            if self._left == 0 and self._client.is_connected:
                await self._ask(self._batch if wanted is None else min(self._batch, wanted))
            await self._wait()
        return next(iter(self._held.values()))

    async def acknowledge(self, message: Msg) -> None:
        """The message need not come again."""
        await self._say(self._held.pop(message.metadata.sequence.stream, message), b"+ACK")

    async def leave(self) -> None:
        """Give back what is not acknowledged. May be called again."""
        subscription, self._subscription = self._subscription, None
        if self._beating is not None:
            self._beating.cancel()
        if subscription is None:
            return
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            await subscription.unsubscribe()
            for message in self._held.values():
                await self._say(message, _GIVEN_BACK)
            if self._client.is_connected:
                await self._client.flush(timeout=_LEAVE_SECONDS)
        self._held.clear()

    def reconnected(self) -> None:
        """The server has forgotten what was asked before the connection was lost."""
        self._left = 0
        self._doubtful = True
        self._news.set()

    def end(self, error: FloeError) -> None:
        """Nothing will come any more."""
        self._over = error
        self._news.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(
                _SILENCE_SECONDS
            ):  # wait_for of Python 3.11 now and then swallows a cancellation
                await self._news.wait()
        except TimeoutError:
            self.reconnected()
        self._news.clear()

    async def _look(self) -> None:
        """Whether the consumer is still there: in some accounts, a request to one that is gone is a mere silence."""
        await asyncio.sleep(_PAUSE_SECONDS)
        try:
            await standing(self._asking, self._consumer)
        except Unreachable:
            return
        self._doubtful = False

    async def _ask(self, count: int) -> None:
        request = {
            "batch": count,
            "expires": _REQUEST_SECONDS * _NANOSECONDS,
            "idle_heartbeat": _HEARTBEAT_SECONDS * _NANOSECONDS,
        }
        self._left = count
        with contextlib.suppress(NatsError, OSError):  # lost with the connection, and asked again on the next one
            await self._client.publish(self._consumer.call("MSG.NEXT"), json.dumps(request).encode(), reply=self._inbox)

    async def _take(self, message: Msg) -> None:
        if message.reply:
            self._held[message.metadata.sequence.stream] = message
            self._left = max(0, self._left - 1)
        else:
            self._note(message.headers or {})
        self._news.set()

    def _note(self, headers: dict[str, str]) -> None:
        """What the server says of a request instead of an event."""
        status, text = headers.get("Status"), headers.get("Description", "")
        if status == "100":
            return
        self._left = 0
        if text == "Consumer Deleted":
            self._over = ConsumerGone(f"the consumer {self._consumer.name!r} was deleted", hint=self._consumer.hint)
        elif status not in {"404", "408"} and text != "Batch Completed":
            self._doubtful = True

    async def _beat(self) -> None:
        """Tell the server that what is held is being worked on, so that nobody else gets it."""
        while True:
            await asyncio.sleep(self._beat_seconds)
            for message in list(self._held.values()):
                await self._say(message, b"+WPI")

    async def _say(self, message: Msg, word: bytes) -> None:
        with contextlib.suppress(NatsError, OSError):  # not said: the event comes again
            await self._client.publish(message.reply, word)
