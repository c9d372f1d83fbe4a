"""The platform that products of a repository are compiled against: the installation's, or the one in the repository."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from floe_compiler.adapters.installed_platform import read_installed
from floe_compiler.core.git.ports import Repositories
from floe_contracts.dialects.glimpses import PLATFORM_FILES, glimpse_platform_file
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.documents.yaml_tree import MAX_BYTES, read_tree
from floe_contracts.errors import DocumentInvalid, FloeError, Where
from floe_contracts.platform.errors import PlatformMissing
from floe_contracts.platform.resolution import parent_texts, resolve_platform
from floe_contracts.platform_spec import DEFAULT_PLATFORM
from floe_contracts.repositories import Repository, environments_of

ABSENT: Final = ""


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform.yaml and the documents above it.

    Attributes:
        text: of the document; None where the embedded default stands in.
        parents: their texts, by their paths from the document's folder.
        files: what was looked for: path in the repository -> object id, or `ABSENT`.
        problem: why there is no platform.
    """

    text: str | None
    parents: Mapping[str, str]
    files: Mapping[str, str]
    problem: FloeError | None = None

    @property
    def digest(self) -> str:
        """Another one as soon as any of the documents says something else."""
        texts = [self.text or DEFAULT_PLATFORM, *(self.parents[name] for name in sorted(self.parents))]
        return digest_of(canonical_json([digest_of(_bytes(text)) for text in texts]))

    def builds(self, ref: str) -> bool:
        """Whether the ref builds in any environment; a platform that is not valid is left to the compiler to refuse."""
        refs = self._refs()
        return refs is None or bool(environments_of(ref, refs))

    def _refs(self) -> Mapping[str, Sequence[str]] | None:
        try:
            resolved = resolve_platform(self.text or DEFAULT_PLATFORM, PLATFORM_FILES[0], self.parents.__getitem__)
        except DocumentInvalid:
            return None
        return {name: environment.refs for name, environment in resolved.spec.environments.items()}


async def installed_platform(file: Path) -> Platform:
    """The platform of the installation.

    Raises:
        PlatformUnreadable: it cannot be read.
    """
    text, parents = await asyncio.to_thread(read_installed, file)
    return Platform(text, parents, {})


async def committed_platform(
    repositories: Repositories, repository: Repository, files: Mapping[str, str], folder: str, floe_yaml: str | None
) -> Platform:
    """The platform that a product brings along: the file that floe.yaml names, else platform.yaml or manifest.yaml.

    Args:
        repositories: reads Git.
        repository: what was fetched.
        files: path -> object id of every regular file of the commit.
        folder: of the product.
        floe_yaml: the product's own document, if it can be read.

    Raises:
        Transient: the repository does not answer.
    """
    named = _named(floe_yaml)
    names = [named] if named else PLATFORM_FILES
    looked_for = [posixpath.normpath(posixpath.join(folder, name)) for name in names]
    base = next((path for path in looked_for if path in files), None)
    asked = dict.fromkeys(looked_for[: looked_for.index(base) if base else None], ABSENT)
    if base is None:
        where = Where("floe.yaml", path="platform.file")
        problem = PlatformMissing(f"there is no {looked_for[0]} in the repository", where=where) if named else None
        return Platform(None, {}, asked, problem)
    texts = {base: await _content(repositories, repository, files[base])}
    asked[base] = files[base]

    def read(name: str) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(base), name))
        asked[path] = files.get(path, ABSENT)
        if path in texts:
            return texts[path]
        if path in files:
            raise _NotRead(path)
        raise LookupError(path)

    while True:
        try:
            return Platform(texts[base], parent_texts(texts[base], posixpath.basename(base), read), dict(asked))
        except _NotRead as wanted:
            texts[wanted.path] = await _content(repositories, repository, files[wanted.path])


class _NotRead(Exception):
    """A document whose content is still to be fetched."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


async def _content(repositories: Repositories, repository: Repository, oid: str) -> str:
    size = (await repositories.bring(repository, [oid]))[oid]
    if size > MAX_BYTES:
        # Reading refuses a text of this length, whatever it says.
        return " " * (MAX_BYTES + 1)
    return _text((await repositories.read(repository, [oid]))[oid])


def _named(floe_yaml: str | None) -> str | None:
    """The file that floe.yaml names as its platform's."""
    try:
        value: Any = read_tree(floe_yaml or "", "floe.yaml").value
    except DocumentInvalid:
        return None
    return glimpse_platform_file(value) if isinstance(value, dict) else None


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
