"""Where a properties file (schema.yml) speaks of which node and column, so that a finding has its true line.

dbt has accepted the file before, with all that its YAML may hold: aliases, tags, any size. So it is read event by
event, without building its values and without recursion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import yaml

Item: TypeAlias = tuple[str, str, str | None]
"""Section (models, seeds, ...), name of the node, and name of the column or None."""
Position: TypeAlias = tuple[int, int]
"""Line and column, from 1."""

_Path: TypeAlias = tuple[str | int, ...]
_DEEPEST: Final = 5
"""Of what is looked at: models, its index, columns, its index, name."""
_MOST_NESTED: Final = 200
"""libyaml takes quadratic time over flow collections in each other; nothing is read below so many."""


def read_positions(text: str) -> dict[Item, Position]:
    """Where each node and column of a properties file begins; as far as the file can be read."""
    starts: dict[_Path, Position] = {}
    names: dict[_Path, str] = {}
    try:
        for path, event in _values(text):
            if len(path) in (2, 4) and isinstance(path[-1], int):
                mark = event.start_mark
                starts[path] = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            elif len(path) in (3, 5) and path[-1] == "name" and isinstance(event, yaml.ScalarEvent):
                names[path[:-1]] = event.value
    except yaml.YAMLError:
        pass  # what was found before is true all the same
    found: dict[Item, Position] = {}
    for path, name in names.items():
        section, node = str(path[0]), names.get(path[:2])
        if len(path) == 2:
            found.setdefault((section, name, None), starts[path])
        elif path[2] == "columns" and node is not None:
            found.setdefault((section, node, name), starts[path])
    return found


@dataclass(slots=True)
class _Collection:
    """A mapping or a list that is being read."""

    path: _Path
    is_mapping: bool
    key: str | None = None
    index: int = 0

    def next_path(self) -> _Path:
        """The path of the value that comes; below `_DEEPEST`, that of the collection."""
        part: str | int = self.index
        if self.is_mapping:
            part, self.key = self.key or "", None
        self.index += 1
        return (*self.path, part) if len(self.path) < _DEEPEST else self.path


def _values(text: str) -> Iterator[tuple[_Path, yaml.Event]]:
    """The first event of every value, with its path; keys are part of paths, not values."""
    stack: list[_Collection] = []
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
        elif isinstance(event, yaml.NodeEvent):
            top = stack[-1] if stack else None
            if top is not None and top.is_mapping and top.key is None:
                top.key = event.value if isinstance(event, yaml.ScalarEvent) else ""
                path: _Path = (*top.path, "") if len(top.path) < _DEEPEST else top.path
            else:
                path = top.next_path() if top is not None else ()
                yield path, event
            if len(stack) == _MOST_NESTED:
                return
            if isinstance(event, yaml.CollectionStartEvent):
                stack.append(_Collection(path, isinstance(event, yaml.MappingStartEvent)))
