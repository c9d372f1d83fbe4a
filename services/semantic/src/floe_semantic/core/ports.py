"""What the core needs from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Blobs(Protocol):
    """A store of content by digest."""

    async def put(self, content: bytes) -> str:
        """Store `content` and return its digest; storing it again changes nothing."""

    async def get(self, digest: str) -> bytes:
        """The content of that digest, verified."""


class Gate(Protocol):
    """Cube's own compiler, asked before a bundle is offered."""

    async def check(self, files: Mapping[str, str]) -> None:
        """Take the files of a bundle, path -> text, or raise why not."""
