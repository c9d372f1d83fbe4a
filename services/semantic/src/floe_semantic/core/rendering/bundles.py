"""Bundles in the blob store: each file a blob, and a document that names them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from floe_contracts.digests import canonical_json
from floe_contracts.errors import ContractError
from floe_semantic.core.cube_bundles import BundleDocument, Verification
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.render import Bundle

_AT_ONCE: Final = 16


async def store_bundle(bundle: Bundle, blobs: Blobs) -> str:
    """Store `bundle` and return its digest, that of the canonical JSON of its document.

    Raises:
        Unreachable: the store does not take it.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def put(text: str) -> str:
        async with turns:
            return await blobs.put(text.encode())

    digests = await asyncio.gather(*(put(text) for text in bundle.files.values()))
    document = BundleDocument(
        files=dict(zip(bundle.files, digests, strict=True)),
        cubes=dict(bundle.shown.cubes),
        views=dict(bundle.shown.views),
        policies=bundle.shown.policies,
        skipped=bundle.skipped,
        verification=Verification(roles=bundle.roles, claims=dict(bundle.claims)),
    )
    return await blobs.put(canonical_json(document.model_dump(mode="json")))


async def read_bundle(blobs: Blobs, digest: str) -> BundleDocument:
    """The document of a stored bundle.

    Raises:
        BlobMissing: it is not in the store.
        BlobCorrupt: it does not have its digest.
        ContractError: it is no bundle of this major.
        Unreachable: the store does not answer.
    """
    try:
        return BundleDocument.read(json.loads(await blobs.get(digest)))
    except ValueError as error:
        raise ContractError(f"the bundle {digest} is not JSON: {error}") from error


async def read_files(blobs: Blobs, document: BundleDocument) -> Mapping[str, str]:
    """The texts of a bundle, by path; raises what `read_bundle` raises."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def get(digest: str) -> str:
        async with turns:
            return (await blobs.get(digest)).decode()

    texts = await asyncio.gather(*(get(digest) for digest in document.files.values()))
    return dict(zip(document.files, texts, strict=True))
