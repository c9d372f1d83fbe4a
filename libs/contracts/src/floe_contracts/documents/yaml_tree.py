"""Strict YAML: values with the place where each one stands.

Every scalar stays the text that was written (`1.10`, `NO`, `12:30:45`); the model that reads the tree decides the
type. Only a plain `null`, `~` or nothing is None. Aliases, tags, duplicate keys, keys over `MAX_KEY`, texts over
`MAX_TEXT`, depth over `MAX_DEPTH`, more than `MAX_VALUES` values and files over `MAX_BYTES` are refused.

The tree is built from the parser's events, not by its composer: libyaml's composer recurses in C, and a document of
200 kB of `[` kills the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import yaml

from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, Where

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 40
MAX_KEY: Final = 128
MAX_TEXT: Final = 32 * 1024
"""So that no pattern that a field is held against has much to chew on, and messages that quote a value stay short."""
MAX_TAG_DIRECTIVES: Final = 16
"""libyaml compares each with all before it: 256 kB of them take it half a second."""
MAX_VALUES: Final = 10_000
MAX_PROBLEMS: Final = 100
"""So that the event that tells of a refusal stays small."""
_QUOTES: Final = "a text with `: ` in it, or with one of @ ` % * & ! | > at its beginning, stands in quotes"
_HINTS: Final = {
    "mapping values are not allowed in this context": _QUOTES,
    "found character that cannot start any token": _QUOTES,
    "did not find expected alphabetic or numeric character": _QUOTES,
    "found a tab character that violates indentation": "indent with spaces",
}
"""How to mend what libyaml says most often."""
_NULLS: Final = frozenset({"", "~", "null"})

Path: TypeAlias = tuple[str | int, ...]


class YamlInvalid(Permanent):
    """A text that is not the YAML that floe reads."""

    code = "FLOE-SPEC-002"
    title = "A document is not readable YAML"


@dataclass(frozen=True, slots=True)
class Tree:
    """A document: nested dicts, lists, strings and None, and the line and column of each of its parts."""

    file: str
    value: Any
    places: dict[Path, tuple[int, int]]

    def where(self, path: Path) -> Where:
        """The place of `path`, or of the nearest part above it that was written."""
        for length in range(len(path), -1, -1):
            if place := self.places.get(path[:length]):
                return Where(self.file, *place, _shown(path))
        return Where(self.file, path=_shown(path))


def read_tree(text: str, file: str) -> Tree:
    """Read one YAML document.

    Args:
        text: the document.
        file: its name, for messages.

    Raises:
        DocumentInvalid: with every problem of the YAML itself.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise DocumentInvalid([YamlInvalid("the file is not UTF-8", where=Where(file))]) from error
    if size > MAX_BYTES:
        raise DocumentInvalid([YamlInvalid(f"the file is over {MAX_BYTES // 1024} kB", where=Where(file))])
    if text.count("%TAG") > MAX_TAG_DIRECTIVES:
        raise DocumentInvalid([YamlInvalid("the file is full of %TAG directives", where=Where(file))])
    reader = _Reader(file, yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    try:
        value = reader.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Where(file, mark.line + 1, mark.column + 1) if mark else Where(file)
        problem = str(error.problem or error.context)
        reader.problems.append(YamlInvalid(f"not YAML: {problem}", where=where, hint=_HINTS.get(problem)))
    except yaml.YAMLError as error:
        reader.problems.append(YamlInvalid(f"not YAML: {error}", where=Where(file)))
    except _Stopped:
        pass
    if reader.problems:
        raise DocumentInvalid(reader.problems)
    return Tree(file, value, reader.places)


class _Stopped(Exception):
    """Reading on makes no sense."""


class _Reader:
    """Turns the parser's events into values, and collects what is refused on the way."""

    def __init__(self, file: str, events: Iterator[yaml.Event]) -> None:
        self.places: dict[Path, tuple[int, int]] = {}
        self.problems: list[FloeError] = []
        self._file = file
        self._events = events

    def document(self) -> Any:
        """The only document of the stream."""
        next(self._events)
        start = next(self._events)
        if not isinstance(start, yaml.DocumentStartEvent):
            self._refuse("the document is empty", start, ())
            raise _Stopped
        value = self._value(next(self._events), ())
        next(self._events)
        after = next(self._events)
        if isinstance(after, yaml.DocumentStartEvent):
            self._refuse("a second document starts here", after, (), hint="one file holds one document")
        return value

    def _value(self, event: yaml.Event, path: Path) -> Any:
        self.places.setdefault(path, _place(event))
        if len(self.places) > MAX_VALUES:
            self._refuse(f"the document has over {MAX_VALUES} values", event, path)
            raise _Stopped
        if isinstance(event, yaml.AliasEvent):
            self._refuse("aliases are not allowed", event, path, hint="write the value out where it is needed")
            return None
        if getattr(event, "tag", None) is not None:
            self._refuse(f"the tag {event.tag!r} is not allowed", event, path)  # type: ignore[attr-defined]
        if isinstance(event, yaml.ScalarEvent):
            if len(event.value) > MAX_TEXT:
                self._refuse(f"a text has over {MAX_TEXT} characters", event, path)
            return None if event.implicit[0] and event.value in _NULLS else event.value
        if len(path) >= MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", event, path)
            raise _Stopped
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(item, (*path, index)) for index, item in enumerate(self._until(yaml.SequenceEndEvent))]
        return self._mapping(path)

    def _mapping(self, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._key(event, path, result)
            if key is None:
                self._value(next(self._events), (*path, "?"))
            else:
                self.places[(*path, key)] = _place(event)
                result[key] = self._value(next(self._events), (*path, key))
        return result

    def _key(self, event: yaml.Event, path: Path, known: dict[str, Any]) -> str | None:
        problems = len(self.problems)
        key = self._value(event, (*path, "?"))
        if len(self.problems) > problems:
            return None
        if not isinstance(key, str):
            self._refuse("a key must be a plain text", event, path)
        elif len(key) > MAX_KEY:
            self._refuse(f"a key has over {MAX_KEY} characters", event, path)
        elif key in known:
            self._refuse(f"the key {key!r} stands twice", event, path)
        else:
            return key
        return None

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _refuse(self, message: str, event: yaml.Event, path: Path, hint: str | None = None) -> None:
        where = Where(self._file, *_place(event), _shown(path))
        self.problems.append(YamlInvalid(message, where=where, hint=hint))
        if len(self.problems) >= MAX_PROBLEMS:
            self.problems.append(YamlInvalid("too many problems to go on", where=where))
            raise _Stopped


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _shown(path: Path) -> str | None:
    return ".".join(str(part) for part in path) or None
