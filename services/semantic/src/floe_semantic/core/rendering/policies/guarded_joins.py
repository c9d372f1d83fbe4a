"""Joins that tell nobody more than the cubes that they join.

Cube applies the policies of a cube to a query only if the query names a member of it, in its SQL or in that of a join.
Columns are no members. So the condition of a join names members wherever something depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from floe_semantic.core.rendering.cubes.members import Cube, Join
from floe_semantic.core.rendering.policies.access_policies import Roles, Rules
from floe_semantic.core.rendering.untranslatable import Untranslatable


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


def _guarded_joins(
    cube: Cube, rules: Mapping[str, Rules], cubes: Mapping[str, tuple[Cube, Mapping[str, Rules]]], skipped: list[str]
) -> Iterator[Join]:
    for join in cube.joins:
        target, target_rules = cubes[join.target]
        try:
            sides = [_sides(cube, rules, target, target_rules, pair) for pair in join.pairs]
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
    of_own = rules.get(own.casefold(), frozenset())
    of_other = target_rules.get(other.casefold(), frozenset())
    if _seen_by(of_own) == _seen_by(of_other):
        return cube.scope.column(own).sql, _column(target, other)
    return (
        _member(cube, "CUBE", own) if of_own else cube.scope.column(own).sql,
        _member(target, target.name, other) if of_other else _column(target, other),
    )


def _seen_by(rules: Rules) -> frozenset[Roles]:
    return frozenset(rule.roles for rule in rules)


def _column(target: Cube, column: str) -> str:
    return target.scope.column(column).sql.replace("{CUBE}", f"{{{target.name}}}", 1)


def _member(cube: Cube, name: str, column: str) -> str:
    sql = cube.scope.column(column).sql
    found = next((item.name for item in cube.dimensions if item.sql == sql), None)
    if found is None:
        raise Untranslatable(f"column {column} is protected, and no dimension of {cube.name}")
    return f"{{{name}.{found}}}"
