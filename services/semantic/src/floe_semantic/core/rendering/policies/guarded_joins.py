"""Joins that tell nobody more than the cubes that they join.

Cube applies the policies of a cube to a query only if the query names a member of it, in its SQL or in that of a join.
Columns are no members. So the condition of a join names members wherever something depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from floe_semantic.core.rendering.cubes.members import Cube, Join
from floe_semantic.core.rendering.policies.access_policies import Roles, Rule, Rules, is_masked
from floe_semantic.core.rendering.untranslatable import Untranslatable

_OTHERS: Final = "because a join compares it with a column that others may see"


def with_guarded_joins(
    cubes: Mapping[str, Cube], rules: Mapping[str, Mapping[str, Rules]], skipped: list[str]
) -> dict[str, Cube]:
    """`cubes` (by unique id) with joins under the policies of both sides.

    - The row owners of both sides are named, so that their filters hold as well for a cube that a query only passes
      through: who is asked for orders and stores must not learn by it which customers of others go to which store.
    - A column that is hidden from others than its counterpart is named as a member. Whoever may not see it has no join
      by it, for else the other side would tell him its value.

    Args:
        cubes: with joins.
        rules: of the columns of each model, casefolded, by unique id.
        skipped: is told of joins that are left out, because a hidden column of theirs is no member.
    """
    by_name = {cube.name: (cube, rules[node_id]) for node_id, cube in cubes.items()}
    return {
        node_id: replace(cube, joins=tuple(_guarded_joins(cube, rules[node_id], by_name, skipped)))
        for node_id, cube in cubes.items()
    }


def without_masks_in_joins(
    cubes: Mapping[str, Cube], rules: Mapping[str, Mapping[str, Rules]], skipped: list[str]
) -> dict[str, dict[str, Rules]]:
    """`rules` (by unique id) where columns that joins name as members are null to whom they are hidden from.

    A text that stands in for hidden values equals the one on the other side, and every row would match every other.

    Args:
        cubes: with guarded joins.
        rules: of the columns of each model, casefolded.
        skipped: is told of columns that are null instead of that text.
    """
    by_name = {cube.name: node_id for node_id, cube in cubes.items()}
    found = {node_id: dict(of_columns) for node_id, of_columns in rules.items()}
    for node_id, cube in cubes.items():
        for join in cube.joins:
            target_id = by_name[join.target]
            for own, other in _guarded_pairs(join, rules[node_id], rules[target_id]):
                _unmask(cube, own, found[node_id], skipped)
                _unmask(cubes[target_id], other, found[target_id], skipped)
    return found


def is_guarded(join: Join, rules: Mapping[str, Rules], target_rules: Mapping[str, Rules]) -> bool:
    """Whether `join` is there for some callers only, by the rules of the columns of both sides."""
    return bool(_guarded_pairs(join, rules, target_rules))


def _guarded_pairs(join: Join, rules: Mapping[str, Rules], target_rules: Mapping[str, Rules]) -> list[tuple[str, str]]:
    def seen_by(column: str, of_columns: Mapping[str, Rules]) -> frozenset[Roles]:
        return frozenset(rule.roles for rule in of_columns.get(column.casefold(), frozenset()))

    return [(own, other) for own, other in join.pairs if seen_by(own, rules) != seen_by(other, target_rules)]


def _unmask(cube: Cube, column: str, rules: dict[str, Rules], skipped: list[str]) -> None:
    name = column.casefold()
    present = rules.get(name, frozenset())
    if not is_masked(present):
        return
    rules[name] = frozenset(Rule("redact", rule.roles) if rule.action == "mask" else rule for rule in present)
    # What is no text is null under a mask anyway.
    if any(item.type == "string" and name in item.columns for item in cube.dimensions):
        skipped.append(f"{cube.node.unique_id}: {column}: redact instead of mask, {_OTHERS}")


def _guarded_joins(
    cube: Cube, rules: Mapping[str, Rules], cubes: Mapping[str, tuple[Cube, Mapping[str, Rules]]], skipped: list[str]
) -> Iterator[Join]:
    for join in cube.joins:
        target, target_rules = cubes[join.target]
        guarded = _guarded_pairs(join, rules, target_rules)
        try:
            sides = [
                _sides(cube, rules, target, target_rules, pair)
                if pair in guarded
                else (cube.scope.column(pair[0]).sql, _column(target, pair[1]))
                for pair in join.pairs
            ]
        except Untranslatable as reason:
            skipped.append(f"{cube.node.unique_id}: no join to {join.target}: {reason}")
            continue
        owners = [
            f"{{{name}.{side.row_owner}}} is not null"
            for name, side in (("CUBE", cube), (target.name, target))
            if side.row_owner
        ]
        yield replace(join, sql=" and ".join([*(f"{own} = {other}" for own, other in sides), *owners]))


def _sides(
    cube: Cube, rules: Mapping[str, Rules], target: Cube, target_rules: Mapping[str, Rules], pair: tuple[str, str]
) -> tuple[str, str]:
    own, other = pair
    return (
        _member(cube, "CUBE", own) if rules.get(own.casefold()) else cube.scope.column(own).sql,
        _member(target, target.name, other) if target_rules.get(other.casefold()) else _column(target, other),
    )


def _column(target: Cube, column: str) -> str:
    return target.scope.column(column).sql.replace("{CUBE}", f"{{{target.name}}}", 1)


def _member(cube: Cube, name: str, column: str) -> str:
    sql = cube.scope.column(column).sql
    found = next((item.name for item in cube.dimensions if item.sql == sql), None)
    if found is None:
        raise Untranslatable(f"column {column} is protected, and no dimension of {cube.name}")
    return f"{{{name}.{found}}}"
