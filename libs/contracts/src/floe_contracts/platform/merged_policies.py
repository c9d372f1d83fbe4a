"""Policies of documents below each other: what an environment does to a classification is never less than above."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from floe_contracts.documents.placed import Placed
from floe_contracts.documents.yaml_tree import Path
from floe_contracts.platform.environments import PolicyAction
from floe_contracts.platform.merging import MergedTree

STRICTNESS: Final[tuple[PolicyAction, ...]] = ("none", "mask", "redact", "synthesize", "restrict")
"""From the mildest action to the strictest."""


def merge_policies(merged: MergedTree, trees: Sequence[Placed]) -> MergedTree:
    """`merged` with the strictest action that a document names for each classification of each environment.

    Who is let through all the same, `requiresRole`, is the narrower document's to say.

    Args:
        merged: all documents as one.
        trees: the documents, from the widest to the narrowest.
    """
    value, sources = merged.value, dict(merged.sources)
    for path in _actions(merged.value):
        said = [(tree, action) for tree in trees if (action := _at(tree.value, path)) in STRICTNESS]
        if said and _at(value, path) in STRICTNESS:
            tree, action = max(said, key=lambda one: STRICTNESS.index(one[1]))
            if action != _at(value, path):
                value = _with(value, path, action)
                sources[path] = tree.where(path)
    return MergedTree(merged.file, value, sources)


def _actions(document: Any) -> Iterator[Path]:
    """The path of each action, as far as the document has the form of a platform."""
    environments = _at(document, ("environments",))
    for name in environments if isinstance(environments, dict) else ():
        policies = _at(environments, (name, "policies"))
        for classification in policies if isinstance(policies, dict) else ():
            yield "environments", name, "policies", classification, "action"


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _with(value: Any, path: Path, leaf: Any) -> Any:
    """A copy of `value` with another leaf at `path`."""
    return {**value, path[0]: _with(value[path[0]], path[1:], leaf)} if path else leaf
