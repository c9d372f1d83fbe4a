"""FastStream subscribers bound to consumers that exist, on the connection that the service has already.

FastStream's own pull loop spins when the connection is closed or the consumer is gone, its
broker drains at stop, and pull requests made without a connection pile up in the client and are answered all at once
after it, with messages that nobody keeps alive. `GuardedPull` and `AttachedBroker` are what stands against that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsMessage
from faststream.nats.subscriber.usecases import PullStreamSubscriber
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.errors import ServiceUnavailableError

from floe_chassis.bus import Bus
from floe_chassis.delivery import Delivery, DeliveryMiddleware
from floe_chassis.topology import Consumer

PULL_TIMEOUT: Final = 1.0
_STUCK_AFTER: Final = 15.0
_PAUSE: Final = 0.5
_CLEANUP: Final = 2.0

_log = structlog.get_logger("floe.subscriptions")


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service reads: a consumer, and what handles one message of it."""

    consumer: Consumer
    handle: Callable[[NatsMessage], Coroutine[Any, Any, None]]
    concurrency: int


class GuardedPull:
    """A pull subscription that neither spins nor asks without a connection.

    Attributes:
        stopping: once set, messages that still come are given back at once.
    """

    def __init__(self, pull: JetStreamContext.PullSubscription, bus: Bus, consumer: str) -> None:
        self.stopping = False
        self._pull = pull
        self._bus = bus
        self._consumer = consumer
        self._complaint: str | None = None
        self._asked_at: float | None = None

    @property
    def stuck(self) -> bool:
        """Whether a request has been open for much longer than it may be."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > _STUCK_AFTER

    async def fetch(self, batch: int = 1, timeout: float | None = PULL_TIMEOUT) -> list[Msg]:  # noqa: ASYNC109
        """Ask for messages; the signature is that of nats-py.

        Raises:
            nats.errors.TimeoutError: nothing came, for whatever reason.
        """
        if not self._bus.connected and not await self._bus.until_connected(PULL_TIMEOUT):
            # After a connection that was closed for good, waiting ends at once; the loop must not.
            await asyncio.sleep(_PAUSE)
            raise NatsTimeoutError
        self._asked_at = time.monotonic()
        try:
            messages: list[Msg] = await self._pull.fetch(batch, timeout)
        except (NatsTimeoutError, TimeoutError):
            raise NatsTimeoutError from None
        except (NatsError, OSError) as error:
            await self._complain(error)
            raise NatsTimeoutError from error
        finally:
            self._asked_at = None
        self._complaint = None
        if self.stopping:
            await self._give_back(messages)
            raise NatsTimeoutError
        return messages

    async def unsubscribe(self) -> None:
        """End the subscription; never raises."""
        with contextlib.suppress(NatsError, OSError):
            await self._pull.unsubscribe()

    async def _complain(self, error: Exception) -> None:
        missing = isinstance(error, ServiceUnavailableError)
        complaint = "the consumer is gone" if missing else str(error) or type(error).__name__
        if complaint != self._complaint:
            self._complaint = complaint
            _log.error("pull.failed", consumer=self._consumer, error=complaint)
        await asyncio.sleep(_PAUSE)

    async def _give_back(self, messages: list[Msg]) -> None:
        for message in messages:
            with contextlib.suppress(NatsError, OSError):
                await message.nak()


class _BindingJetStream(JetStreamContext):  # type: ignore[misc]
    """Binds pull subscriptions to consumers that exist; never creates one, as nats-py would."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus.nc)
        self._bus = bus
        self.pulls: list[GuardedPull] = []

    async def pull_subscribe(
        self, subject: str, durable: str, stream: str, inbox_prefix: bytes, **_: Any
    ) -> GuardedPull:
        pull = await self.pull_subscribe_bind(durable=durable, stream=stream, inbox_prefix=inbox_prefix)
        guarded = GuardedPull(pull, self._bus, durable)
        self.pulls.append(guarded)
        return guarded


class AttachedBroker(NatsBroker):
    """A FastStream broker on the connection of a `Bus`, which outlives it. It neither connects nor drains."""

    def __init__(self, bus: Bus, deliveries: Mapping[str, Delivery]) -> None:
        # FastStream logs every message; what matters of a delivery is logged by the delivery itself.
        logger = logging.getLogger("floe.faststream")
        logger.setLevel(logging.WARNING)
        logger.addFilter(_without_cancellation)
        super().__init__(
            apply_types=False,
            logger=logger,
            middlewares=(partial(DeliveryMiddleware, deliveries=deliveries),),
        )
        self._bus = bus
        self._binding = _BindingJetStream(bus)
        self._pulling: list[PullStreamSubscriber] = []

    async def _connect(self) -> Client:
        client = self._bus.nc
        self.config.connect(client)
        self.config.connection_state.connect(client, self._binding)
        return client

    async def stop_within(self, grace: float) -> None:
        """Stop pulling, give handlers `grace` seconds, then cancel them and wait until they are gone."""
        for pull in self._binding.pulls:
            pull.stopping = True
        loops = [task for subscriber in self._pulling for task in subscriber.tasks]
        self.config.broker_config.graceful_timeout = grace
        # Not NatsBroker.stop: it drains the connection, which fails while the server is away.
        await super(NatsBroker, self).stop()
        self._connection = None
        self.config.disconnect()
        if loops:
            await asyncio.wait(loops, timeout=_CLEANUP)

    def add(self, subscription: Subscription) -> None:
        """Subscribe; concurrency is that many subscribers, since prefetched messages would have no heartbeat."""
        consumer = subscription.consumer
        for _ in range(subscription.concurrency):
            subscriber = self.subscriber(
                consumer.filters[0],
                stream=JStream(consumer.stream, declare=False),
                durable=consumer.name,
                pull_sub=PullSub(1, PULL_TIMEOUT),
                ack_policy=AckPolicy.NACK_ON_ERROR,
                inbox_prefix=f"{self._bus.inbox_prefix}.".encode(),
                decoder=_undecoded,
                no_reply=True,
            )
            self._pulling.append(subscriber)
            subscriber(_taking_message(subscription.handle))

    def stalled(self) -> list[str]:
        """The pull loops that have ended or make no progress, as sentences."""
        ended = [
            f"the pull loop of {subscriber.subject} has ended"
            for subscriber in self._pulling
            if self.running and all(task.done() for task in subscriber.tasks)
        ]
        return ended + ["a pull request is never answered" for pull in self._binding.pulls if pull.stuck]


def _without_cancellation(record: logging.LogRecord) -> bool:
    # A handler that is cut off at the stop is told of by ourselves, without a traceback.
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


async def _undecoded(message: NatsMessage) -> NatsMessage:
    # What fails here is negatively acknowledged at once, five times over; so nothing is decoded before the delivery.
    return message


def _taking_message(
    handle: Callable[[NatsMessage], Coroutine[Any, Any, None]],
) -> Callable[[NatsMessage], Awaitable[None]]:
    async def taking(message: NatsMessage) -> None:
        # FastStream cancels through anyio, which cancels every await of a cleanup again; in a task of its own the
        # handler is cancelled once and can give back what it holds.
        handling = asyncio.create_task(handle(message), name="handler")
        try:
            await asyncio.shield(handling)
        except asyncio.CancelledError:
            handling.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait({handling}, timeout=_CLEANUP)
            _log.warning("handler.cut_off", finished=handling.done())
            raise

    return taking
