"""Submissions on the compiler's disk: one folder a product, updated in place, so that dbt can parse partially."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from floe_chassis.blobs import BlobStore
from floe_chassis.source_bundles import unpack
from floe_compiler.adapters.installed_platform import read_installed
from floe_compiler.core.ports import CheckedOut
from floe_compiler.errors import PlatformFixed
from floe_contracts.digests import digest_of
from floe_contracts.platform_spec import DEFAULT_PLATFORM
from floe_contracts.subjects import escape


class BundleSources:
    """Fulfils `Sources` from the blob store."""

    def __init__(self, blobs: BlobStore, folder: Path, platform_file: Path | None) -> None:
        self._blobs = blobs
        self._folder = folder
        self._platform_file = platform_file

    async def check_out(
        self, *, tenant: str, product: str, bundle: str, platform: str | None, platform_parents: Mapping[str, str]
    ) -> CheckedOut:
        folder = self._folder / escape(tenant) / escape(product)
        await unpack(bundle, self._blobs, folder)
        floe_yaml = folder / "floe.yaml"
        platform_yaml, parents = await self._platform(platform, platform_parents)
        return CheckedOut(
            folder=folder,
            floe_yaml=_text(floe_yaml.read_bytes()) if floe_yaml.is_file() else None,
            platform_yaml=platform_yaml,
            platform_parents=parents,
        )

    async def platforms(self, *, platform: str | None, platform_parents: Mapping[str, str]) -> dict[str, str]:
        if self._platform_file is None and platform is not None:
            return {"submitted": platform, **{f"submitted {name}": parent for name, parent in platform_parents.items()}}
        text, parents = await self._platform(platform, platform_parents)
        return {name: digest_of(_bytes(one)) for name, one in {"installed": text, **_prefixed(parents)}.items()}

    async def _platform(self, digest: str | None, parents: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
        """The text of platform.yaml, and those of the documents above it."""
        if self._platform_file is not None:
            if digest is not None:
                raise PlatformFixed(
                    "this installation has its own platform.yaml",
                    hint="publish without platform.yaml; ask the platform's owner for what you need changed",
                )
            return await asyncio.to_thread(read_installed, self._platform_file)
        if digest is None:
            return DEFAULT_PLATFORM, {}
        return await self._blob(digest), {name: await self._blob(parent) for name, parent in sorted(parents.items())}

    async def _blob(self, digest: str) -> str:
        return _text(await self._blobs.get(digest))


def _prefixed(parents: Mapping[str, str]) -> dict[str, str]:
    return {f"installed {name}": text for name, text in parents.items()}


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _text(content: bytes) -> str:
    """The text of a document; bytes that are not UTF-8 stay visible, so that reading the document refuses them."""
    return content.decode(errors="surrogateescape")
