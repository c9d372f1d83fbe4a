"""The streams that are open: no more than so many, and all ended before the bus is closed."""

from __future__ import annotations

import asyncio

from floe_gateway.errors import StreamsExhausted


class OpenStreams:
    """Counts the streams.

    Args:
        most: how many are served at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._none = asyncio.Event()
        self._none.set()

    def enter(self) -> None:
        """Take the place of one.

        Raises:
            StreamsExhausted: there is none left.
        """
        if self._open >= self._most:
            raise StreamsExhausted(
                f"{self._most} streams are open, and more are not served", hint="try again in a while"
            )
        self._open += 1
        self._none.clear()

    def leave(self) -> None:
        """Give the place back."""
        self._open -= 1
        if self._open == 0:
            self._none.set()

    async def all_ended(self) -> None:
        """Wait until none is open."""
        await self._none.wait()
