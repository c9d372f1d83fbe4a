"""What the core needs from outside."""

from __future__ import annotations

from typing import Protocol


class Blobs(Protocol):
    """A store of content by digest."""

    async def put(self, content: bytes) -> str:
        """Store `content` and return its digest; storing it again changes nothing."""

    async def get(self, digest: str) -> bytes:
        """The content of that digest, verified."""
