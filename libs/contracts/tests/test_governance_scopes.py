"""Where the rules of two scopes meet: the stricter ones hold, whatever they are."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.governance.rules import LEVELS, Family, GovernanceRules
from floe_contracts.governance.scopes import refused_overrides, stricter

FAMILIES: tuple[Family, ...] = ("naming", "coverage", "documentation", "required", "classification")
TIERS = ("bronze", "silver", "gold")
CODES = ("FLOE-GOV-201", "FLOE-GOV-210", "FLOE-GOV-500")
NO_RULES = GovernanceRules()

levels = st.sampled_from([None, *LEVELS])
percents = st.integers(0, 100)
flags = st.booleans()
globs = st.sampled_from(["*", "gold_*", "models/*"])
conventions = st.one_of(
    st.fixed_dictionaries({"convention": st.sampled_from(["medallion", "kimball"]), "appliesTo": globs}),
    st.fixed_dictionaries({"convention": st.just("custom"), "patterns": st.sampled_from([["a.*"], ["b.*", "c"]])}),
)


def unique(items: st.SearchStrategy[Any], most: int = 3, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(
        items,
        min_size=least,
        max_size=most,
        unique_by=lambda item: repr(sorted(item.items()) if isinstance(item, dict) else item),
    )


def naming(parts: tuple[list[dict[str, Any]], str | None]) -> dict[str, Any]:
    (first, *further), level = parts
    return {**first, "further": further, "level": level}


documented = st.fixed_dictionaries({"models": flags, "columns": flags})
sections: dict[str, st.SearchStrategy[Any]] = {
    "naming": st.tuples(unique(conventions, least=1), levels).map(naming),
    "coverage": st.fixed_dictionaries(
        {"minimumPercent": percents, "byTier": st.dictionaries(st.sampled_from(TIERS), percents), "level": levels}
    ),
    "documentation": st.fixed_dictionaries(
        {
            "models": flags,
            "columns": flags,
            "refusePlaceholders": flags,
            "byTier": st.dictionaries(st.sampled_from(TIERS), documented),
            "level": levels,
        }
    ),
    "required": st.fixed_dictionaries(
        {
            "tags": unique(st.fixed_dictionaries({"tags": st.sampled_from([["a"], ["b"]]), "appliesTo": globs})),
            "meta": unique(st.fixed_dictionaries({"fields": st.sampled_from([["owner"], ["sla.hours"]])})),
            "tests": unique(st.fixed_dictionaries({"test": st.sampled_from(["unique", "not_null"])})),
            "level": levels,
        }
    ),
    "classification": st.fixed_dictionaries(
        {
            "exposed": flags,
            "policies": flags,
            "tiers": unique(st.sampled_from(TIERS)),
            "names": unique(st.sampled_from(["payroll", "health"])),
            "level": levels,
        }
    ),
}
overrides = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(CODES),
        "models": globs,
        "action": st.sampled_from(["downgrade", "exclude"]),
        "reason": st.just("Because."),
        "expires": st.sampled_from(["2026-01-31", "2026-12-31"]),
    }
)
RULES = st.fixed_dictionaries(
    {"level": levels, "overrides": unique(overrides), "forbidOverrides": unique(st.sampled_from(["*", *CODES]))},
    optional={name: st.none() | section for name, section in sections.items()},
).map(GovernanceRules.model_validate)


def sorted_lists(value: Any) -> Any:
    """Plain values without the order of lists."""
    if isinstance(value, dict):
        return {key: sorted_lists(item) for key, item in value.items()}
    return sorted((sorted_lists(item) for item in value), key=repr) if isinstance(value, list) else value


def meaning(rules: GovernanceRules, *, overrides: bool = False) -> Any:
    """What rules ask for, without the ways to write it: the order of lists, levels that are said twice."""
    said = rules.model_dump(mode="json", by_alias=True)
    for family in FAMILIES:
        said[family] = {**said[family], "level": rules.said_level(family)} if said[family] else rules.said_level(family)
    if rules.naming is not None:
        said["naming"]["conventions"] = [one.model_dump(mode="json") for one in rules.naming.conventions]
        for first in ("convention", "patterns", "appliesTo", "further"):
            del said["naming"][first]
    if rules.coverage is not None:
        said["coverage"]["byTier"] = {tier: rules.coverage.minimum_of(tier) for tier in TIERS}
    if rules.documentation is not None:
        of_tier = rules.documentation.of_tier
        said["documentation"]["byTier"] = {tier: (of_tier(tier).models, of_tier(tier).columns) for tier in TIERS}
    if not overrides:
        del said["overrides"]
    return sorted_lists(said)


@given(RULES)
def test_the_same_twice_is_the_same(rules: GovernanceRules) -> None:
    expected = rules.model_copy(
        update={"overrides": tuple(one for one in rules.overrides if one not in refused_overrides(rules, rules))}
    )
    assert meaning(stricter(rules, rules)) == meaning(rules)
    assert stricter(expected, expected).overrides == expected.overrides


@given(RULES)
def test_rules_that_say_nothing_change_nothing(rules: GovernanceRules) -> None:
    assert stricter(NO_RULES, rules) == rules
    assert stricter(rules, NO_RULES) == rules


@given(RULES, RULES)
def test_the_order_of_scopes_matters_to_overrides_alone(one: GovernanceRules, other: GovernanceRules) -> None:
    assert meaning(stricter(one, other)) == meaning(stricter(other, one))


@given(RULES, RULES, RULES)
def test_three_scopes_may_be_united_from_either_end(
    one: GovernanceRules, two: GovernanceRules, three: GovernanceRules
) -> None:
    left, right = stricter(stricter(one, two), three), stricter(one, stricter(two, three))
    assert meaning(left, overrides=True) == meaning(right, overrides=True)


@given(RULES, RULES, st.sampled_from(FAMILIES))
def test_levels_only_go_up(floor: GovernanceRules, own: GovernanceRules, family: Family) -> None:
    holds = stricter(floor, own)
    for rules in (floor, own):
        said = rules.said_level(family)
        if said is not None and getattr(holds, family) is not None:
            assert LEVELS.index(holds.level_of(family)) >= LEVELS.index(said)


@given(RULES, RULES, st.sampled_from([*TIERS, None]))
def test_what_is_asked_of_a_tier_only_grows(floor: GovernanceRules, own: GovernanceRules, tier: str | None) -> None:
    holds = stricter(floor, own)
    for rules in (floor, own):
        if rules.coverage is not None:
            assert holds.coverage is not None
            assert holds.coverage.minimum_of(tier) >= rules.coverage.minimum_of(tier)
        if rules.documentation is not None:
            assert holds.documentation is not None
            asked, held = rules.documentation.of_tier(tier), holds.documentation.of_tier(tier)
            assert held.models >= asked.models
            assert held.columns >= asked.columns
            assert holds.documentation.refuse_placeholders >= rules.documentation.refuse_placeholders


@given(RULES, RULES)
def test_no_item_of_a_list_is_lost(floor: GovernanceRules, own: GovernanceRules) -> None:
    holds = stricter(floor, own)
    for rules in (floor, own):
        if rules.naming is not None:
            assert holds.naming is not None
            assert set(map(repr, rules.naming.conventions)) <= set(map(repr, holds.naming.conventions))
        for part in ("tags", "meta", "tests") if rules.required else ():
            assert set(getattr(rules.required, part)) <= set(getattr(holds.required, part))
        if rules.classification is not None:
            assert holds.classification is not None
            assert set(rules.classification.tiers) <= set(holds.classification.tiers)
            assert holds.classification.exposed >= rules.classification.exposed
            assert holds.classification.policies >= rules.classification.policies


@given(RULES, RULES)
def test_exceptions_that_are_forbidden_above_do_not_hold(floor: GovernanceRules, own: GovernanceRules) -> None:
    holds = stricter(floor, own)
    refused = refused_overrides(floor, own)
    assert set(floor.overrides) <= set(holds.overrides)
    assert set(holds.overrides) <= set(floor.overrides) | (set(own.overrides) - set(refused))
    forbidden = CODES if "*" in floor.forbid_overrides else floor.forbid_overrides
    assert {override.rule for override in refused} <= set(forbidden)
    assert all(override.rule not in forbidden for override in own.overrides if override not in refused)


@given(RULES, RULES)
def test_what_holds_can_be_written_and_read(floor: GovernanceRules, own: GovernanceRules) -> None:
    holds = stricter(floor, own)
    written = holds.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert GovernanceRules.model_validate(written) == holds


def test_a_level_below_cannot_switch_off_a_group_that_says_no_level() -> None:
    floor = GovernanceRules.model_validate({"naming": {"convention": "medallion"}})
    own = GovernanceRules.model_validate({"level": "off", "coverage": {}})
    holds = stricter(floor, own)
    assert (holds.level_of("naming"), holds.level_of("coverage")) == ("warn", "off")


def test_a_stricter_level_below_holds_for_the_groups_above_too() -> None:
    floor = GovernanceRules.model_validate({"naming": {"convention": "medallion"}})
    assert stricter(floor, GovernanceRules(level="strict")).level_of("naming") == "strict"


def test_an_exception_above_holds_below() -> None:
    override = {"rule": CODES[0], "models": "*", "action": "exclude", "reason": "Old.", "expires": "2026-12-31"}
    floor = GovernanceRules.model_validate({"overrides": [override], "forbidOverrides": ["*"]})
    own = GovernanceRules.model_validate({"overrides": [override | {"models": "gold_*"}]})
    assert stricter(floor, own).overrides == floor.overrides
    assert stricter(own, floor).overrides == own.overrides + floor.overrides
