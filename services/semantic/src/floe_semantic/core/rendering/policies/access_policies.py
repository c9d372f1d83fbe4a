"""Who sees what: the access policies of cubes and views, deny by default.

Cube grants the union of all policies that match. What one of them masks and another shows under a row filter stays null
in aggregates, though. So no two policies that match one caller speak of the same member: one shows it to those who have
the roles for it, one masks it for the others. All policies of a cube choose the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
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
Conditions = tuple[str, ...]
"""What must hold of a caller, all of it, as Cube reads it."""


@dataclass(frozen=True, slots=True)
class _Granted:
    """The members that one policy shows, and those that it masks."""

    shown: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)


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
    """The `access_policy` of one cube or view: one for everybody, and at most two for each combination of rules.

    Args:
        members: every member with its rules.
        row_filter: how rows are chosen; None shows all rows.
        in_view: whether a view stands on this cube. A query that names the view then passes over the exclusions of
            the cube, even for members that it takes from the cube itself; masks hold. So what such a cube restricts
            is null in it, and absent from the view.
    """
    protected = sorted(name for name, rules in members.items() if rules)
    granted: dict[Conditions, _Granted] = {(): _Granted()}
    for name in protected:
        shown, masked = _shown_if(members[name]), _masked_if(members[name], in_view=in_view)
        if shown is not None:
            granted.setdefault(shown, _Granted()).shown.append(name)
        if masked is not None:
            granted.setdefault(masked, _Granted()).masked.append(name)
    return [_policy(conditions, granted[conditions], row_filter, protected=protected) for conditions in sorted(granted)]


def _shown_if(rules: Rules) -> Conditions | None:
    """Of whom a member is not hidden by any of `rules`; None if there can be nobody."""
    wanted = {rule.roles for rule in rules}
    return _having(wanted) if all(wanted) else None


def _masked_if(rules: Rules, *, in_view: bool) -> Conditions | None:
    """For whom none of `rules` restricts a member, and another hides it; None if there can be nobody."""
    restricting = {rule.roles for rule in rules if rule.action == "restrict" and not in_view}
    hiding = {rule.roles for rule in rules if not any(roles <= rule.roles for roles in restricting)}
    if not all(restricting) or not hiding:
        return None
    lacking = " or ".join(f"not ({_any_of(roles)})" for roles in _fewest(hiding))
    return (*_having(restricting), *([f"{{ {lacking} }}"] if all(hiding) else []))


def _fewest(sets: Collection[Roles]) -> list[Roles]:
    """Those of `sets` by which a caller who has a role of each has one of each of the others as well."""
    return sorted((roles for roles in sets if not any(other < roles for other in sets)), key=sorted)


def _having(sets: Collection[Roles]) -> Conditions:
    # Doubly negated, because Cube takes nothing but true and false, and a role that nobody has is undefined.
    return tuple(f"{{ not not ({_any_of(roles)}) }}" for roles in _fewest(sets))


def _any_of(roles: Roles) -> str:
    return " or ".join(f"securityContext.floe.has.{role_key(role)}" for role in sorted(roles))


def _policy(
    conditions: Conditions, granted: _Granted, row_filter: RowFilter | None, *, protected: list[str]
) -> dict[str, Any]:
    owned = [f"{{ not not securityContext.{row_filter.claim} }}"] if row_filter else []
    policy: dict[str, Any] = {"group": "*"}
    if owned or conditions:
        policy["conditions"] = [{"if": condition} for condition in (*owned, *conditions)]
    if not conditions:
        policy["member_level"] = {"excludes": protected} if protected else {"includes": "*"}
    else:
        # An empty list of inclusions would be one slip away from Cube's default, which is to include all.
        policy["member_level"] = {"includes": granted.shown} if granted.shown else {"excludes": "*"}
    if granted.masked:
        policy["member_masking"] = {"includes": granted.masked}
    policy["row_level"] = _row_level(row_filter)
    return policy


def _row_level(row_filter: RowFilter | None) -> dict[str, Any]:
    if row_filter is None:
        return {"allow_all": True}
    equals = {
        "member": row_filter.member,
        "operator": "equals",
        "values": [f"{{ securityContext.{row_filter.claim} }}"],
    }
    return {"filters": [equals]}
