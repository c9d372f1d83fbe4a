"""Following a stream from a position on, for as long as one likes, through a consumer of one's own.

No more is fetched than the reader takes: what it does not take waits in the stream. The consumer is remade behind the
last message whenever it is lost, as by a server that restarts, so nothing is missing and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from floe_chassis.bus import Bus
from floe_chassis.errors import TopologyMissing
from floe_contracts.errors import Unreachable

_AT_ONCE: Final = 64
_REQUEST_SECONDS: Final = 10.0
_OVERDUE_SECONDS: Final = 15.0
_INACTIVE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.5
_NANOSECONDS: Final = 1_000_000_000
_REQUEST_ENDED: Final = frozenset({"404", "408"})
_TOO_LARGE_TOGETHER: Final = "MaxBytes"


class Start(StrEnum):
    """Where to begin, if not behind a sequence or at a time."""

    OLDEST = "oldest"
    NEXT = "next"


Position: TypeAlias = int | datetime | Start
"""Behind a sequence of the stream, at the first message stored since a time, or at one end of the stream."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A message, and its number in the stream."""

    sequence: int
    message: Msg


@dataclass(frozen=True, slots=True)
class Gap:
    """What stood behind `after` is gone: the oldest that the stream still holds comes next, behind `until`.

    Either it was older than the stream keeps messages, or the stream has been made anew.
    """

    after: int
    until: int


class StreamFollower:
    """Reads what stands on a stream, and what comes. To be closed.

    Args:
        bus: connected.
        stream: its name.
        subjects: patterns that do not overlap; only what matches one of them is fetched.
        position: where to begin.
    """

    def __init__(self, bus: Bus, stream: str, subjects: Sequence[str], position: Position) -> None:
        self._bus = bus
        self._stream = stream
        self._subjects = list(subjects)
        self._position = position
        self._consumer = ""
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._reconnects = 0
        self._next_delivery = 1
        self._wanted = 0
        self._asked = 0.0
        self._broken = False
        self._arrived: deque[Msg] = deque()
        self._wake = asyncio.Event()
        self._gap: Gap | None = None

    @property
    def position(self) -> int:
        """The number behind which to go on, as far as `next` has told; known once it is open."""
        if self._gap is not None:
            return self._gap.after
        assert isinstance(self._position, int)  # noqa: S101 - every beginning makes it one
        return self._position

    async def open(self) -> None:
        """Take up the position; what is stored from now on is read, too.

        Raises:
            Unreachable: the bus is away.
            TopologyMissing: there is no such stream.
        """
        if not self._bus.connected:
            raise Unreachable(f"the bus at {self._bus.address} is not connected")
        try:
            await self._begin_whole()
        except NotFoundError as error:
            raise TopologyMissing(f"there is no stream {self._stream}", hint="run floe topology apply") from error
        except (NatsError, OSError, TimeoutError) as error:
            raise Unreachable(f"{self._stream} cannot be read: {error or 'no answer'}") from error

    async def next(self, seconds: float) -> list[Followed | Gap]:
        """What has come, in order, at most a few dozen messages; waits up to `seconds` for the first.

        An absent bus is waited for, too.
        """
        deadline = time.monotonic() + seconds
        while True:
            if self._gap is not None:
                gap, self._gap = self._gap, None
                return [gap]
            if found := self._taken():
                return found
            if (left := deadline - time.monotonic()) <= 0:
                return []
            await self._wait(min(left, _LOOK_SECONDS))

    async def close(self) -> None:
        """Leave nothing behind on the server."""
        await self._end()

    async def _wait(self, seconds: float) -> None:
        if not await self._bus.until_connected(seconds):
            await asyncio.sleep(min(seconds, _RETRY_SECONDS))
            return
        try:
            if self._lost():
                await self._begin_whole()
                return
            if self._wanted == 0:
                await self._request()
        except (NatsError, OSError, TimeoutError):
            await asyncio.sleep(min(seconds, _RETRY_SECONDS))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _lost(self) -> bool:
        """Whether the consumer is gone, or may be: a server that restarts forgets it, and what was asked of it."""
        overdue = self._wanted > 0 and time.monotonic() - self._asked > _OVERDUE_SECONDS
        reconnected = self._bus.nc.stats["reconnects"] != self._reconnects
        return self._broken or overdue or reconnected or self._subscription is None

    async def _begin_whole(self) -> None:
        """Begin; cancelled meanwhile, first get done with it, so that `close` finds what there is to delete.

        In a task of its own also because nats-py, on Python 3.11, now and then swallows a cancellation.
        """
        beginning = asyncio.create_task(self._begin(), name=f"beginning to read {self._stream}")
        try:
            await asyncio.wait({beginning})
        except asyncio.CancelledError:
            await asyncio.wait({beginning})
            if not beginning.cancelled():
                beginning.exception()  # nobody is left to be told
            raise
        beginning.result()

    async def _begin(self) -> None:
        """Make a consumer behind what has been read."""
        await self._end()
        self._reconnects = self._bus.nc.stats["reconnects"]
        last = None
        if isinstance(self._position, datetime):
            # Of several filters the server begins with the one that matches last, and what the others match is lost.
            self._position = await self._make(self._position, [])
            await self._drop()
        elif isinstance(self._position, int):
            last = await self._make(Start.NEXT, self._subjects)
            await self._drop()
        if last is not None and isinstance(self._position, int) and last < self._position:
            before = await self._make(Start.OLDEST, self._subjects)
            self._gap = Gap(self._position, before)
        else:
            before = await self._make(self._position, self._subjects)
            if isinstance(self._position, int) and before > self._position:
                self._gap = Gap(self._position, before)
        self._position = before
        self._inbox = self._bus.nc.new_inbox()
        self._subscription = await self._bus.nc.subscribe(self._inbox, cb=self._on_message)
        self._next_delivery = 1
        self._wanted = 0
        self._broken = False

    async def _make(self, position: Position, subjects: Sequence[str]) -> int:
        """Make the consumer; the number behind which it begins."""
        self._consumer = f"{self._bus.name}-{uuid.uuid4().hex}"
        config = ConsumerConfig(
            name=self._consumer,
            # A single one in `filter_subject` may be too long: a subject repeats it.
            filter_subjects=list(subjects) or None,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=_INACTIVE_SECONDS,
            mem_storage=True,
            num_replicas=1,
            **_delivering(position),
        )
        info = await self._bus.js.add_consumer(self._stream, config)
        return (info.delivered.stream_seq if info.delivered else 0) or 0

    async def _request(self) -> None:
        request = {
            "batch": _AT_ONCE,
            # The largest message fits in any case, and not many of them.
            "max_bytes": 2 * self._bus.size_limit(),
            "expires": int(_REQUEST_SECONDS * _NANOSECONDS),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        self._wanted = _AT_ONCE
        self._asked = time.monotonic()
        await self._bus.nc.publish(subject, json.dumps(request).encode(), reply=self._inbox)

    async def _on_message(self, message: Msg) -> None:
        self._arrived.append(message)
        self._wake.set()

    def _taken(self) -> list[Followed | Gap]:
        """The messages that have arrived, as far as none before them is missing."""
        self._wake.clear()
        found: list[Followed | Gap] = []
        while self._arrived and not self._broken:
            message = self._arrived.popleft()
            if not message.reply:
                self._on_status(message.headers or {})
                continue
            sequence, delivery = _numbers(message.reply)
            if delivery != self._next_delivery:
                self._broken = True
                break
            self._next_delivery += 1
            self._wanted -= 1
            self._position = sequence
            found.append(Followed(sequence, message))
        return found

    def _on_status(self, headers: Mapping[str, str]) -> None:
        """A request has ended, or the consumer has."""
        self._wanted = 0
        ended = headers.get("Status") in _REQUEST_ENDED or _TOO_LARGE_TOGETHER in headers.get("Description", "")
        self._broken = not ended

    async def _end(self) -> None:
        subscription, self._subscription = self._subscription, None
        self._arrived.clear()
        if subscription is not None:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()
        if self._consumer:
            await self._drop()

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, ""
        if self._bus.connected:
            with contextlib.suppress(NatsError, OSError, TimeoutError):  # else it ends by itself
                await self._bus.js.delete_consumer(self._stream, consumer)


def _delivering(position: Position) -> dict[str, Any]:
    if isinstance(position, datetime):
        return {"deliver_policy": DeliverPolicy.BY_START_TIME, "opt_start_time": position.astimezone(UTC)}
    if isinstance(position, Start):
        return {"deliver_policy": DeliverPolicy.ALL if position is Start.OLDEST else DeliverPolicy.NEW}
    return {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": position + 1}


def _numbers(reply: str) -> tuple[int, int]:
    """The numbers of a message in the stream and among the deliveries, of the subject that acknowledges it.

    `message.metadata` of nats-py reads everything else there, too, which takes longer than all the rest.
    """
    parts = reply.split(".")
    first = 5 if len(parts) == 9 else 7  # newer servers name domain and account before
    return int(parts[first]), int(parts[first + 1])
