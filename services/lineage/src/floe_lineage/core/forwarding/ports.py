"""What forwarding needs from outside, beside the backends, whose interface is that of plugins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from floe_contracts.plugins.lineage_backends import LineageEvent


class Receipts(Protocol):
    """Where it is recorded what became of an event."""

    async def accepted(self, events: Sequence[LineageEvent]) -> None:
        """The backend has them."""
        ...

    async def refused(self, event: LineageEvent, reason: str) -> None:
        """The backend will never take it: it goes to the dead letters."""
        ...


class Source(Receipts, Protocol):
    """The stream, seen through the consumer of one backend."""

    async def fetch(self) -> Sequence[LineageEvent]:
        """The next events in their order; none if there are none at the moment."""
        ...

    def replayed(self, occasion: str) -> None:
        """From now on events come again that were settled, on this occasion: what is refused again is told again."""
        ...

    async def close(self) -> None:
        """Stop reading. What is not settled is delivered again."""
        ...
