"""Events of the lineage stream, by their place."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import BadRequestError, NotFoundError

from floe_chassis.bus import Bus
from floe_chassis.topology import LINEAGE

_RETRY_SECONDS: Final = 0.5
_log = structlog.get_logger("floe.lineage")


class StoredEvents:
    """Looks events up. While the bus is away it waits."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def read(self, sequence: int) -> bytes | None:
        """The event at a sequence; None if the stream has it no longer, or can have none of that number."""
        complained = False
        while True:
            try:
                message = await self._bus.js.get_msg(LINEAGE, sequence)
            except (NotFoundError, BadRequestError):
                return None
            except (NatsError, OSError, TimeoutError) as error:
                if not complained:
                    complained = True
                    _log.warning("event.unread", sequence=sequence, error=str(error) or type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                body: bytes | None = message.data
                return body
