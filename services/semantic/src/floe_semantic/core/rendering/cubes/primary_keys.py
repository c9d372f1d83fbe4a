"""Which columns name a row of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from floe_contracts.nodes import Check, Node
from floe_semantic.core.rendering.metricflow.elements import SemanticModel

_TAG: Final = "primary_key"
_UNIQUE: Final = frozenset({"unique", "unique_combination_of_columns"})


def primary_key(node: Node, models: Sequence[SemanticModel], skipped: list[str]) -> Mapping[str, str]:
    """The primary key, casefolded -> as spelled; empty if there is none.

    In this order: a primary key constraint; columns with the tag `primary_key`, as cube_dbt has it; a column whose
    tests `unique` and `not_null` every row must pass; what dbt infers from other tests, unless all of them bear
    failures; the primary entity of a semantic model.

    Args:
        node: the dbt model.
        models: its semantic models.
        skipped: is told of a key that is none, because its tests bear failures.
    """
    constraint = next((key.columns for key in node.keys if key.type == "primary_key"), ())
    if constraint:
        return _spelled(constraint)
    tagged = [column.name for column in node.columns if _TAG in column.tags]
    if tagged:
        return _spelled(tagged)
    tested = _tested(node)
    if tested:
        return _spelled(tested)
    uniqueness = [check for check in node.checks if check.name.rpartition(".")[2] in _UNIQUE]
    if node.primary_key and (not uniqueness or not all(check.partial for check in uniqueness)):
        return _spelled(sorted(node.primary_key))
    entities = (entity.sql for model in models for entity in model.entities if entity.type == "primary")
    entity = next((_spelled([sql]) for sql in entities if sql.isidentifier()), {})
    if node.primary_key and not entity:
        columns = ", ".join(sorted(node.primary_key))
        skipped.append(f"{node.unique_id}: no primary key: the tests of {columns} bear failures")
    return entity


def unique_columns(node: Node) -> set[str]:
    """The columns, casefolded, that have each value once: by a test of every row, or by a constraint."""
    tested = {check.column.casefold() for check in node.checks if _holds(check, "unique") and check.column}
    stated = {key.columns[0].casefold() for key in node.keys if key.type == "unique" and len(key.columns) == 1}
    return tested | stated


def _tested(node: Node) -> list[str]:
    unique = {check.column for check in node.checks if check.column and _holds(check, "unique")}
    present = {check.column for check in node.checks if check.column and _holds(check, "not_null")}
    return sorted(unique & present)[:1]


def _holds(check: Check, name: str) -> bool:
    return check.name == name and not check.partial


def _spelled(columns: Sequence[str]) -> dict[str, str]:
    return {column.casefold(): column for column in columns}
