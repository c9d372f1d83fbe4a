"""Live subscriptions to streams, from now on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from floe_chassis.bus import Bus
from floe_contracts import subjects
from floe_contracts.openlineage.naming import Place

Callback = Callable[[Msg], Awaitable[None]]


@asynccontextmanager
async def listening(bus: Bus, wanted: Iterable[tuple[str, Sequence[str], Callback]]) -> AsyncIterator[None]:
    """Hear what comes: stream, patterns and callback of each subscription, until the end of the context.

    What the patterns of one subscription match comes in the order of the stream.
    """
    subscriptions = [
        await bus.js.subscribe(
            "",
            stream=stream,
            cb=callback,
            ordered_consumer=True,
            config=ConsumerConfig(filter_subjects=list(patterns), deliver_policy=DeliverPolicy.NEW),
        )
        for stream, patterns, callback in wanted
    ]
    try:
        yield
    finally:
        for subscription in subscriptions:
            await subscription.unsubscribe()


def below(place: Place) -> str:
    """The names of a place, as they stand in a subject."""
    return ".".join(subjects.escape(name) for name in (place.tenant, place.environment, place.product))
