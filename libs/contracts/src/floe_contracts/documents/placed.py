"""A document that is read: its values, and where each of them was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from floe_contracts.documents.yaml_tree import Path
from floe_contracts.errors import Where


class Placed(Protocol):
    """The values of a document, which may come from several files."""

    @property
    def file(self) -> str:
        """The file that the document is known by."""
        ...

    @property
    def value(self) -> Any:
        """Nested dicts, lists, texts and None."""
        ...

    def where(self, path: Path) -> Where:
        """The place of `path`, or of the nearest part above it that was written."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a document, or some of its fields; fulfils `Placed`.

    Attributes:
        whole: the document.
        value: the values of the part.
        prefix: where the part begins in the document.
    """

    whole: Placed
    value: Any
    prefix: Path = ()

    @property
    def file(self) -> str:
        """The file of the whole document."""
        return self.whole.file

    def where(self, path: Path) -> Where:
        """The place in the whole document."""
        return self.whole.where((*self.prefix, *path))


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Values that stand in no document, as settings do; fulfils `Placed`.

    Attributes:
        file: what they are called in messages.
        value: the values.
    """

    file: str
    value: Any

    def where(self, path: Path) -> Where:
        """The path alone."""
        return Where(self.file, path=".".join(str(part) for part in path) or None)
