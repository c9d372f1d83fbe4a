"""Whether a backend is away: then nothing but one event at a time asks whether it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

FAILURES_THAT_OPEN: Final = 5


class Breaker:
    """Open after so many failures in a row; closed by the first answer that speaks of an event.

    Attributes:
        is_open: whether the backend is away.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._failures = 0
        self._probing = asyncio.Lock()

    def failed(self) -> bool:
        """Count a failure; tells whether this one opened it."""
        self._failures += 1
        opened = not self.is_open and self._failures >= FAILURES_THAT_OPEN
        self.is_open = self.is_open or opened
        return opened

    def answered(self) -> bool:
        """Count an answer; tells whether it closed it."""
        closed = self.is_open
        self._failures = 0
        self.is_open = False
        return closed

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until one may send: at once, or while the breaker is open one at a time, pauses included."""
        if not self.is_open:
            yield
            return
        async with self._probing:
            yield
