"""A product's folder on disk: finding and reading its two documents."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from floe_contracts.dialects.conversion import Converted, Note
from floe_contracts.dialects.glimpses import PLATFORM_FILES
from floe_contracts.documents.placed import Placed
from floe_contracts.documents.reading import read_both, read_floe_spec, read_floe_tree
from floe_contracts.errors import DocumentInvalid, WrongUsage
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.platform.errors import PlatformMissing
from floe_contracts.platform.resolution import ResolvedPlatform, resolve_platform
from floe_contracts.platform_spec import DEFAULT_PLATFORM, PlatformSpec

_KEPT: Final = "surrogateescape"
"""Bytes that are not UTF-8 stay visible, so that reading the document refuses them."""
EMBEDDED: Final = "the embedded platform"
"""What the default is called where a file would be named."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product's folder and its documents."""

    folder: Path
    path: Path
    """The folder as it was named, for messages."""
    spec: FloeSpec
    resolved: ResolvedPlatform
    platform_yaml: str | None
    """The text of platform.yaml; None where the embedded default stands in for it."""
    notes: tuple[Note, ...] = ()
    """What documents of an older form say that has no home in floe."""

    @property
    def name(self) -> str:
        """The product's name."""
        return self.spec.metadata.name

    @property
    def platform(self) -> PlatformSpec:
        """The platform with everything that it inherits."""
        return self.resolved.spec


def read_product(path: Path) -> Product:
    """Read the product of a folder.

    Raises:
        WrongUsage: the folder has no floe.yaml.
        DocumentInvalid: with the problems of both documents.
    """
    folder = path.resolve()
    floe_yaml = folder / "floe.yaml"
    if not floe_yaml.is_file():
        raise _no_product(path)
    text = floe_yaml.read_text("utf-8", _KEPT)
    named = _named_platform(text)
    platform_yaml = _text(folder / (named or platform_file(folder)))
    spec, platform = read_both(
        lambda: read_floe_spec(text, str(path / "floe.yaml")), lambda: _resolved(path, text, named, platform_yaml)
    )
    return Product(folder, path, spec, platform, platform_yaml, _notes(path, text, platform))


def _no_product(path: Path) -> WrongUsage:
    if path.is_file():
        return WrongUsage(f"{path} is a file", hint=f"name the folder of the product: {path.parent}")
    if not path.exists():
        return WrongUsage(f"there is no folder {path}", hint="name the folder of a product, or `floe init` a new one")
    hint = "name the folder of a product, or `floe init` a new one"
    if (path / "floe.yml").is_file():
        hint = "rename floe.yml to floe.yaml"
    return WrongUsage(f"there is no floe.yaml in {path}", hint=hint)


def platform_file(folder: Path) -> str:
    """The name of the platform's document in a folder that has one, or that it would have."""
    return next((name for name in PLATFORM_FILES if (folder / name).is_file()), PLATFORM_FILES[0])


def _notes(path: Path, floe_yaml: str, platform: ResolvedPlatform) -> tuple[Note, ...]:
    trees = [document.tree for document in platform.documents if isinstance(document.tree, Converted)]
    return tuple(note for tree in (read_floe_tree(floe_yaml, str(path / "floe.yaml")), *trees) for note in tree.notes)


def floe_yaml_tree(path: Path) -> Placed:
    """The values of a folder's floe.yaml, each with its place."""
    return read_floe_tree((path / "floe.yaml").read_text("utf-8", _KEPT), str(path / "floe.yaml"))


def _named_platform(floe_yaml: str) -> str | None:
    """The file that floe.yaml names as its platform's, if floe.yaml is valid and names one."""
    try:
        return read_floe_spec(floe_yaml).platform.file
    except DocumentInvalid:
        return None


def _resolved(path: Path, floe_yaml: str, named: str | None, platform_yaml: str | None) -> ResolvedPlatform:
    if platform_yaml is None and named is None:
        return resolve_platform(DEFAULT_PLATFORM, EMBEDDED, partial(_parent, path))
    file = Path(os.path.normpath(path / (named or platform_file(path))))
    if platform_yaml is None:
        missing = PlatformMissing(
            f"there is no {file}",
            where=read_floe_tree(floe_yaml, str(path / "floe.yaml")).where(("platform", "file")),
            hint="the path starts at the folder of floe.yaml; left out, it is platform.yaml beside it",
        )
        raise DocumentInvalid([missing])
    return resolve_platform(platform_yaml, file.as_posix(), partial(_parent, file.parent.resolve()))


def _parent(folder: Path, name: str) -> str:
    return (folder / name).read_text("utf-8", _KEPT)


def _text(file: Path) -> str | None:
    return file.read_text("utf-8", _KEPT) if file.is_file() else None
