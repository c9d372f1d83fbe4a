"""The loop of one backend: fetch, deliver, fetch again; and setting it back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from floe_contracts.errors import Transient
from floe_contracts.platform.services import LineageForwarding
from floe_contracts.plugins.lineage_backends import (
    Answer,
    Backend,
    LineageEvent,
    Position,
    Rewindable,
    position_after,
)
from floe_lineage.core.forwarding.backlog import Backlog, Consumer, Replay, StoredAt, replay_since
from floe_lineage.core.forwarding.breaker import Breaker
from floe_lineage.core.forwarding.choosing import ReadStored, chooses, shapes
from floe_lineage.core.forwarding.decisions import is_event, is_readable_event, pause
from floe_lineage.core.forwarding.delivery import Road, deliver, split_known
from floe_lineage.core.forwarding.pacing import Pace
from floe_lineage.core.forwarding.ports import Source
from floe_lineage.errors import BackendNotReady
from floe_lineage.forwarding.progress import Progress

_CANCEL_AGAIN_SECONDS: Final = 0.1
_SETTLE_SECONDS: Final = 5.0
"""So long a replay waits for what is in flight; after that it comes again."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger("floe.lineage")


@dataclass(frozen=True, slots=True)
class Ends:
    """What a forwarder stands between.

    Attributes:
        source: the stream, through the backend's consumer.
        consumer: the same consumer, as the bus knows it.
        stored: reads single events of the stream.
        backend: the receiver.
    """

    source: Source
    consumer: Consumer
    stored: ReadStored
    backend: Backend


class Forwarder:
    """Forwards the stream to one backend.

    Attributes:
        name: of the backend.
        consumer: how far it is, by the bus.
        progress: what has come of it.
    """

    def __init__(self, name: str, ends: Ends, forwarding: LineageForwarding) -> None:
        self.name = name
        self.consumer = ends.consumer
        self.progress = Progress()
        self._source = ends.source
        self._backend = ends.backend
        self._lanes = forwarding.concurrency
        self._breaker = Breaker()
        self._pace = Pace(forwarding.rate, time.monotonic, asyncio.sleep)
        self._chooses = chooses(forwarding)
        self._shape = shapes(forwarding, ends.stored)
        self._done: Position | None = None
        self._open = False
        self._may_go = asyncio.Event()
        self._may_go.set()
        self._replaying = asyncio.Lock()
        self._round: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Forward until cancelled.

        One batch is settled before the next is fetched, so a backend that is away costs the bus nothing but its
        stream.

        Raises:
            Permanent: the backend cannot be opened, and trying again would not help.
        """
        work = asyncio.create_task(self._run(), name=f"forward {self.name}")
        try:
            await asyncio.shield(work)
        finally:
            await _ended(work)

    async def look(self) -> Backlog:
        """See how far the backend is behind, and keep it for the metrics.

        Raises:
            TopologyMissing: there is no consumer.
            Unreachable: the bus does not answer.
        """
        backlog = await self.consumer.backlog()
        oldest = await self.consumer.first_from(backlog.settled + 1) if backlog.waiting else None
        self.progress.waiting = backlog.waiting
        self.progress.oldest_waiting_at = oldest.time if oldest else None
        return backlog

    async def replay(self, since: datetime, *, dry_run: bool) -> Replay:
        """Have the backend get again what was stored since then, before anything newer.

        What is in flight is settled first, or comes again if that takes too long.

        Args:
            since: by the clock of the bus.
            dry_run: only say what that would be.

        Raises:
            BackendNotReady: the backend is not open, so that what it knows cannot be taken back.
            ReplayRefused: the bus does not set consumers back.
            TopologyMissing: there is no consumer.
            Unreachable: the bus does not answer.
        """
        planned = await replay_since(self.consumer, since)
        if dry_run or not (planned.sets_back or planned.unsure):
            return planned
        if isinstance(self._backend, Rewindable) and not self._open:
            raise BackendNotReady(f"the lineage backend {self.name!r} is not open", hint="see floe lineage backends")
        async with self._replaying, self._paused():
            planned = await replay_since(self.consumer, since)
            if planned.sets_back and planned.first is not None:
                await self._set_back(planned.first)
            return planned

    async def _set_back(self, first: StoredAt) -> None:
        # In this order: if the service dies in between, the backend still knows what it has, and passes over it.
        await self.consumer.set_back(first.sequence)
        self._source.replayed(datetime.now(UTC).isoformat())
        before = Position(first.sequence - 1, (first.time - _EPOCH) // timedelta(microseconds=1))
        if isinstance(self._backend, Rewindable):
            await self._backend.rewind(before)
        self._done = None if self._done is None else before
        _log.info("backend.set_back", backend=self.name, sequence=first.sequence, events=first.events)

    @asynccontextmanager
    async def _paused(self) -> AsyncIterator[None]:
        """No round is under way; the next one reads the stream anew."""
        self._may_go.clear()
        try:
            if self._round is not None:
                await asyncio.wait({self._round}, timeout=_SETTLE_SECONDS)
                await _ended(self._round)
            await self._source.close()
            yield
        finally:
            self._may_go.set()

    async def _run(self) -> None:
        try:
            self._done = await self._opened()
            self._open = True
            if self._done is not None or isinstance(self._backend, Rewindable):
                self._lanes = 1  # its position stands for everything before it
            road = Road(
                backend=self._backend,
                receipts=self,
                breaker=self._breaker,
                pace=self._pace,
                lanes=self._lanes,
                failed=self._failed,
                answered=self._answered,
                jitter=_jitter,
            )
            while True:
                await self._may_go.wait()
                self._round = asyncio.create_task(self._forward(road), name=f"forward {self.name} a batch")
                try:
                    await asyncio.wait({self._round})
                finally:
                    await _ended(self._round)
                if not self._round.cancelled():
                    self._round.result()
        finally:
            self._open = False
            try:
                await self._source.close()
            finally:
                await self._backend.close()

    async def _forward(self, road: Road) -> None:
        """Fetch a batch, and see it settled."""
        events = await self._source.fetch()
        known, fresh = split_known(events, self._done)
        await self.accepted(known)
        sendable = await self._sendable(fresh)
        await deliver(road, sendable)
        self._done = position_after(self._done, fresh)

    async def _sendable(self, events: Sequence[LineageEvent]) -> Sequence[LineageEvent]:
        """What the backend gets of these events; the others are settled."""
        sendable, left_out = [], []
        is_good = is_event if self._shape is None else is_readable_event
        for event in events:
            if not self._chooses(event):
                left_out.append(event)
                continue
            if not is_good(event.body):
                await self.refused(event, "the body is not a JSON object")
                continue
            try:
                shaped = event if self._shape is None else await self._shape(event)
            except Exception as error:  # noqa: BLE001 - whatever stands in an event, it stops nothing but itself
                await self.refused(event, f"cannot be shaped: {type(error).__name__}: {error}")
                continue
            if shaped is None:
                left_out.append(event)
            else:
                sendable.append(shaped)
        await self._source.accepted(left_out)
        self.progress.left_out += len(left_out)
        return sendable

    async def accepted(self, events: Sequence[LineageEvent]) -> None:
        """The backend has them; part of `Receipts`."""
        await self._source.accepted(events)
        self.progress.accepted += len(events)

    async def refused(self, event: LineageEvent, reason: str) -> None:
        """The backend will never take it; part of `Receipts`."""
        await self._source.refused(event, reason)
        self.progress.refused += 1
        self.progress.failed(reason, datetime.now(UTC))

    async def _failed(self, answer: Answer, seconds: float) -> None:
        reason = answer.reason if answer.status is None else f"HTTP {answer.status}: {answer.reason}"
        self.progress.retries += 1
        self.progress.failed(reason, datetime.now(UTC))
        if self._breaker.failed():
            self.progress.away = True
            _log.warning("backend.away", backend=self.name, status=answer.status, reason=answer.reason)
        await asyncio.sleep(seconds)

    def _answered(self) -> None:
        if self._breaker.answered():
            self.progress.away = False
            _log.info("backend.back", backend=self.name)

    async def _opened(self) -> Position | None:
        attempt = 0
        while True:
            try:
                position = await self._backend.open()
            except Transient as error:
                await self._failed(Answer(None, str(error)), pause(attempt, retry_after=None, jitter=_jitter()))
                attempt += 1
            else:
                self._answered()
                return position


async def _ended(task: asyncio.Task[Any]) -> None:
    """Until Python 3.12, `wait_for` (in nats-py too) may swallow a cancellation that comes as its time runs out."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_AGAIN_SECONDS)


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads retries, guards nothing
