"""What the gateway needs from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from floe_contracts.events import SpecSubmitted
from floe_contracts.openlineage.core_check import CoreProblem

FacetCheck: TypeAlias = Callable[[Mapping[str, Any]], tuple[CoreProblem, ...]]
"""Tells what is wrong with the facets of an event whose core is right."""


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


class LineagePublisher(Protocol):
    """The bus, as far as foreign lineage goes onto it."""

    async def store(self, subject: str, body: bytes, headers: Mapping[str, str], message_id: str) -> bool:
        """Publish, and return when the event is stored; whether the stream had it already.

        Raises:
            Transient: it is not stored, and may be sent again.
            Permanent: it never will be.
        """
        ...
