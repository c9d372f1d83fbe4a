"""Reads floe's lineage stream: `async with connect(...) as floe: async for event in floe.lineage(...): ...`."""

from floe_client.connection import Floe, connect
from floe_client.errors import ConsumerGone, ConsumerUnsuitable, NotAllowed
from floe_client.events import LineageEvent
from floe_client.positions import Since

__all__ = ["ConsumerGone", "ConsumerUnsuitable", "Floe", "LineageEvent", "NotAllowed", "Since", "connect"]
