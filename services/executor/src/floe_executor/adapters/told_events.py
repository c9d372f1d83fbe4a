"""What the bus was told already: it refuses a second event of the same id for some minutes only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from floe_chassis.bus import Bus
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import EVENTS
from floe_contracts.cloudevents import MESSAGE_ID
from floe_contracts.events import EnvironmentEvent

_CLOCKS_DIFFER: Final = timedelta(minutes=5)


async def publish_unless_told(
    bus: Bus,
    event: EnvironmentEvent,
    *,
    id: str,  # noqa: A002 - the CloudEvents name
    since: datetime,
) -> None:
    """Publish an event, unless it stands in FLOE_EVENTS: for those that a crash may have cut off from their end.

    Args:
        bus: the bus.
        event: what is to be told once.
        id: its id; events with an older one of the same are left out.
        since: nobody told it before.

    Raises:
        Unreachable: the bus does not answer.
    """
    messages = read_stream(bus.js, EVENTS, event.subject(), since=since - _CLOCKS_DIFFER)
    if id not in [(message.headers or {}).get(MESSAGE_ID) async for message in messages]:
        await bus.publish(event, id=id)
