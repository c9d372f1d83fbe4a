"""Live subscriptions to streams, from now on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from nats.aio.msg import Msg
from nats.js.api import DeliverPolicy

from floe_chassis.bus import Bus
from floe_contracts import subjects
from floe_contracts.openlineage.naming import Place

Callback = Callable[[Msg], Awaitable[None]]


@asynccontextmanager
async def listening(bus: Bus, wanted: Iterable[tuple[str, str, Callback]]) -> AsyncIterator[None]:
    """Hear what comes: stream, pattern and callback of each subscription, until the end of the context."""
    subscriptions = [
        await bus.js.subscribe(
            pattern, stream=stream, cb=callback, ordered_consumer=True, deliver_policy=DeliverPolicy.NEW
        )
        for stream, pattern, callback in wanted
    ]
    try:
        yield
    finally:
        for subscription in subscriptions:
            await subscription.unsubscribe()


def below(place: Place) -> str:
    """The names of a place, as they stand in a subject."""
    return ".".join(subjects.escape(name) for name in (place.tenant, place.environment, place.product))
