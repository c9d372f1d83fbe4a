"""What changes in classifications and policies mean for who reads the served columns."""

from __future__ import annotations

from collections.abc import Iterator

from floe_compiler.core.plan.strictness import Move, compare_policies, shown
from floe_compiler.core.plan.view import EnvironmentView
from floe_contracts.artifacts import CompiledPolicy
from floe_contracts.nodes import Column, Node
from floe_contracts.plans import Impact

_LISTED = 5


def classification_impacts(before: EnvironmentView, after: EnvironmentView) -> Iterator[Impact]:
    """Columns whose classification changed, and classifications whose policy changed, in one environment."""
    yield from _columns(before, after)
    yield from _policies(before, after)


def _columns(before: EnvironmentView, after: EnvironmentView) -> Iterator[Impact]:
    served = after.served()
    for earlier, node in _common(before, after):
        columns = {column.name.casefold(): column for column in node.columns}
        for column in earlier.columns:
            now = columns.get(column.name.casefold())
            if now is not None and _name(column) != _name(now):
                is_served = node.unique_id in served and earlier.unique_id in before.served()
                yield _column(f"{node.name}.{now.name}", column, now, before, after, is_served=is_served)


def _column(
    subject: str, column: Column, now: Column, before: EnvironmentView, after: EnvironmentView, *, is_served: bool
) -> Impact:
    was, becomes = _name(column), _name(now)
    text = f"is {becomes or 'not classified'}, and was {was or 'not classified'}"
    policies = before.compiled.policies.get(was or ""), after.compiled.policies.get(becomes or "")
    move = compare_policies(*policies) if is_served else Move.SAME
    if move is Move.STRICTER:
        return Impact(kind="cube", severity="breaking", subject=subject, message=f"{text}: {_told(*policies)}")
    if move is Move.LOOSER:
        return Impact(kind="classification", severity="warning", subject=subject, message=f"{text}: {_told(*policies)}")
    severity = "warning" if becomes is None else "info"
    return Impact(kind="classification", severity=severity, subject=subject, message=text)


def _policies(before: EnvironmentView, after: EnvironmentView) -> Iterator[Impact]:
    for name in sorted({*before.compiled.policies, *after.compiled.policies}):
        policies = before.compiled.policies.get(name), after.compiled.policies.get(name)
        move = compare_policies(*policies)
        columns = list(_served_columns(before, after, name))
        if policies[0] == policies[1] or (move is Move.SAME and not columns):
            continue
        listed = ", ".join(columns[:_LISTED]) + (", ..." if len(columns) > _LISTED else "")
        text = f"{_told(*policies)}; {len(columns)} served columns: {listed}" if columns else _told(*policies)
        if move is Move.STRICTER:
            severity = "breaking" if columns else "info"
            yield Impact(kind="cube" if columns else "classification", severity=severity, subject=name, message=text)
        else:
            severity = "warning" if move is Move.LOOSER else "info"
            yield Impact(kind="classification", severity=severity, subject=name, message=text)


def _served_columns(before: EnvironmentView, after: EnvironmentView, classification: str) -> Iterator[str]:
    """The columns that are served and so classified, before and after."""
    served = before.served().keys() & after.served().keys()
    for earlier, node in _common(before, after):
        if node.unique_id in served:
            was = {column.name.casefold() for column in earlier.columns if _name(column) == classification}
            for column in node.columns:
                if _name(column) == classification and column.name.casefold() in was:
                    yield f"{node.name}.{column.name}"


def _common(before: EnvironmentView, after: EnvironmentView) -> Iterator[tuple[Node, Node]]:
    earlier = {node.unique_id: node for node in before.graph.nodes}
    return ((earlier[node.unique_id], node) for node in after.graph.nodes if node.unique_id in earlier)


def _name(column: Column) -> str | None:
    return column.classification.classification if column.classification else None


def _told(before: CompiledPolicy | None, after: CompiledPolicy | None) -> str:
    return f"{shown(after)} to readers, and was {shown(before)}"
