"""What the executor does with the events it gets."""

from __future__ import annotations

from floe_contracts.cloudevents import Received
from floe_contracts.events import CancellationRequested, RunRequested
from floe_executor.runs.cancellations import Cancellations
from floe_executor.runs.dispatcher import Dispatcher
from floe_executor.runs.requests import Requests


class Handlers:
    """The subscribers of the executor."""

    def __init__(self, requests: Requests, dispatcher: Dispatcher, cancellations: Cancellations) -> None:
        self._requests = requests
        self._dispatcher = dispatcher
        self._cancellations = cancellations

    async def run_requested(self, received: Received[RunRequested]) -> None:
        """Record the request, and let the dispatcher find it."""
        await self._requests.record(received)
        self._dispatcher.wake()

    async def cancellation_requested(self, received: Received[CancellationRequested]) -> None:
        """Mark what is to be ended, and let those who work or look for work find the mark."""
        await self._requests.cancel(received.event)
        self._cancellations.tell()
        self._dispatcher.wake()
