"""Access policies: those that match a caller show him, together, what the rules let him see, of his own rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_semantic.core.rendering.policies.access_policies import RowFilter, Rule, Rules, access_policies
from floe_semantic.core.rendering.shown import shown
from floe_semantic.core.rendering.sql.identifiers import role_key

ROLES = ["finance", "data-owner", "constructor", "hr"]
RULES = st.builds(
    Rule,
    action=st.sampled_from(["mask", "redact", "restrict"]),
    roles=st.frozensets(st.sampled_from(ROLES), max_size=3),
)
MEMBERS = st.dictionaries(st.sampled_from("abcde"), st.frozensets(RULES, max_size=3), min_size=1)
CALLERS = st.frozensets(st.sampled_from([*ROLES, "somebody"]))


class Context:
    """The security context as Cube's conditions see it: what is not there is undefined, which counts as false."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        return self._values.get(name)


def matching(policies: list[dict[str, Any]], roles: frozenset[str], claims: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The policies whose conditions hold for a caller."""
    has = Context({role_key(role): True for role in roles})
    names = {"securityContext": Context({**claims, "floe": Context({"has": has})})}
    found = []
    for policy in policies:
        results = [eval(item["if"].strip("{} "), {}, names) for item in policy.get("conditions", ())]  # noqa: S307
        assert all(isinstance(result, bool) for result in results), "Cube refuses anything else"
        if all(results):
            found.append(policy)
    return found


def granting(
    policies: list[dict[str, Any]], members: Mapping[str, Rules], kind: Literal["shown", "masked"]
) -> dict[str, int]:
    """How many of `policies` show or mask each member, read as Cube reads them."""

    def listed(names: Any) -> set[str]:
        return set(members) if names == "*" else set(names)

    found = Counter[str]()
    for policy in policies:
        level = policy["member_level"]
        if kind == "shown":
            found.update(listed(level.get("includes", "*")) - listed(level.get("excludes", ())))
        else:
            found.update(listed(policy.get("member_masking", {"includes": ()})["includes"]))
    return dict(found)


@given(MEMBERS, CALLERS)
def test_a_caller_sees_what_the_rules_allow(members: dict[str, Rules], roles: frozenset[str]) -> None:
    policies = matching(access_policies(members, RowFilter("owner", "tenant")), roles, {"tenant": "t0"})
    unmet = {name: [rule for rule in rules if not rule.roles & roles] for name, rules in members.items()}
    # Once each: what one policy masks and another shows, Cube would mask in part.
    assert granting(policies, members, "shown") == {name: 1 for name, hidden in unmet.items() if not hidden}
    assert granting(policies, members, "masked") == {
        name: 1 for name, hidden in unmet.items() if hidden and all(rule.action != "restrict" for rule in hidden)
    }


@given(MEMBERS)
def test_all_policies_choose_the_same_rows(members: dict[str, Rules]) -> None:
    # A policy without the filter would lift it from every member that it grants, or from all of them below a view.
    rows = {"filters": [{"member": "owner", "operator": "equals", "values": ["{ securityContext.tenant }"]}]}
    assert all(policy["row_level"] == rows for policy in access_policies(members, RowFilter("owner", "tenant")))
    assert all(policy["row_level"] == {"allow_all": True} for policy in access_policies(members, None))


@given(MEMBERS, CALLERS, st.sampled_from([{}, {"tenant": None}, {"tenant": ""}]))
def test_nobody_sees_anything_without_the_claim(
    members: dict[str, Rules], roles: frozenset[str], claims: dict[str, Any]
) -> None:
    assert matching(access_policies(members, RowFilter("owner", "tenant")), roles, claims) == []


@given(MEMBERS, CALLERS)
def test_what_a_view_stands_on_is_masked_instead_of_excluded_alone(
    members: dict[str, Rules], roles: frozenset[str]
) -> None:
    policies = matching(access_policies(members, None, in_view=True), roles, {})
    hidden = {name for name, rules in members.items() if any(not rule.roles & roles for rule in rules)}
    assert granting(policies, members, "masked") == dict.fromkeys(hidden, 1)
    assert granting(policies, members, "shown") == dict.fromkeys(set(members) - hidden, 1)


@given(MEMBERS)
def test_who_has_every_role_is_shown_what_anybody_sees(members: dict[str, Rules]) -> None:
    policies = access_policies(members, None)
    document = {"name": "a", "dimensions": [{"name": name} for name in members], "access_policy": policies}
    found = matching(policies, frozenset(ROLES), {})
    seen = granting(found, members, "shown") | granting(found, members, "masked")
    assert shown([{"cubes": [document]}]).cubes["a"] == tuple(sorted(seen))


@pytest.mark.parametrize("count", [1, 12, 40])
def test_policies_grow_with_the_rules_and_no_faster(count: int) -> None:
    rules = {f"m{n}": frozenset({Rule("mask", frozenset({f"r{n}", f"s{n}"}))}) for n in range(count)}
    assert len(access_policies(rules, None)) == 1 + 2 * count
    restricted = {f"m{n}": frozenset({Rule("restrict", frozenset({f"r{n}"}))}) for n in range(count)}
    assert len(access_policies(restricted, None)) == 1 + count


def test_members_with_the_same_rules_share_their_policies() -> None:
    rules = frozenset({Rule("mask", frozenset({"hr"}))})
    of_all, masked, shown_to_hr = access_policies({"b": rules, "a": rules, "c": frozenset()}, None)
    assert of_all["member_level"] == {"excludes": ["a", "b"]}
    assert shown_to_hr["member_level"] == {"includes": ["a", "b"]}
    assert masked["member_masking"] == {"includes": ["a", "b"]}


def test_conditions_name_no_role_that_follows_from_another() -> None:
    members = {
        "a": frozenset({Rule("mask", frozenset({"owner"})), Rule("mask", frozenset({"owner", "finance"}))}),
        "b": frozenset({Rule("mask", frozenset({"owner"}))}),
    }
    assert len(access_policies(members, None)) == 3


def test_without_rules_and_owners_there_is_one_policy_that_shows_all() -> None:
    assert access_policies({"a": frozenset()}, None) == [
        {"group": "*", "member_level": {"includes": "*"}, "row_level": {"allow_all": True}}
    ]


@pytest.mark.parametrize("action", ["mask", "redact", "restrict"])
def test_a_rule_without_roles_hides_from_everybody(action: Any) -> None:
    members = {"a": frozenset({Rule(action, frozenset())})}
    (policy,) = matching(access_policies(members, None), frozenset(ROLES), {})
    assert policy["member_level"] == {"excludes": ["a"]}
