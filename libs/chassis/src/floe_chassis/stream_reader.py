"""Reading what is on a stream now, from the beginning or from a time on, without leaving a consumer behind."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

_BATCH: Final = 200
_INACTIVE_SECONDS: Final = 30.0


async def read_stream(
    js: JetStreamContext, stream: str, subject: str, *, since: datetime | None = None
) -> AsyncIterator[Msg]:
    """The messages of `subject` that are on the stream at the time of the call, in order.

    Args:
        js: the connection's JetStream context.
        stream: name of the stream.
        subject: subject or pattern to read.
        since: leave out what was stored before.
    """
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        inactive_threshold=_INACTIVE_SECONDS,
        deliver_policy=DeliverPolicy.ALL if since is None else DeliverPolicy.BY_START_TIME,
        opt_start_time=None if since is None else since.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    )
    subscription = await js.pull_subscribe(subject, stream=stream, config=config)
    consumer = ""
    try:
        found = await subscription.consumer_info()
        consumer, waiting = found.name, found.num_pending or 0
        while waiting > 0:
            for message in await subscription.fetch(min(_BATCH, waiting), timeout=5):
                waiting -= 1
                yield message
    finally:
        with contextlib.suppress(NatsError):  # it ends by itself when the connection has gone before
            await subscription.unsubscribe()
            if consumer:  # a server holds so many only, and their end is looked for seldom
                await js.delete_consumer(stream, consumer)
