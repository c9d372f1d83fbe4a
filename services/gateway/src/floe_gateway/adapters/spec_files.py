"""Reading the documents of an unpacked submission: floe.yaml at its root, its platform, and what stands above that."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from floe_contracts.dialects.glimpses import PLATFORM_FILES
from floe_contracts.documents.reading import read_floe_spec
from floe_contracts.documents.yaml_tree import MAX_BYTES
from floe_contracts.errors import DocumentInvalid, FloeError, Where
from floe_contracts.platform.errors import PlatformMissing
from floe_contracts.platform.resolution import ResolvedPlatform, resolve_platform
from floe_gateway.errors import SpecMissing

FLOE_YAML: Final = "floe.yaml"
_KEPT: Final = "surrogateescape"


@dataclass(frozen=True, slots=True)
class Documents:
    """The product's name, the platform document if there is one, and those above it by their paths from its folder."""

    product: str
    platform: bytes | None
    platform_parents: Mapping[str, bytes] = field(default_factory=dict)


def read_documents(folder: Path, *, with_platform: bool) -> Documents:
    """Read and check the documents of a submission.

    Args:
        folder: the root of the submission.
        with_platform: whether a platform document counts.

    Raises:
        SpecMissing: there is no `floe.yaml`.
        DocumentInvalid: with all problems of all documents.
    """
    problems: list[FloeError] = []
    spec_text = _read(folder, FLOE_YAML)
    if spec_text is None:
        raise SpecMissing(
            f"there is no {FLOE_YAML} at the root of the archive", hint="pack from inside the folder: tar -czf - ."
        )
    product, named, platform = "", None, None
    try:
        spec = read_floe_spec(spec_text)
        product, named = spec.metadata.name, spec.platform.file
    except DocumentInvalid as error:
        problems += error.problems
    try:
        platform = _platform(folder, named) if with_platform else None
    except DocumentInvalid as error:
        problems += error.problems
    if problems:
        raise DocumentInvalid(problems)
    if platform is None:
        return Documents(product, None)
    own, *parents = [(document.name, document.text.encode("utf-8", _KEPT)) for document in platform.documents]
    return Documents(product, own[1], dict(parents))


def _platform(folder: Path, named: str | None) -> ResolvedPlatform | None:
    names = [named] if named else PLATFORM_FILES
    file, text = next(((name, text) for name in names if (text := _read(folder, name)) is not None), (names[0], None))
    if text is not None:
        return resolve_platform(text, file, partial(_parent, folder, posixpath.dirname(file)))
    if named is not None:
        where = Where(FLOE_YAML, path="platform.file")
        raise DocumentInvalid(
            [PlatformMissing(f"there is no {named} in the archive", where=where, hint="pack it with the product")]
        )
    return None


def _parent(folder: Path, below: str, name: str) -> str:
    text = _read(folder, posixpath.join(below, name))
    if text is None:
        raise LookupError(name)
    return text


def _read(folder: Path, file: str) -> str | None:
    """The text of a file of the archive, or its beginning if it is too large for a document anyway."""
    path = Path(posixpath.normpath(file))
    if path.is_absolute() or ".." in path.parts or not (folder / path).is_file():
        return None
    with (folder / path).open("rb") as opened:
        return opened.read(MAX_BYTES + 1).decode(errors=_KEPT)
