"""Who sees what: the access policies of cubes and views, deny by default.

Cube grants the union of all policies that match, which makes overlapping ones show too much or too little. So each cube
and view has one policy for every set of cleared rules, with conditions by which exactly one of them can match a caller.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from floe_contracts.artifacts import CompiledPolicy
from floe_contracts.nodes import Node
from floe_semantic.core.rendering.sql.identifiers import role_key

Action = Literal["mask", "redact", "restrict"]
Roles = frozenset[str]

MASK: Final = "'[masked]'"


@dataclass(frozen=True, slots=True)
class Rule:
    """A column is shown as it is to callers with any of `roles`; `action` befalls the others. No role clears all."""

    action: Action
    roles: Roles


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Rows are shown to callers whose `claim` equals `member`."""

    member: str
    claim: str


Rules = frozenset[Rule]


def column_rules(
    node: Node, policies: Mapping[str, CompiledPolicy], *, keys: Collection[str], owner: str | None, skipped: list[str]
) -> dict[str, Rules]:
    """The rules of `node`'s columns by casefolded name.

    Args:
        node: the served model.
        policies: of the environment, by classification.
        keys: casefolded columns of the primary key. A masked key would make every count and join wrong, so a key is
            restricted instead.
        owner: the row owner column. Every caller sees only rows that hold his own claim there, so that hiding
            it would hide nothing, and a masked column would let no row through.
        skipped: is told of both, and of columns that should be synthesized: where nothing makes up values, they are
            restricted.
    """
    rules: dict[str, Rules] = {}
    for column in node.columns:
        policy = policies.get(column.classification.classification) if column.classification else None
        if policy is None or policy.action == "none":
            continue
        name = column.name.casefold()
        action: Action = "restrict" if policy.action == "synthesize" else policy.action
        if owner is not None and name == owner.casefold():
            skipped.append(f"{node.unique_id}: {column.name}: shown, because rows are chosen by it")
            continue
        if policy.action == "synthesize":
            skipped.append(f"{node.unique_id}: {column.name}: restrict instead of synthesize: nothing makes up values")
        elif name in keys and action != "restrict":
            action = "restrict"
            skipped.append(f"{node.unique_id}: {column.name}: restrict instead of {policy.action}, because it is a key")
        rules[name] = rules.get(name, frozenset()) | {Rule(action, frozenset(policy.requires_role))}
    return rules


def rules_over(columns: Iterable[str], rules: Mapping[str, Rules]) -> Rules:
    """The rules of a member that is computed from `columns`: all of theirs."""
    return frozenset().union(*(rules.get(column, frozenset()) for column in columns))


def is_masked(rules: Rules) -> bool:
    """Whether a text stands in for a value that these rules hide, instead of null: if none asks for null."""
    actions = {rule.action for rule in rules}
    return "mask" in actions and "redact" not in actions


def access_policies(
    members: Mapping[str, Rules], row_filter: RowFilter | None, *, in_view: bool = False
) -> list[dict[str, Any]]:
    """The `access_policy` of one cube or view.

    Args:
        members: every member with its rules.
        row_filter: how rows are chosen; None shows all rows.
        in_view: whether a view stands on this cube. A query that names the view then passes over the exclusions of
            the cube, even for members that it takes from the cube itself; masks hold. So what such a cube restricts
            is null in it, and absent from the view.
    """
    sets = sorted({rule.roles for rules in members.values() for rule in rules if rule.roles}, key=sorted)
    return [
        _policy(members, row_filter, sets, cleared, in_view=in_view)
        for size in range(len(sets) + 1)
        for cleared in itertools.combinations(sets, size)
        if _possible(sets, cleared)
    ]


def _possible(sets: list[Roles], cleared: tuple[Roles, ...]) -> bool:
    return not any(one <= other and other not in cleared for one in cleared for other in sets)


def _policy(
    members: Mapping[str, Rules],
    row_filter: RowFilter | None,
    sets: list[Roles],
    cleared: tuple[Roles, ...],
    *,
    in_view: bool,
) -> dict[str, Any]:
    open_rules = {name: [rule for rule in rules if rule.roles not in cleared] for name, rules in members.items()}
    hidden = sorted(name for name, rules in open_rules.items() if rules)
    masked = [name for name in hidden if in_view or all(rule.action != "restrict" for rule in open_rules[name])]
    conditions = [f"{{ not not securityContext.{row_filter.claim} }}"] if row_filter else []
    conditions += [_condition(roles, wanted=roles in cleared) for roles in sets]
    policy: dict[str, Any] = {"group": "*"}
    if conditions:
        policy["conditions"] = [{"if": condition} for condition in conditions]
    policy["member_level"] = {"excludes": hidden} if hidden else {"includes": "*"}
    if masked:
        policy["member_masking"] = {"includes": masked}
    policy["row_level"] = _row_level(row_filter)
    return policy


def _condition(roles: Roles, *, wanted: bool) -> str:
    # Doubly negated, because Cube takes nothing but true and false, and a role that nobody has is undefined.
    alternatives = " or ".join(f"securityContext.floe.has.{role_key(role)}" for role in sorted(roles))
    return f"{{ not {'not ' if wanted else ''}({alternatives}) }}"


def _row_level(row_filter: RowFilter | None) -> dict[str, Any]:
    if row_filter is None:
        return {"allow_all": True}
    equals = {
        "member": row_filter.member,
        "operator": "equals",
        "values": [f"{{ securityContext.{row_filter.claim} }}"],
    }
    return {"filters": [equals]}
