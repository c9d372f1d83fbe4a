"""Governance of documents below each other: the stricter rule wins, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from floe_contracts.documents.field_problems import validate_tree
from floe_contracts.documents.placed import Part, Placed
from floe_contracts.documents.yaml_tree import Path
from floe_contracts.errors import DocumentInvalid, FloeError, Where
from floe_contracts.governance.rules import GovernanceRules
from floe_contracts.governance.scopes import refused_overrides, stricter
from floe_contracts.platform.errors import FieldForbidden
from floe_contracts.platform.merging import MergedTree

FIELD: Final = "governance"


@dataclass(frozen=True, slots=True)
class _Said:
    """The rules of one document, as a model and as plain values."""

    tree: Placed
    rules: GovernanceRules
    value: Any


def merge_governance(merged: MergedTree, trees: Sequence[Placed]) -> MergedTree:
    """`merged` with the governance that holds.

    Args:
        merged: all documents as one.
        trees: the documents, from the widest to the narrowest.

    Raises:
        DocumentInvalid: rules that are not valid by themselves, or exceptions from rules that allow none.
    """
    said = list(_said(trees))
    if len(said) < 2:
        return merged
    holds = said[0].rules
    problems: list[FloeError] = []
    for one in said[1:]:
        problems += _forbidden_exceptions(holds, one)
        holds = stricter(holds, one.rules)
    if problems:
        raise DocumentInvalid(problems)
    value = _plain(holds)
    sources = {path: where for path, where in merged.sources.items() if path[:1] != (FIELD,)}
    sources |= {(FIELD, *path): where for path, where in _sources(value, (), said)}
    return MergedTree(merged.file, merged.value | {FIELD: value}, sources)


def _said(trees: Sequence[Placed]) -> Iterator[_Said]:
    for tree in trees:
        if isinstance(tree.value.get(FIELD), dict):
            rules = validate_tree(GovernanceRules, Part(tree, tree.value[FIELD], (FIELD,)))
            yield _Said(tree, rules, _plain(rules, exclude_unset=True))


def _plain(rules: GovernanceRules, *, exclude_unset: bool = False) -> Any:
    return rules.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=exclude_unset)


def _forbidden_exceptions(floor: GovernanceRules, said: _Said) -> Iterator[FieldForbidden]:
    for override in refused_overrides(floor, said.rules):
        index = said.rules.overrides.index(override)
        yield FieldForbidden(
            f"a document above allows no exception from {override.rule}",
            where=said.tree.where((FIELD, "overrides", index, "rule")),
            hint="take it out here, or ask the owner of the document above to allow it",
        )


def _sources(value: Any, path: Path, said: Sequence[_Said]) -> Iterator[tuple[Path, Where]]:
    yield path, _source(value, path, said)
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _sources(item, (*path, key), said)


def _source(value: Any, path: Path, said: Sequence[_Said]) -> Where:
    """The place of the widest document that says this very value; else of the narrowest that says anything near it."""
    for one in said:
        own = _at(one.value, path[:-1])
        if path and isinstance(own, list) and value in own:
            return one.tree.where((FIELD, *path[:-1], own.index(value)))
        if path and isinstance(own, dict) and own.get(str(path[-1])) == value:
            return one.tree.where((FIELD, *path))
    near = max(said, key=lambda one: sum(_at(one.value, path[:length]) is not None for length in range(len(path) + 1)))
    return near.tree.where((FIELD, *path))


def _at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
