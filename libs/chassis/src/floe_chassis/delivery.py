"""What becomes of a delivered message: handled, delivered again later, or a dead letter (DESIGN section 5)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from faststream import BaseMiddleware
from faststream.exceptions import AckMessage, HandlerException, NackMessage, RejectMessage
from faststream.nats.message import NatsMessage
from nats.errors import Error as NatsError

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, bury, code_of, is_for
from floe_contracts.cloudevents import MESSAGE_ID
from floe_contracts.errors import FloeError, Permanent

LONGEST_DELAY: Final = 60.0
_BEATS: Final = 3

_log = structlog.get_logger("floe.delivery")


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it came, undecoded.

    Attributes:
        sequence: its number in `stream`.
        deliveries: how often it was delivered, this time included.
    """

    subject: str
    headers: Mapping[str, str]
    body: bytes
    stream: str
    consumer: str
    sequence: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the delivery of one consumer goes by; `ack_wait` and `max_deliver` are those that the bus has.

    Attributes:
        retry_seconds: delay before the second delivery; it doubles with each, up to `LONGEST_DELAY`.
    """

    bus: Bus
    ack_wait: float
    max_deliver: int
    retry_seconds: float


def raw_message(message: NatsMessage) -> RawMessage:
    """The message that FastStream hands over, as data."""
    raw = message.raw_message
    metadata = raw.metadata
    return RawMessage(
        subject=raw.subject,
        headers=raw.headers or {},
        body=raw.data,
        stream=metadata.stream,
        consumer=metadata.consumer,
        sequence=metadata.sequence.stream,
        deliveries=metadata.num_delivered,
    )


def retry_delay(deliveries: int, first: float) -> float:
    """Seconds before the next delivery: `first`, doubled with every delivery before this one, 60 at most."""
    return min(first * 2.0 ** min(deliveries - 1, 32), LONGEST_DELAY)


class DeliveryMiddleware(BaseMiddleware[Any, Any]):
    """Telemetry around the outcome around the heartbeat around the handler, for one message.

    The settings of the consumer come from `deliveries`, by the consumer's name in the message itself.
    """

    def __init__(self, msg: Any, /, *, context: Any, deliveries: Mapping[str, Delivery]) -> None:
        super().__init__(msg, context=context)
        self._deliveries = deliveries

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        """Handle the message; raises the outcome for FastStream to acknowledge."""
        message = raw_message(msg)
        if not is_for(message.headers, message.consumer):
            raise AckMessage
        delivery = self._deliveries[message.consumer]
        with (
            delivery.bus.telemetry.process(message.subject, message.headers, message.consumer, message.deliveries),
            structlog.contextvars.bound_contextvars(
                subject=message.subject, message_id=message.headers.get(MESSAGE_ID), delivery=message.deliveries
            ),
        ):
            try:
                async with _heartbeat(msg, delivery):
                    return await call_next(msg)
            except HandlerException:
                raise
            except Exception as error:
                raise await _outcome(error, message, delivery) from error


async def _outcome(error: Exception, message: RawMessage, delivery: Delivery) -> HandlerException:
    last = 0 < delivery.max_deliver <= message.deliveries
    delay = retry_delay(message.deliveries, delivery.retry_seconds)
    if not last and not isinstance(error, Permanent):
        # A traceback helps with what nobody foresaw; a FloeError says what is the matter by itself.
        _log.warning("delivery.retry", error=str(error), delay=delay, exc_info=not isinstance(error, FloeError))
        return NackMessage(delay=delay)
    letter = DeadLetter(
        subject=message.subject,
        stream=message.stream,
        sequence=message.sequence,
        consumer=message.consumer,
        deliveries=message.deliveries,
        reason=str(error) if isinstance(error, FloeError) else f"{type(error).__name__}: {error}",
        code=code_of(error),
        headers=message.headers,
        body=message.body,
    )
    try:
        await bury(delivery.bus, letter)
    except Exception as failure:  # noqa: BLE001 - whatever it is, without a delay the message would come back at once
        # On the last delivery the server's advisory still leads to a dead letter, without the reason.
        _log.error("delivery.unburied", error=str(error), failure=str(failure))
        return NackMessage(delay=delay)
    return RejectMessage()


@contextlib.asynccontextmanager
async def _heartbeat(message: NatsMessage, delivery: Delivery) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            await asyncio.sleep(delivery.ack_wait / _BEATS)
            if delivery.bus.connected:
                # A beat that fails must not be the last one.
                with contextlib.suppress(NatsError, OSError):
                    await message.in_progress()

    beating = asyncio.create_task(beat(), name="heartbeat")
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
