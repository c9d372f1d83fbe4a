"""Publishing on the bus, for callers who do not wait long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from floe_chassis.bus import Bus
from floe_contracts.errors import Unreachable
from floe_contracts.events import SpecSubmitted


class BusAnnouncer:
    """Publishes, but does not let an HTTP caller wait for a bus that is away."""

    def __init__(self, bus: Bus, seconds: float) -> None:
        self._bus = bus
        self._seconds = seconds

    async def announce(self, event: SpecSubmitted, event_id: str) -> bool:
        if not self._bus.connected:
            raise Unreachable("the bus is not connected", hint="send the same submission again")
        try:
            async with asyncio.timeout(self._seconds):
                stored = await self._bus.publish(event, id=event_id)
        except TimeoutError as error:
            # It may be stored all the same; the same submission sent again is then a duplicate.
            raise Unreachable(
                f"the bus did not store the event within {self._seconds:g} s", hint="send the same submission again"
            ) from error
        return bool(stored.duplicate)


class BusLineage:
    """Stores foreign lineage on its stream, or says soon that it cannot."""

    def __init__(self, bus: Bus, seconds: float) -> None:
        self._bus = bus
        self._seconds = seconds

    async def store(self, subject: str, body: bytes, headers: Mapping[str, str], message_id: str) -> bool:
        if not self._bus.connected:
            raise Unreachable("the bus is not connected")
        stored = await self._bus.publish_raw(subject, body, headers, message_id, budget=self._seconds)
        return bool(stored.duplicate)
