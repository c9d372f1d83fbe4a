"""From documents of an older form to canonical YAML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from floe_cli.products import platform_file
from floe_contracts.dialects.conversion import Converted, Note
from floe_contracts.dialects.glimpses import PLATFORM_FILES
from floe_contracts.documents.reading import read_floe_tree, read_platform_tree, validate_floe, validate_platform
from floe_contracts.errors import DocumentInvalid, FloeError, WrongUsage

PLATFORM_YAML, MANIFEST_YAML = PLATFORM_FILES


@dataclass(frozen=True, slots=True)
class Migrated:
    """A document in its canonical form.

    Attributes:
        source: the file that was read.
        target: the file that the canonical form belongs in.
        text: the canonical form.
        notes: what has no home in it.
        changed: whether the document had another form.
    """

    source: Path
    target: Path
    text: str = field(repr=False)
    notes: tuple[Note, ...]
    changed: bool

    @property
    def backup(self) -> Path:
        """Where the document as it was is kept."""
        return self.source.with_name(f"{self.source.name}.bak")


def migrate_folder(folder: Path) -> list[Migrated]:
    """The documents of a folder in canonical form.

    Raises:
        WrongUsage: the folder has neither document.
        DocumentInvalid: with the problems of both documents.
    """
    problems: list[FloeError] = []
    migrated: list[Migrated] = []
    for source, target in _documents(folder):
        try:
            migrated.append(_migrated(source, target))
        except DocumentInvalid as error:
            problems += error.problems
    if problems:
        raise DocumentInvalid(problems)
    if not migrated:
        raise WrongUsage(
            f"there is neither floe.yaml nor {PLATFORM_YAML} nor {MANIFEST_YAML} in {folder}",
            hint="name the folder of a product or of a platform",
        )
    return migrated


def write(migrated: list[Migrated]) -> None:
    """Write the documents that had another form; each is kept beside it as it was.

    Raises:
        WrongUsage: there is a kept document already, or a file in the way; nothing was written.
    """
    changed = [document for document in migrated if document.changed]
    for document in changed:
        taken = [document.backup, *([document.target] if document.target != document.source else [])]
        if found := next((file for file in taken if file.exists()), None):
            raise WrongUsage(f"{found} is in the way", hint="move it away, and migrate again")
    for document in changed:
        document.source.rename(document.backup)
        document.target.write_text(document.text, encoding="utf-8")


def _documents(folder: Path) -> Iterator[tuple[Path, Path]]:
    for source, target in (("floe.yaml", "floe.yaml"), (platform_file(folder), PLATFORM_YAML)):
        if (folder / source).is_file():
            yield folder / source, folder / target


def _migrated(source: Path, target: Path) -> Migrated:
    text = source.read_text("utf-8", "surrogateescape")
    tree = (read_floe_tree if source.name == "floe.yaml" else read_platform_tree)(text, str(source))
    document = _canonical(tree)
    if tree.is_canonical:
        return Migrated(source, source, text, (), changed=False)
    renamed = document.get("platform", {}).get("file") == MANIFEST_YAML and (source.parent / MANIFEST_YAML).is_file()
    if renamed and platform_file(source.parent) == MANIFEST_YAML:
        document["platform"]["file"] = PLATFORM_YAML  # where the manifest beside it goes
    written = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return Migrated(source, target, written, tree.notes, changed=True)


def _canonical(tree: Converted) -> dict[str, Any]:
    """The plain values of a document in its canonical form; reading them gives the same model.

    Raises:
        DocumentInvalid: the document is not valid.
    """
    if tree.value["kind"] == "FloeSpec":
        return validate_floe(tree).model_dump(mode="json", by_alias=True, exclude_unset=True)
    if tree.value.get("parent") is not None:  # what it lacks stands in the documents above it
        return dict(tree.value)
    return validate_platform(tree).model_dump(mode="json", by_alias=True, exclude_unset=True)
