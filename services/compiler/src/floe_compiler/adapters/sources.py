"""Submissions on the compiler's disk: one folder a product, updated in place, so that dbt can parse partially."""

from __future__ import annotations

from pathlib import Path

from floe_chassis.blobs import BlobStore
from floe_chassis.source_bundles import unpack
from floe_compiler.core.ports import CheckedOut
from floe_compiler.errors import PlatformFixed
from floe_contracts.platform_spec import DEFAULT_PLATFORM
from floe_contracts.subjects import escape


class BundleSources:
    """Fulfils `Sources` from the blob store."""

    def __init__(self, blobs: BlobStore, folder: Path, platform_file: Path | None) -> None:
        self._blobs = blobs
        self._folder = folder
        self._platform_file = platform_file

    async def check_out(self, *, tenant: str, product: str, bundle: str, platform: str | None) -> CheckedOut:
        folder = self._folder / escape(tenant) / escape(product)
        await unpack(bundle, self._blobs, folder)
        floe_yaml = folder / "floe.yaml"
        return CheckedOut(
            folder=folder,
            floe_yaml=_text(floe_yaml.read_bytes()) if floe_yaml.is_file() else None,
            platform_yaml=await self._platform(platform),
        )

    async def _platform(self, digest: str | None) -> str:
        if self._platform_file is not None:
            if digest is not None:
                raise PlatformFixed(
                    "this installation has its own platform.yaml",
                    hint="publish without platform.yaml; ask the platform's owner for what you need changed",
                )
            return _text(self._platform_file.read_bytes())
        return DEFAULT_PLATFORM if digest is None else _text(await self._blobs.get(digest))


def _text(content: bytes) -> str:
    """The text of a document; bytes that are not UTF-8 stay visible, so that reading the document refuses them."""
    return content.decode(errors="surrogateescape")
