"""What the executor does with the events it gets."""

from __future__ import annotations

from datetime import UTC, datetime

from floe_chassis.bus import Bus
from floe_contracts.cloudevents import Received
from floe_contracts.events import RunRequested
from floe_executor.adapters.run_store import RunStore
from floe_executor.core import run_states
from floe_executor.dispatcher import Dispatcher


class Handlers:
    """The subscribers of the executor."""

    def __init__(self, store: RunStore, bus: Bus, dispatcher: Dispatcher) -> None:
        self._store = store
        self._bus = bus
        self._dispatcher = dispatcher

    async def run_requested(self, received: Received[RunRequested]) -> None:
        """Record the request, and let the dispatcher find it."""
        cause = received.attributes
        stored = await self._store.add(run_states.queued(received.event, cause.id, datetime.now(UTC)))
        queued = run_states.queued_event(stored.record)
        await self._bus.publish(queued, id=f"{stored.record.run_id}:queued", cause=cause)
        self._dispatcher.wake()
