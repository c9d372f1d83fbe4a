"""The report of governance as SARIF 2.1.0."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from floe_compiler.core.governance.sarif import to_sarif
from floe_contracts.governance.reports import EnforcementReport, Finding, Place, RuleResult

LEVELS = ("error", "warning", "note")


def result(code: str = "FLOE-GOV-221", level: str = "strict", status: str = "failed") -> RuleResult:
    fields = {"code": code, "title": "A column", "family": "documentation", "environment": "dev", "level": level}
    return RuleResult.model_validate({**fields, "status": status, "checked": 1, "found": 1, "excluded": 0})


def finding(severity: str = "error", **parts: Any) -> Finding:
    fields: dict[str, Any] = {
        "code": "FLOE-GOV-221",
        "severity": severity,
        "environments": ("dev", "prod"),
        "node": "model.shop.orders",
        "column": "id",
        "message": "orders.id has no description",
        "where": Place(file="dbt/models/a schema#1.yml", line=4, column=9),
    }
    return Finding.model_validate(fields | parts)


def log_of(*findings: Finding, rules: tuple[RuleResult, ...] = ()) -> dict[str, Any]:
    report = EnforcementReport(
        product="shop", today=date(2026, 11, 21), status="failed", rules=rules, findings=findings
    )
    log = to_sarif(report, version="1.0.0")
    assert json.loads(json.dumps(log)) == log
    return log


def check_structure(log: dict[str, Any]) -> None:
    """What the standard asks of a log beyond the names of its fields."""
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "floe"
    assert len({rule["id"] for rule in rules}) == len(rules)
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["level"] in LEVELS
        for location in one.get("locations", ()):
            physical = location["physicalLocation"]
            assert physical["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
            assert physical["region"]["startLine"] >= 1
    for notification in run["invocations"][0]["toolExecutionNotifications"]:
        assert rules[notification["associatedRule"]["index"]]["id"] == notification["associatedRule"]["id"]


@pytest.mark.parametrize("severity", LEVELS)
def test_a_finding_is_a_result_at_its_place(severity: str) -> None:
    log = log_of(finding(severity))
    check_structure(log)
    (one,) = log["runs"][0]["results"]
    assert (one["ruleId"], one["level"]) == ("FLOE-GOV-221", severity)
    physical = one["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "dbt/models/a%20schema%231.yml"
    assert physical["region"] == {"startLine": 4, "startColumn": 9}
    names = one["locations"][0]["logicalLocations"]
    assert names == [{"fullyQualifiedName": "model.shop.orders.id", "kind": "member"}]
    assert one["properties"]["environments"] == ["dev", "prod"]


def test_a_finding_without_a_place_has_no_location() -> None:
    log = log_of(finding("warning", code="FLOE-GOV-600", node=None, column=None, where=None))
    check_structure(log)
    assert "locations" not in log["runs"][0]["results"][0]


def test_braces_are_no_places_for_arguments() -> None:
    log = log_of(finding(message="{0} is wrong", hint="names like a{2,}", override="Old."))
    (one,) = log["runs"][0]["results"]
    assert one["message"]["text"] == "{{0}} is wrong (names like a{{2,}})"
    assert one["properties"]["override"] == "Old."


def test_a_finding_is_known_again_when_lines_move() -> None:
    moved = finding(where=Place(file="dbt/models/schema.yml", line=40), message="orders.id still has none")
    other = finding(column="customer")
    prints = [one["partialFingerprints"]["floe/v1"] for one in log_of(finding(), moved, other)["runs"][0]["results"]]
    assert prints[0] == prints[1] != prints[2]


def test_what_was_not_checked_is_told_and_has_not_passed() -> None:
    log = log_of(rules=(result(status="not_checked"), result("FLOE-GOV-220", status="passed")))
    check_structure(log)
    (notification,) = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert notification["associatedRule"]["id"] == "FLOE-GOV-221"
    assert notification["message"]["text"] == "A column: not checked in dev, nothing to look at"


def test_rules_say_what_they_find_and_how_much_it_counts() -> None:
    log = log_of(rules=(result(level="off", status="off"), result("FLOE-GOV-220", level="strict")))
    rules = {rule["id"]: rule for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert rules["FLOE-GOV-221"]["defaultConfiguration"] == {"level": "none", "enabled": False}
    assert rules["FLOE-GOV-220"]["defaultConfiguration"] == {"level": "error", "enabled": True}
    assert rules["FLOE-GOV-220"]["shortDescription"]["text"] == "A model is not described"
