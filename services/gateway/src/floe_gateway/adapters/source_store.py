"""Keeping sources in the blob store."""

from __future__ import annotations

from pathlib import Path

from floe_chassis.blobs import BlobStore
from floe_chassis.source_bundles import pack


class BlobSourceStore:
    """Bundles and documents as blobs."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def pack(self, folder: Path) -> str:
        return await pack(folder, self._blobs)

    async def put(self, content: bytes) -> str:
        return await self._blobs.put(content)
