"""Bundles in the blob store: each file a blob, and a document that names them."""

from __future__ import annotations

from typing import Final

from floe_contracts.digests import canonical_json
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.render import Bundle

VERSION: Final = "1.0"


async def store_bundle(bundle: Bundle, blobs: Blobs) -> str:
    """Store `bundle` and return its digest, that of the canonical JSON `{"version", "files": {path: digest}}`."""
    files = {path: await blobs.put(text.encode()) for path, text in bundle.files.items()}
    return await blobs.put(canonical_json({"version": VERSION, "files": files}))
