"""The lineage stream, seen through the durable consumer of one backend, with its order kept.

The server gives an unsettled message back only after `ack_wait`; whatever is fetched before that overtakes it. So a
reader that begins while something is in flight, or that sees by a gap in the deliveries' numbers that a delivery was
lost on the way, sets the consumer back to what is settled; a server older than 2.14 cannot do that, and then it waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import ConsumerInfo

from floe_chassis.batch_pull import BatchPull, Delivered, delivered
from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, bury, is_for
from floe_chassis.errors import TopologyMissing
from floe_chassis.topology import LINEAGE
from floe_chassis.topology_apply import consumer_config
from floe_contracts.cloudevents import MESSAGE_ID
from floe_contracts.errors import FloeError, Transient
from floe_contracts.openlineage.envelope import ROOT_RUN_HEADER
from floe_contracts.plugins.lineage_backends import LineageEvent, Position
from floe_lineage.adapters.lineage_consumer import LineageConsumer
from floe_lineage.errors import EventRefused

_FETCH_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.5
_GATHER_SECONDS: Final = 0.2
"""So long events gather after a small batch: each batch is a request, and a backend's own effort, whatever its size."""
_ACKNOWLEDGE_SECONDS: Final = 0.01
"""So long acknowledgements gather while a batch is under way: where events go one by one, each would be a write."""
# The server looks for what is overdue at intervals of its own.
_OVERDUE: Final = 1.1
_log = structlog.get_logger("floe.lineage")


class LineageStream:
    """Reads through one durable consumer. It must be the only reader of that consumer."""

    def __init__(self, bus: Bus, consumer: str) -> None:
        self._bus = bus
        self._consumer = consumer
        self._pull: BatchPull | None = None
        self._at_once = 1
        self._small = False
        self._next_delivery = 1
        self._held: dict[int, Msg] = {}
        self._settled: list[Msg] = []
        self._acknowledging: asyncio.Task[None] | None = None
        self._heartbeat: asyncio.Task[None] | None = None
        self._complaint: str | None = None
        self._occasion: str | None = None

    async def fetch(self) -> Sequence[LineageEvent]:
        if self._small:
            self._small = False
            await asyncio.sleep(_GATHER_SECONDS)
        # A request made without a connection is kept by the client and answered later, to nobody.
        if not await self._bus.until_connected(_FETCH_SECONDS):
            await asyncio.sleep(_RETRY_SECONDS)
            return ()
        try:
            if self._pull is None:
                self._pull = await self._begin()
            messages = await self._pull.fetch(self._at_once, _FETCH_SECONDS)
        except (NatsError, OSError) as error:
            await self._complain(error)
            return ()
        self._complaint = None
        told = [delivered(message) for message in messages]
        self._small = bool(told) and not told[-1].waiting
        if self._has_gap(told):
            _log.warning("lineage.gap", consumer=self._consumer, hint="a delivery was lost on the way; beginning again")
            await self._end()
            return ()
        self._held = {each.sequence: message for each, message in zip(told, messages, strict=True)}
        ours: list[LineageEvent] = []
        others: list[LineageEvent] = []
        for each, message in zip(told, messages, strict=True):
            (ours if is_for(message.headers, self._consumer) else others).append(_event(message, each))
        await self.accepted(others)  # what another backend gets again, this one has already
        return ours

    async def accepted(self, events: Sequence[LineageEvent]) -> None:
        self._settled += [self._held.pop(event.position.sequence) for event in events]
        if not self._held:
            await self._acknowledge()
        elif self._acknowledging is None or self._acknowledging.done():
            self._acknowledging = asyncio.create_task(self._acknowledge_soon())

    async def refused(self, event: LineageEvent, reason: str) -> None:
        message = self._held[event.position.sequence]
        letter = DeadLetter(
            subject=message.subject,
            stream=LINEAGE,
            sequence=event.position.sequence,
            consumer=self._consumer,
            deliveries=delivered(message).deliveries,
            reason=str(EventRefused(reason)),
            code=EventRefused.code,
            headers=message.headers or {},
            body=message.data,
        )
        while True:
            try:
                await bury(self._bus, letter, occasion=self._occasion)
                break
            except Transient as error:
                _log.warning("dead.letter.waits", consumer=self._consumer, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
        with contextlib.suppress(NatsError):
            await self._held.pop(event.position.sequence).term()

    def replayed(self, occasion: str) -> None:
        self._occasion = occasion

    async def close(self) -> None:
        await self._end()

    async def check(self) -> None:
        """Say whether there is something to read from.

        Raises:
            TopologyMissing: the bus has no consumer for this backend.
            Unreachable: the bus does not answer.
        """
        if await consumer_config(self._bus, LINEAGE, self._consumer) is None:
            raise TopologyMissing(
                f"there is no consumer {self._consumer!r} on the stream {LINEAGE}",
                hint="run floe topology apply with the same FLOE_LINEAGE_BACKENDS",
            )

    async def _complain(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self._complaint:
            self._complaint = text
            _log.warning("lineage.unread", consumer=self._consumer, error=text)
        await self._end()
        await asyncio.sleep(_RETRY_SECONDS)

    async def _begin(self) -> BatchPull:
        """Have whatever is in flight come first again, and subscribe."""
        info: ConsumerInfo = await self._bus.js.consumer_info(LINEAGE, self._consumer)
        ack_wait = info.config.ack_wait or 30.0
        self._at_once = info.config.max_ack_pending or 1
        if info.num_ack_pending:
            _log.info("lineage.in_flight", consumer=self._consumer, events=info.num_ack_pending)
            await self._take_back(info.ack_floor.stream_seq if info.ack_floor else 0, ack_wait)
            info = await self._bus.js.consumer_info(LINEAGE, self._consumer)
        # What is lost from here on leaves a gap, also if it is lost before anything has come.
        self._next_delivery = (info.delivered.consumer_seq if info.delivered else 0) + 1
        pull = BatchPull(self._bus, LINEAGE, self._consumer)
        await pull.open()
        self._heartbeat = asyncio.create_task(self._keep(ack_wait / 3))
        return pull

    async def _take_back(self, settled: int, ack_wait: float) -> None:
        try:
            await LineageConsumer(self._bus, self._consumer).set_back(settled + 1)
        except FloeError as error:
            _log.warning("lineage.waits", consumer=self._consumer, seconds=ack_wait, error=str(error))
            await asyncio.sleep(ack_wait * _OVERDUE)

    async def _acknowledge_soon(self) -> None:
        await asyncio.sleep(_ACKNOWLEDGE_SECONDS)
        await self._acknowledge()

    async def _acknowledge(self) -> None:
        settled, self._settled = self._settled, []
        # An acknowledgement that is lost brings the event again, and it is then known.
        with contextlib.suppress(NatsError):
            for message in settled:
                await message.ack()

    async def _end(self) -> None:
        self._held = {}
        if self._acknowledging is not None:
            self._acknowledging.cancel()
            self._acknowledging = None
        await self._acknowledge()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            await asyncio.gather(self._heartbeat, return_exceptions=True)
            self._heartbeat = None
        if self._pull is not None:
            pull, self._pull = self._pull, None
            await pull.close()

    async def _keep(self, seconds: float) -> None:
        """Tell the server, for as long as a batch takes, that its messages are being worked on."""
        while True:
            await asyncio.sleep(seconds)
            for message in list(self._held.values()) if self._bus.connected else ():
                with contextlib.suppress(NatsError, OSError):
                    await message.in_progress()

    def _has_gap(self, told: Sequence[Delivered]) -> bool:
        for each in told:
            if each.number != self._next_delivery:
                return True
            self._next_delivery = each.number + 1
        return False


def _event(message: Msg, told: Delivered) -> LineageEvent:
    headers = message.headers or {}
    identity = headers.get(MESSAGE_ID) or f"{LINEAGE}-{told.sequence}"
    position = Position(told.sequence, told.stored_at // 1000)
    return LineageEvent(message.data, identity, position, message.subject, headers.get(ROOT_RUN_HEADER))
