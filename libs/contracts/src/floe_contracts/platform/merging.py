"""Laying one platform document over another, so that every value remembers where it was written.

Maps are merged by key; everything else is replaced whole, by null too. A map that names another `type` or `mode` than
the one above it is another thing, and replaces it whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from floe_contracts.documents.field_problems import KINDS
from floe_contracts.documents.placed import Placed
from floe_contracts.documents.yaml_tree import Path
from floe_contracts.errors import Where


@dataclass(frozen=True, slots=True)
class MergedTree:
    """A document made of several; fulfils `Placed`."""

    file: str
    value: Any
    sources: Mapping[Path, Where] = field(repr=False)

    def where(self, path: Path) -> Where:
        """The place of `path`, or of the nearest part above it that was written."""
        for length in range(len(path), -1, -1):
            if found := self.sources.get(path[:length]):
                # A document of an older form has another path for it than the canonical one.
                parts = [*([found.path] if found.path else []), *path[length:]]
                return Where(found.file, found.line, found.column, ".".join(map(str, parts)) or None)
        return Where(self.file)


@dataclass(slots=True)
class _Node:
    """A value, or the nodes of a map; `tree` is the document that wrote it last."""

    tree: Placed
    value: Any = None
    children: dict[str, _Node] | None = None


def merge_trees(trees: Sequence[Placed], own: Collection[str]) -> MergedTree:
    """The documents as one.

    Args:
        trees: from the widest to the narrowest, at least one; each is a mapping.
        own: fields that a document says of itself alone, so that only those of the narrowest one count.
    """
    *above, last = trees
    nodes = [_node(tree, {key: value for key, value in tree.value.items() if key not in own}) for tree in above]
    merged = reduce(_onto, [*nodes, _node(last, last.value)])
    return MergedTree(last.file, _value(merged), dict(_sources(merged, ())))


def replaces(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> bool:
    """Whether the map `lower` is another kind of thing than `upper`, and so takes its place."""
    return any(kind in upper and kind in lower and upper[kind] != lower[kind] for kind in KINDS)


def _node(tree: Placed, value: Any) -> _Node:
    if isinstance(value, dict):
        return _Node(tree, children={key: _node(tree, item) for key, item in value.items()})
    return _Node(tree, value)


def _onto(upper: _Node, lower: _Node) -> _Node:
    if upper.children is None or lower.children is None or replaces(_kinds(upper), _kinds(lower)):
        return lower
    children = dict(upper.children)
    for key, node in lower.children.items():
        children[key] = _onto(children[key], node) if key in children else node
    return _Node(lower.tree, children=children)


def _kinds(node: _Node) -> dict[str, Any]:
    return {kind: child.value for kind in KINDS if (child := (node.children or {}).get(kind))}


def _value(node: _Node) -> Any:
    if node.children is None:
        return node.value
    return {key: _value(child) for key, child in node.children.items()}


def _sources(node: _Node, path: Path) -> Iterator[tuple[Path, Where]]:
    yield path, node.tree.where(path)
    if node.children is None:
        yield from _listed(node.tree, node.value, path)
    for key, child in (node.children or {}).items():
        yield from _sources(child, (*path, key))


def _listed(tree: Placed, value: Any, path: Path) -> Iterator[tuple[Path, Where]]:
    """The places below a list, which always stands as its document wrote it."""
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, list):
        items = enumerate(value)
    elif isinstance(value, dict):
        items = value.items()
    for key, item in items:
        yield (*path, key), tree.where((*path, key))
        yield from _listed(tree, item, (*path, key))
