"""Waiting for somebody to ask for the end of a run that works."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog
from nats.errors import Error as NatsError

from floe_contracts.errors import Transient
from floe_contracts.events import CancellationRequested
from floe_contracts.runs import RunRecord
from floe_executor.adapters.state.cancellation_store import CancellationStore

log = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 1.0


class Cancelled(Exception):
    """Somebody asked for the end of the run."""

    def __init__(self, request: CancellationRequested) -> None:
        super().__init__(request.reason)
        self.request = request


class Cancellations:
    """Looks at the marks every second, and at once when one was made in this process."""

    def __init__(self, store: CancellationStore) -> None:
        self._store = store
        self._news = asyncio.Event()

    def tell(self) -> None:
        """Have every waiting run look now."""
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, record: RunRecord) -> CancellationRequested:
        """Wait until somebody asks for the end of the run."""
        own = asyncio.current_task()
        # A cancellation that meets the event is swallowed by `asyncio.wait_for` of Python 3.11.
        while own is None or not own.cancelling():
            news = self._news
            try:
                if (found := await self._store.find(record)) is not None:
                    return found
            except (Transient, NatsError, OSError, TimeoutError) as error:  # the bus may be away for a while
                log.debug("cancellations cannot be read", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), _LOOK_SECONDS)
        raise asyncio.CancelledError
