"""What Cube is given, as bytes that are made once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from typing import Final

from floe_contracts.errors import BlobCorrupt, BlobMissing
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import OfferedBundle
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.bundles import read_bundle, read_files

VERSION: Final = "1.0"
_MOST_BYTES: Final = 64 * 1024 * 1024
_OFFER_DIGITS: Final = 12


def offer_tag(offer: OfferedBundle) -> str:
    """The ETag of an offer: another one when the same bundle is offered again, so that a refused one is tried anew."""
    return f'"{offer.bundle_digest}.{hashlib.sha256(offer.cause.encode()).hexdigest()[:_OFFER_DIGITS]}"'


def is_known(given: str | None, offer: OfferedBundle) -> bool:
    """Whether a header `If-None-Match` names the offer, or its bundle."""
    tags = {tag.strip().removeprefix("W/") for tag in (given or "").split(",")}
    return bool(tags & {offer_tag(offer), f'"{offer.bundle_digest}"', "*"})


class OfferBodies:
    """The answers that hold bundles; the last used ones are kept, 64 MB at most."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[tuple[Place, str], bytes] = OrderedDict()
        self._turns: dict[tuple[Place, str], asyncio.Lock] = {}

    async def has(self, place: Place, digest: str) -> bool:
        """Whether there is an answer with a bundle: what served long ago may be gone from the blob store.

        Raises:
            Unreachable: the store does not answer.
        """
        try:
            await self.body(place, digest)
        except (BlobMissing, BlobCorrupt):
            return False
        return True

    async def body(self, place: Place, digest: str) -> bytes:
        """The answer with a bundle.

        Raises:
            BlobMissing: it is not in the blob store.
            BlobCorrupt: a part of it does not have its digest.
            Unreachable: the store does not answer.
        """
        key = (place, digest)
        turn = self._turns.setdefault(key, asyncio.Lock())
        try:
            async with turn:  # many Cubes ask at once for what is new
                if key not in self._kept:
                    self._keep(key, await self._made(place, digest))
                self._kept.move_to_end(key)
                return self._kept[key]
        finally:
            if not turn.locked():
                self._turns.pop(key, None)

    async def _made(self, place: Place, digest: str) -> bytes:
        document = await read_bundle(self._blobs, digest)
        files = await read_files(self._blobs, document)
        answer = {
            "version": VERSION,
            "environment": place.environment,
            "product": place.product,
            "bundle_digest": digest,
            "files": [{"path": path, "content": text} for path, text in files.items()],
            "verification": document.verification.model_dump(mode="json"),
        }
        return await asyncio.to_thread(lambda: json.dumps(answer).encode())

    def _keep(self, key: tuple[Place, str], body: bytes) -> None:
        self._kept[key] = body
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _MOST_BYTES:
            self._kept.popitem(last=False)
