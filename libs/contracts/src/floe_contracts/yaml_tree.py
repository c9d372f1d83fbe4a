"""Strict YAML: values with the place where each one stands.

Every scalar stays the text that was written (`1.10`, `NO`, `12:30:45`); the model that reads the tree decides the
type. Only a plain `null`, `~` or nothing is None. Aliases, anchors' reuse, tags, duplicate keys, depth over
`MAX_DEPTH` and files over `MAX_BYTES` are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import yaml

from floe_contracts.errors import DocumentInvalid, FloeError, Permanent, Where

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 40
_NULLS: Final = frozenset({"", "~", "null"})
_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge")
)

Path = tuple[str | int, ...]


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
        shown = ".".join(str(part) for part in path) or None
        for length in range(len(path), -1, -1):
            if place := self.places.get(path[:length]):
                return Where(self.file, *place, shown)
        return Where(self.file, path=shown)


def read_tree(text: str, file: str) -> Tree:
    """Read one YAML document.

    Args:
        text: the document.
        file: its name, for messages.

    Raises:
        DocumentInvalid: with every problem of the YAML itself.
    """
    if len(text.encode()) > MAX_BYTES:
        raise _refused(YamlInvalid(f"the file is over {MAX_BYTES // 1024} kB", where=Where(file)))
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Where(file, mark.line + 1, mark.column + 1) if mark else Where(file)
        raise _refused(YamlInvalid(f"not YAML: {error.problem or error.context}", where=where)) from error
    except yaml.YAMLError as error:
        raise _refused(YamlInvalid(f"not YAML: {error}", where=Where(file))) from error
    except RecursionError as error:
        raise _refused(_too_deep(Where(file))) from error
    if root is None:
        raise _refused(YamlInvalid("the document is empty", where=Where(file, 1, 1)))
    walk = _Walk(file)
    value = walk.visit(root, ())
    if walk.problems:
        raise DocumentInvalid(walk.problems)
    return Tree(file, value, walk.places)


def _refused(problem: FloeError) -> DocumentInvalid:
    return DocumentInvalid([problem])


def _too_deep(where: Where) -> YamlInvalid:
    return YamlInvalid(f"nested deeper than {MAX_DEPTH} levels", where=where)


class _Walk:
    """Turns composed nodes into values, and collects what is refused on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[Path, tuple[int, int]] = {}
        self.problems: list[FloeError] = []
        self._seen: set[int] = set()

    def visit(self, node: yaml.Node, path: Path) -> Any:
        mark = node.start_mark
        place = (mark.line + 1, mark.column + 1)
        self.places.setdefault(path, place)
        where = Where(self.file, *place, ".".join(str(part) for part in path) or None)
        if len(path) > MAX_DEPTH:
            self.problems.append(_too_deep(where))
            return None
        if id(node) in self._seen:
            self.problems.append(
                YamlInvalid("aliases are not allowed", where=where, hint="write the value out where it is needed")
            )
            return None
        self._seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            self.problems.append(YamlInvalid(f"the tag {node.tag!r} is not allowed", where=where))
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.visit(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS:
            return None
        return node.value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in node.value:
            mark = key.start_mark
            where = Where(self.file, mark.line + 1, mark.column + 1, ".".join(str(part) for part in path) or None)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(YamlInvalid("a key must be a plain text", where=where))
                continue
            if key.value in result:
                self.problems.append(YamlInvalid(f"the key {key.value!r} stands twice", where=where))
                continue
            self.places[(*path, key.value)] = (mark.line + 1, mark.column + 1)
            result[key.value] = self.visit(item, (*path, key.value))
        return result
