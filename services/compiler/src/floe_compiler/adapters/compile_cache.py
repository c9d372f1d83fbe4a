"""Outcomes of compilations in the bucket `floe_compilations`: the same inputs are announced again without a parse.

A cache and nothing more: an outcome that is gone, unreadable or incomplete is compiled again, and a bus that does not
answer costs a parse. The entries stand on the bus and not among the blobs because only the compiler may write there.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import date
from hashlib import sha256
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Final

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue
from pydantic import Field

from floe_chassis.blobs import BlobStore
from floe_compiler.core.cache_key import CachedCompilation, Days, named_blobs
from floe_contracts.artifacts import read_artifact
from floe_contracts.errors import BlobMissing, FloeError
from floe_contracts.events import Data
from floe_contracts.governance.reports import EnforcementSummary

_log = structlog.get_logger(__name__)

_PACKAGES: Final = ("floe_compiler", "floe_contracts", "floe_dbt", "floe_chassis")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_UNUSABLE: Final = (FloeError, NatsError, OSError, TimeoutError, ValueError)


class _Entry(Data):
    artifact: str = Field(description="Digest of the artifact.")
    enforcement: EnforcementSummary | None = None
    first_day: date | None = None
    last_day: date | None = None


class KeyValueCompileCache:
    """Fulfils `CompileCache`."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]], blobs: BlobStore) -> None:
        """Keep entries in the bucket that `bucket` opens, and what they name in `blobs`."""
        self._open = bucket
        self._blobs = blobs

    async def find(self, key: str, today: date) -> CachedCompilation | None:
        try:
            cached = await self._read(key)
            if cached is None or not cached.days.include(today):
                return None
            there = await asyncio.gather(*(self._blobs.has(digest) for digest in named_blobs(cached)))
            return cached if all(there) else None
        except BlobMissing:
            return None
        except _UNUSABLE as error:
            _log.warning("compile cache not used", reason=str(error))
            return None

    async def remember(self, key: str, compilation: CachedCompilation) -> None:
        entry = _Entry(
            artifact=compilation.artifact.digest(),
            enforcement=compilation.enforcement,
            first_day=compilation.days.first,
            last_day=compilation.days.last,
        )
        try:
            await (await self._open()).put(key, entry.model_dump_json(exclude_none=True).encode())
        except _UNUSABLE as error:
            _log.warning("compilation not remembered", reason=str(error))

    async def _read(self, key: str) -> CachedCompilation | None:
        try:
            found = await (await self._open()).get(key)
        except KeyNotFoundError:
            return None
        entry = _Entry.read(json.loads(found.value or b""))
        artifact = read_artifact(await self._blobs.get(entry.artifact), entry.artifact)
        return CachedCompilation(artifact, entry.enforcement, Days(entry.first_day, entry.last_day))


def code_digest(packages: Iterable[str] = _PACKAGES) -> str:
    """A digest of the code that compiles: of the Python files of floe's packages, and the versions of what they need.

    So nobody has to remember to raise a number when the compiler learns something.
    """
    digest = sha256()
    for package in packages:
        for path, content in sorted(_files(resources.files(package), package)):
            digest.update(f"{path} {len(content)}\n".encode() + content)
        for requirement in sorted(metadata.requires(package) or ()):
            digest.update(f"{requirement} {_installed(requirement)}\n".encode())
    return digest.hexdigest()


def _files(folder: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    for entry in folder.iterdir():
        path = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from _files(entry, path)
        elif entry.name.endswith((".py", ".json")):
            yield path, entry.read_bytes()


def _installed(requirement: str) -> str:
    name = _NAME.match(requirement)
    try:
        return metadata.version(name[0]) if name else ""
    except metadata.PackageNotFoundError:  # of an extra, or of another system
        return ""
