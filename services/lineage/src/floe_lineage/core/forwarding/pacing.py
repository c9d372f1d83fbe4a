"""No more events a second than a backend is to get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Pace:
    """Lets so many events through in a second.

    Args:
        rate: events a second; None lets all through.
        clock: seconds that only grow.
        sleep: waits so many seconds.
    """

    def __init__(
        self, rate: float | None, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0

    def at_once(self, most: int) -> int:
        """How many events may go in one request that could take `most`: those of one second."""
        return most if self._rate is None else max(1, min(most, int(self._rate)))

    async def take(self, count: int) -> None:
        """Wait until `count` events may go."""
        if self._rate is None:
            return
        now = self._clock()
        begin = max(now, self._free_at)
        self._free_at = begin + count / self._rate
        if begin > now:
            await self._sleep(begin - now)
