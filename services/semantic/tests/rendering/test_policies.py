"""Access policies: exactly one matches every caller, and it shows what the rules let him see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_semantic.core.rendering.policies.access_policies import RowFilter, Rule, Rules, access_policies
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


@given(MEMBERS, CALLERS)
def test_exactly_one_policy_matches_and_shows_what_the_rules_allow(
    members: dict[str, Rules], roles: frozenset[str]
) -> None:
    row_filter = RowFilter("owner", "tenant")
    (policy,) = matching(access_policies(members, row_filter), roles, {"tenant": "t0"})
    hidden = policy["member_level"].get("excludes", [])
    masked = policy.get("member_masking", {}).get("includes", [])
    for name, rules in members.items():
        unmet = [rule for rule in rules if not rule.roles & roles]
        assert (name in hidden) is bool(unmet)
        assert (name in masked) is (bool(unmet) and all(rule.action != "restrict" for rule in unmet))
    assert policy["row_level"]["filters"] == [
        {"member": "owner", "operator": "equals", "values": ["{ securityContext.tenant }"]}
    ]


@given(MEMBERS, CALLERS, st.sampled_from([{}, {"tenant": None}, {"tenant": ""}]))
def test_nobody_sees_anything_without_the_claim(
    members: dict[str, Rules], roles: frozenset[str], claims: dict[str, Any]
) -> None:
    assert matching(access_policies(members, RowFilter("owner", "tenant")), roles, claims) == []


@given(MEMBERS, CALLERS)
def test_what_a_view_stands_on_is_masked_instead_of_excluded_alone(
    members: dict[str, Rules], roles: frozenset[str]
) -> None:
    (policy,) = matching(access_policies(members, None, in_view=True), roles, {})
    hidden = policy["member_level"].get("excludes", [])
    assert policy.get("member_masking", {}).get("includes", []) == hidden


def test_a_view_over_all_classifications_has_few_policies() -> None:
    rules = {f"m{n}": frozenset({Rule("mask", frozenset({f"r{n}", f"s{n}"}))}) for n in range(5)}
    assert len(access_policies(rules, None)) == 32


def test_roles_that_include_each_other_make_no_impossible_policies() -> None:
    members = {
        "a": frozenset({Rule("mask", frozenset({"owner"}))}),
        "b": frozenset({Rule("mask", frozenset({"owner", "finance"}))}),
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
