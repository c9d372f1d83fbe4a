"""The rules of governance as documents write them."""

from __future__ import annotations

import pytest

from floe_contracts.documents.reading import read_floe_spec, read_platform_spec
from floe_contracts.errors import DocumentInvalid, FloeError
from floe_contracts.governance.rules import GovernanceRules, known_classifications, matches_model, matches_name
from floe_contracts.nodes import CLASSIFICATIONS
from floe_contracts.platform_spec import DEFAULT_PLATFORM

SPEC = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, owner: me}
transforms: [{type: dbt, path: dbt}]
governance:
  rules:
"""
RULES = """\
    level: strict
    naming: {convention: medallion, patterns: ["stg_.*"], further: [{convention: custom, patterns: ["[a-z_]+"]}]}
    coverage: {byTier: {gold: 90}, level: warn}
    documentation: {byTier: {gold: {columns: true}, bronze: {models: false}}}
    required:
      tags: [{prefix: gold_, tags: [certified]}]
      meta: [{fields: [owner], appliesTo: models/marts/*}]
      tests: [{test: not_null, minColumns: 2}]
    classification: {tiers: [gold]}
    overrides: [{rule: FLOE-GOV-210, models: gold_old, action: downgrade, reason: Will go., expires: 2026-12-31}]
    forbidOverrides: [FLOE-GOV-500]
"""


def rules_of(text: str) -> GovernanceRules:
    return read_floe_spec(SPEC + text).governance.rules


def problems_of(text: str) -> list[FloeError]:
    with pytest.raises(DocumentInvalid) as refused:
        read_floe_spec(SPEC + text)
    return list(refused.value.problems)


def test_all_rules_are_read_and_written_back() -> None:
    rules = rules_of(RULES)
    assert rules.naming is not None
    assert [one.convention for one in rules.naming.conventions] == ["medallion", "custom"]
    assert rules.overrides[0].expires.isoformat() == "2026-12-31"
    written = rules.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert GovernanceRules.model_validate(written) == rules


def test_levels_of_groups() -> None:
    rules = rules_of(RULES)
    assert [rules.level_of(family) for family in ("naming", "coverage", "classification")] == [
        "strict",
        "warn",
        "strict",
    ]
    assert GovernanceRules().level_of("naming") == "off"
    assert rules_of("    naming: {convention: kimball}\n").level_of("naming") == "warn"
    assert rules_of("    level: off\n    naming: {convention: kimball}\n").level_of("naming") == "off"


def test_percentages_and_descriptions_by_tier() -> None:
    rules = rules_of(RULES)
    assert rules.coverage is not None
    assert [rules.coverage.minimum_of(tier) for tier in ("gold", "silver", None)] == [90, 80, 80]
    assert rules.documentation is not None
    assert [rules.documentation.of_tier(tier).columns for tier in ("gold", "silver", None)] == [True, False, False]
    assert rules.documentation.of_tier("bronze").models is False


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("    level: loose\n", "level", "'loose': should be 'off', 'warn' or 'strict'"),
        ("    naming: {convention: custom}\n", "naming", "a custom convention needs patterns"),
        ("    naming: {convention: custom, patterns: ['(a']}\n", "naming.patterns.0", "unclosed group"),
        ("    naming: {convention: custom, patterns: ['a)|(b']}\n", "naming.patterns.0", "unopened group"),
        ("    naming: {convention: custom, patterns: ['(?=a)']}\n", "naming.patterns.0", "look-around"),
        ("    naming: {convention: custom, patterns: ['(a{999}){999}']}\n", "naming.patterns.0", "size limit"),
        ("    coverage: {minimumPercent: 101}\n", "coverage.minimumPercent", "less than or equal to 100"),
        ("    coverage: {byTier: {platinum: 1}}\n", "coverage.byTier.platinum", "'platinum': should be 'bronze'"),
        ("    required: {tags: [{tags: []}]}\n", "required.tags.0.tags", "at least 1 item"),
        ("    classification: {names: [payroll]}\n", "classification.names", "are declared by the platform"),
        ("    forbidOverrides: [GOV-1]\n", "forbidOverrides.0", "'GOV-1' is not allowed"),
        (
            "    overrides: [{rule: FLOE-GOV-210, models: a, action: exclude, reason: b, expires: 1798675200}]\n",
            "overrides.0.expires",
            "'1798675200' is no date, as in 2026-12-31",
        ),
        (
            "    overrides: [{rule: FLOE-GOV-210, models: a, action: exclude, reason: b}]\n",
            "overrides.0.expires",
            "the field 'expires' is missing",
        ),
    ],
)
def test_what_is_refused(text: str, path: str, message: str) -> None:
    (problem,) = problems_of(text)
    assert problem.where is not None
    assert problem.where.path == f"governance.rules.{path}"
    assert (problem.where.line or 0) >= 6
    assert message in problem.message


def test_a_pattern_takes_linear_time() -> None:
    """Where it did not, this test would not end."""
    assert not matches_name("(a+)+(a|a)*", "a" * 5000 + "!")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [("stg_.*", "stg_orders", True), ("stg", "stg_orders", False), ("a|b", "ab", False), ("(?x) a # b", "a", False)],
)
def test_a_pattern_means_the_whole_name(pattern: str, name: str, *, matches: bool) -> None:
    if pattern.startswith("(?x)"):  # its comment would swallow what makes the pattern one of whole names
        assert problems_of(f"    naming: {{convention: custom, patterns: ['{pattern}']}}\n")
    else:
        assert matches_name(pattern, name) is matches


@pytest.mark.parametrize(
    ("glob", "matches"),
    [("*", True), ("gold_*", True), ("models/marts/*", True), ("models/staging/*", False), ("Gold_*", False)],
)
def test_a_glob_means_names_or_paths(glob: str, *, matches: bool) -> None:
    assert matches_model(glob, name="gold_sales", path="models/marts/sales/gold_sales.sql") is matches


POLICY = "    policies: {payroll: {action: restrict}}\n    profiles:"


def test_a_platform_declares_classifications() -> None:
    text = DEFAULT_PLATFORM.replace("    profiles:", POLICY) + "governance: {classification: {names: [payroll]}}\n"
    platform = read_platform_spec(text)
    assert known_classifications(platform.governance) == (*CLASSIFICATIONS, "payroll")
    assert known_classifications(None) == known_classifications(GovernanceRules()) == CLASSIFICATIONS


def test_a_policy_for_an_unknown_classification_is_refused() -> None:
    with pytest.raises(DocumentInvalid) as refused:
        read_platform_spec(DEFAULT_PLATFORM.replace("    profiles:", POLICY))
    (problem,) = refused.value.problems
    assert (problem.code, problem.message) == ("FLOE-SPEC-005", "'payroll' is no classification")
    assert problem.hint == "declare it in governance.classification.names"
    assert problem.where is not None
    assert (problem.where.line, problem.where.path) == (7, "environments.dev.policies.payroll")
