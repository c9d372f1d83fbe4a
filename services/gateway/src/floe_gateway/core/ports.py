"""What the gateway needs from outside to take a submission in."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from floe_contracts.events import SpecSubmitted


class SourceStore(Protocol):
    """Where sources are kept, by digest."""

    async def pack(self, folder: Path) -> str:
        """Store a product's folder; the digest of its bundle."""
        ...

    async def put(self, content: bytes) -> str:
        """Store one document; its digest."""
        ...


class Announcer(Protocol):
    """The bus, as far as the gateway speaks to it."""

    async def announce(self, event: SpecSubmitted, event_id: str) -> bool:
        """Publish, and return when the event is stored; whether the bus had it already."""
        ...
