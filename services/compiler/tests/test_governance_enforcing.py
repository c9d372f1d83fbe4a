"""Levels, overrides, environments and places: what becomes of what the rules find."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_compiler.core.governance.enforce import enforce, refusal
from floe_compiler.core.governance.overrides import check_overrides
from floe_compiler.core.places import with_lines
from floe_contracts.governance.reports import EnforcementReport, Place
from floe_contracts.governance.rules import GovernanceRules
from floe_contracts.governance.scopes import stricter
from floe_contracts.nodes import Column, Node, NodeGraph

TODAY = date(2026, 11, 21)
NAMING = {"naming": {"convention": "medallion"}}
SCHEMA = "models:\n  - name: orders\n    columns:\n      - name: id\n      - {name: customer}\n"


def node(name: str, *columns: str, patch_path: str | None = None) -> Node:
    return Node(
        unique_id=f"model.shop.{name}",
        name=name,
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier=name,
        path=f"models/{name}.sql",
        patch_path=patch_path,
        columns=tuple(Column(name=column) for column in columns),
    )


def graph(*nodes: Node) -> NodeGraph:
    return NodeGraph(project="shop", nodes=nodes, checks=())


def report_of(rules: dict[str, Any], *nodes: Node, **more: Any) -> EnforcementReport:
    said = GovernanceRules.model_validate(rules)
    return enforce(said, {"dev": graph(*nodes)}, product="shop", today=TODAY, **more)


def override(**parts: str) -> dict[str, str]:
    said = {"rule": "FLOE-GOV-201", "models": "*", "action": "exclude", "reason": "Old.", "expires": "2026-12-31"}
    return said | parts


@pytest.mark.parametrize(
    ("level", "severities", "status"),
    [("strict", ["error"], "failed"), ("warn", ["warning"], "warned"), ("off", [], "not_checked")],
)
def test_levels(level: str, severities: list[str], status: str) -> None:
    for rules in ({**NAMING, "level": level}, {"naming": {**NAMING["naming"], "level": level}}):
        report = report_of(rules, node("orders"))
        assert [finding.severity for finding in report.findings] == severities
        assert report.status == status
        assert (refusal(report) is None) is (level != "strict")


def test_what_is_strict_is_refused_with_every_finding() -> None:
    rules = {"level": "strict", **NAMING, "documentation": {"level": "warn"}}
    nodes = (node("orders", patch_path="models/schema.yml"), node("customers"), node("gold_sales"))
    refused = refusal(report_of(rules, *nodes, folder="dbt", files={"models/schema.yml": SCHEMA}))
    assert refused is not None
    assert refused.code == "FLOE-GOV-001"
    assert {problem.code for problem in refused.problems} == {"FLOE-GOV-201"}
    assert [str(problem.where) for problem in refused.problems] == [
        "dbt/models/customers.sql:1 (customers)",
        "dbt/models/schema.yml:2:5 (orders)",
    ]


def test_a_refusal_has_a_limit_and_the_report_has_none() -> None:
    report = report_of({"level": "strict", **NAMING}, *(node(f"m{number}") for number in range(120)))
    assert len(report.findings) == 120
    refused = refusal(report)
    assert refused is not None
    assert [problem.code for problem in refused.problems[99:]] == ["FLOE-GOV-201", "FLOE-GOV-002"]
    assert refused.problems[-1].message == "and 20 more; the report has all of them"


def test_an_exclusion_leaves_nothing_to_check() -> None:
    report = report_of({"level": "strict", **NAMING, "overrides": [override()]}, node("orders"))
    (naming,) = [result for result in report.rules if result.code == "FLOE-GOV-201"]
    assert (naming.status, naming.checked, naming.excluded) == ("not_checked", 0, 1)
    assert (report.findings, report.status) == ((), "not_checked")


@pytest.mark.parametrize(("level", "severity"), [("strict", "warning"), ("warn", "note")])
def test_a_downgrade_makes_milder_and_says_why(level: str, severity: str) -> None:
    rules = {"level": level, **NAMING, "overrides": [override(models="orders", action="downgrade")]}
    found = {finding.node: finding for finding in report_of(rules, node("orders"), node("customers")).findings}
    assert (found["model.shop.orders"].severity, found["model.shop.orders"].override) == (severity, "Old.")
    assert found["model.shop.customers"].severity == ("error" if level == "strict" else "warning")


def test_of_two_overrides_the_one_that_excludes_holds() -> None:
    rules = {"level": "strict", **NAMING, "overrides": [override(action="downgrade"), override(models="ord*")]}
    assert [finding.code for finding in report_of(rules, node("orders")).findings] == ["FLOE-GOV-602"]


def test_an_override_holds_through_its_last_day() -> None:
    last_day = {"level": "strict", **NAMING, "overrides": [override(expires="2026-11-21")]}
    assert refusal(report_of(last_day, node("orders"))) is None
    day_after = {"level": "strict", **NAMING, "overrides": [override(expires="2026-11-20")]}
    report = report_of(day_after, node("orders"))
    assert refusal(report) is not None
    (expired,) = [finding for finding in report.findings if finding.code == "FLOE-GOV-600"]
    assert expired.severity == "warning"
    assert expired.message == "the override of FLOE-GOV-201 for * expired on 2026-11-20 and no longer holds (Old.)"


def test_overrides_of_no_rule_and_for_nothing_are_told() -> None:
    rules = {**NAMING, "overrides": [override(rule="FLOE-GOV-202"), override(models="gold_*")]}
    found = {finding.code: finding for finding in report_of(rules, node("gold_orders")).findings}
    assert found.keys() == {"FLOE-GOV-601", "FLOE-GOV-602"}
    assert (found["FLOE-GOV-601"].severity, found["FLOE-GOV-602"].severity) == ("warning", "note")
    assert (found["FLOE-GOV-601"].hint or "").startswith("there are FLOE-GOV-201, FLOE-GOV-210, ")


def test_what_became_of_each_override_is_told() -> None:
    overrides = [
        override(),
        override(models="gold_*"),
        override(expires="2026-11-20"),
        override(rule="FLOE-GOV-999", action="downgrade"),
    ]
    report = report_of({"level": "strict", **NAMING, "overrides": overrides}, node("orders"))
    assert [result.status for result in report.overrides] == ["used", "unused", "expired", "unknown"]
    assert (report.overrides[0].reason, report.overrides[0].expires) == ("Old.", date(2026, 12, 31))


def test_a_finding_of_several_environments_is_told_once() -> None:
    rules = GovernanceRules.model_validate(NAMING)
    graphs = {"prod": graph(node("orders"), node("sales")), "dev": graph(node("orders"))}
    report = enforce(rules, graphs, product="shop", today=TODAY)
    assert [(finding.node, finding.environments) for finding in report.findings] == [
        ("model.shop.orders", ("dev", "prod")),
        ("model.shop.sales", ("prod",)),
    ]
    checked = {result.environment: result.checked for result in report.rules if result.code == "FLOE-GOV-201"}
    assert checked == {"dev": 1, "prod": 2}


def test_places_are_those_of_the_properties_file() -> None:
    rules = {"documentation": {"columns": True}}
    files = {"models/schema.yml": SCHEMA}
    orders = node("orders", "id", "customer", "added_by_a_macro", patch_path="models/schema.yml")
    report = report_of(rules, orders, node("sales", "id", patch_path="models/gone.yml"), folder="dbt", files=files)
    places = {(finding.node, finding.column): finding.where for finding in report.findings}
    schema, sales = "dbt/models/schema.yml", "model.shop.sales"
    assert places["model.shop.orders", None] == Place(file=schema, line=2, column=5)
    assert places["model.shop.orders", "id"] == Place(file=schema, line=4, column=9)
    assert places["model.shop.orders", "customer"] == Place(file=schema, line=5, column=9)
    assert places["model.shop.orders", "added_by_a_macro"] == Place(file=schema, line=2, column=5)
    assert places[sales, "id"] == places[sales, None] == Place(file="dbt/models/sales.sql", line=1)


def test_a_report_is_the_same_each_time_and_can_be_stored() -> None:
    rules = {"level": "warn", **NAMING, "documentation": {"columns": True}, "coverage": {}, "overrides": [override()]}
    nodes = (node("orders", "b", "a"), node("customers"))
    report = report_of(rules, *nodes)
    assert report == report_of(rules, *reversed(nodes))
    assert EnforcementReport.read(report.model_dump(mode="json", exclude_none=True)) == report


def test_overrides_that_the_platform_forbids_are_refused_with_their_lines() -> None:
    floor = GovernanceRules.model_validate({"forbidOverrides": ["FLOE-GOV-201"]})
    own = GovernanceRules.model_validate({"overrides": [override(rule="FLOE-GOV-210"), override()]})
    text = "governance:\n  rules:\n    overrides:\n      - {rule: FLOE-GOV-210}\n      - {rule: FLOE-GOV-201}\n"
    problems = check_overrides(floor, own, file="floe.yaml", path="governance.rules")
    (problem,) = with_lines(problems, {"floe.yaml": text})
    assert problem.code == "FLOE-GOV-003"
    assert str(problem.where) == "floe.yaml:5:9 (governance.rules.overrides.1)"
    assert check_overrides(GovernanceRules(), own, file="floe.yaml", path="governance.rules") == []


LEVELS = st.sampled_from([None, "off", "warn", "strict"])
SCOPES = st.fixed_dictionaries(
    {"level": LEVELS},
    optional={
        "naming": st.fixed_dictionaries({"convention": st.sampled_from(["medallion", "kimball"]), "level": LEVELS}),
        "coverage": st.fixed_dictionaries({"minimumPercent": st.integers(0, 100), "level": LEVELS}),
        "documentation": st.fixed_dictionaries({"models": st.booleans(), "columns": st.booleans(), "level": LEVELS}),
        "required": st.fixed_dictionaries(
            {"tags": st.lists(st.fixed_dictionaries({"tags": st.sampled_from([["a"], ["b"]])})), "level": LEVELS}
        ),
        "classification": st.fixed_dictionaries(
            {"tiers": st.lists(st.sampled_from(["gold", "bronze"])), "level": LEVELS}
        ),
    },
).map(GovernanceRules.model_validate)
NODES = graph(node("gold_orders", "id", "customer"), node("dim_customers"), node("bronze_raw", "id"))


@given(SCOPES, SCOPES)
def test_nothing_that_one_scope_refuses_passes_because_of_another(one: GovernanceRules, other: GovernanceRules) -> None:
    def refused(rules: GovernanceRules) -> set[tuple[str, str | None, str | None]]:
        found = enforce(rules, {"dev": NODES}, product="shop", today=TODAY).findings
        return {(finding.code, finding.node, finding.column) for finding in found if finding.severity == "error"}

    assert refused(one) | refused(other) <= refused(stricter(one, other))


def test_a_rule_that_nobody_asks_for_is_off_and_not_unchecked() -> None:
    rules = GovernanceRules.model_validate({"classification": {}, "required": {"tags": [{"tags": ["daily"]}]}})
    report = enforce(
        rules, {"dev": NodeGraph(project="shop", nodes=(), checks=())}, product="shop", today=date(2026, 1, 1)
    )
    statuses = {result.code: result.status for result in report.rules}
    assert {code: statuses[code] for code in ("FLOE-GOV-400", "FLOE-GOV-401", "FLOE-GOV-500", "FLOE-GOV-501")} == {
        "FLOE-GOV-400": "not_checked",
        "FLOE-GOV-401": "off",
        "FLOE-GOV-500": "not_checked",
        "FLOE-GOV-501": "off",
    }
