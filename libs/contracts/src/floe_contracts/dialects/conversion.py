"""Building the canonical form of a document, where each value still knows where it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from floe_contracts.documents.yaml_tree import Path, Tree
from floe_contracts.errors import Permanent, Where

_VERSION: Final = re.compile(r"v?([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?((?:[-+][0-9A-Za-z.+-]{1,60})?)")
_WORD_START: Final = re.compile(r"_([a-z0-9])")


class DialectRefused(Permanent):
    """A document of an older form says what floe does not do; the rule is in docs/reference/dialects.md."""

    code = "FLOE-SPEC-008"
    title = "A document of an older form says what floe does not do"


@dataclass(frozen=True, slots=True)
class Note:
    """Something in a document of an older form that was understood and has no home in floe, or found another one.

    Attributes:
        where: the place in the document.
        message: what happens to it, and why.
    """

    where: Where
    message: str

    def __str__(self) -> str:
        """`place: message`."""
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Converted:
    """A document in its canonical form; fulfils `floe_contracts.documents.placed.Placed`.

    Attributes:
        tree: what was written.
        value: the canonical values.
        origins: for canonical paths the path of the document as it was written.
        notes: what has no home in the canonical form.
        refusals: what floe does not do.
    """

    tree: Tree
    value: Any
    origins: Mapping[Path, Path] = field(repr=False)
    notes: tuple[Note, ...] = ()
    refusals: tuple[DialectRefused, ...] = ()

    @property
    def file(self) -> str:
        """The file of the document."""
        return self.tree.file

    @property
    def is_canonical(self) -> bool:
        """Whether the document was written in this form."""
        return self.value is self.tree.value

    def where(self, path: Path) -> Where:
        """The place, in the document as it was written, of the canonical `path`."""
        for length in range(len(path), -1, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return self.tree.where((*origin, *path[length:]))
        return self.tree.where(())


def as_written(tree: Tree) -> Converted:
    """A document that is in its canonical form already."""
    return Converted(tree, tree.value, {(): ()})


class Draft:
    """The canonical form of a document while it is being built."""

    def __init__(self, tree: Tree, *, kind: Literal["FloeSpec", "PlatformSpec"]) -> None:
        self.value: dict[str | int, Any] = {}
        self._tree = tree
        self._origins: dict[Path, Path] = {(): ()}
        self._notes: list[Note] = []
        self._refusals: list[DialectRefused] = []
        self.put(("apiVersion",), "floe.dev/v1", ())
        self.put(("kind",), kind, ())

    def written(self, path: Path) -> Any:
        """What stands at `path` in the document; None where nothing does."""
        value: Any = self._tree.value
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def keys(self, path: Path) -> list[str]:
        """The keys of the map at `path`; none where there is no map."""
        section = self.written(path)
        return list(section) if isinstance(section, dict) else []

    def put(self, target: Path, value: Any, origin: Path) -> None:
        """Set the canonical `target`, a path of keys, to a value that comes from `origin`."""
        node: dict[str | int, Any] = self.value
        for length, part in enumerate(target[:-1], 1):
            node = node.setdefault(part, {})
            same = origin[:length] == target[:length]
            self._origins.setdefault(target[:length], origin[:length] if same else origin[:-1])
        node[target[-1]] = value
        self._origins[target] = origin

    def trace(self, target: Path, origin: Path) -> None:
        """Say where a canonical path comes from whose value is a part of one that was put."""
        self._origins[target] = origin

    def move(self, origin: Path, target: Path) -> None:
        """Take a value over as it is, if there is one."""
        if (value := self.written(origin)) is not None:
            self.put(target, value, origin)

    def move_all(self, origin: Path, target: Path, fields: Mapping[str, str]) -> None:
        """Take fields of a section over: from the names they had to those they have."""
        for old, new in fields.items():
            self.move((*origin, old), (*target, new))

    def move_reference(self, origin: Path, target: Path) -> None:
        """Take a text or a reference to a secret over."""
        value = self.written(origin)
        if isinstance(value, dict) and "secret_ref" in value:
            self.put(target, {camel(key): item for key, item in value.items()}, origin)
            self.trace((*target, "secretRef"), (*origin, "secret_ref"))
        elif value is not None:
            self.put(target, value, origin)

    def drop(self, origin: Path, reason: str) -> None:
        """Leave a part of the document out, and say so if it was written."""
        if self.written(origin) not in (None, {}, []):
            self.note(origin, reason)

    def note(self, origin: Path, message: str) -> None:
        """Say something of a part of the document."""
        self._notes.append(Note(self._tree.where(origin), message))

    def refuse(self, origin: Path, message: str, rule: str, hint: str) -> None:
        """Refuse the document for a part of it."""
        where = self._tree.where(origin)
        self._refusals.append(DialectRefused(message, where=where, hint=f"{hint} (rule {rule})"))

    def semver(self, origin: Path, target: Path, rule: str) -> None:
        """Take a version over, with the numbers that it lacks; what is no version stays, to be refused."""
        text = self.written(origin)
        if text is None:
            self.put(target, "1.0.0", origin)
            return
        match = _VERSION.fullmatch(text) if isinstance(text, str) else None
        version = text if match is None else f"{match[1]}.{match[2] or 0}.{match[3] or 0}{match[4]}"
        self.put(target, version, origin)
        if version != text:
            self.note(origin, f"becomes {version}: floe's versions are semantic ones ({rule})")

    def finish(self) -> Converted:
        """What was built."""
        notes = sorted(self._notes, key=lambda note: (note.where.line or 0, note.where.column or 0))
        return Converted(self._tree, self.value, self._origins, tuple(notes), tuple(self._refusals))


def camel(name: str) -> str:
    """`http_path` as `httpPath`."""
    return _WORD_START.sub(lambda match: match[1].upper(), name)
