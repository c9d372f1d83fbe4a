"""Governance of a real dbt project, parsed by the real dbt."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from floe_compiler.adapters.properties_files import read_properties_files
from floe_compiler.core.governance.enforce import enforce, refusal
from floe_contracts.governance.reports import EnforcementReport
from floe_contracts.governance.rules import GovernanceRules
from floe_contracts.nodes import NodeGraph
from floe_dbt import shared
from floe_dbt.nodes import read_nodes
from floe_dbt.parse import parse_project

pytestmark = pytest.mark.dbt

TODAY = date(2026, 11, 21)
PROFILES = "floe: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n"
PROJECT = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\n",
    "seeds/raw_orders.csv": "id,customer\n1,ann\n",
    "models/bronze_orders.sql": "select id, customer from {{ ref('raw_orders') }}\n",
    "models/gold_orders.sql": "select id, customer, 1 as amount from {{ ref('bronze_orders') }}\n",
    "models/report.sql": "select 1 as one from {{ ref('gold_orders') }}\n",
    "models/marts/schema.yml": """\
models:
  - name: gold_orders
    description: An order.
    config: {tags: [certified], meta: {team: sales, floe: {expose: true}}}
    columns:
      - name: id
        description: Number.
        data_tests: [unique, not_null]
        config: {meta: {floe: {classification: identifier}}}
      - name: customer
        description: TBD
        meta: {floe: {classification: pii}}
        data_tests: [not_null]
      - name: amount
""",
}
RULES: dict[str, Any] = {
    "level": "strict",
    "naming": {"convention": "medallion"},
    "coverage": {},
    "documentation": {"models": False, "byTier": {"gold": {"columns": True}}},
    "required": {
        "tags": [{"prefix": "gold_", "tags": ["certified"]}],
        "meta": [{"fields": ["team"], "appliesTo": "gold_*"}],
        "tests": [{"test": "not_null", "minColumns": 2, "appliesTo": "gold_*"}],
    },
    "classification": {"policies": True},
}


@pytest.fixture(scope="session")
def parse(
    dbt_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mapping[str, str]], tuple[Path, Any]]:
    """Parses a project of some files: its folder, and its nodes."""

    def parsed(files: Mapping[str, str]) -> tuple[Path, NodeGraph]:
        work = tmp_path_factory.mktemp("governed")
        for name, text in {**files, "../profiles/profiles.yml": PROFILES}.items():
            file = work / "project" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        dbt = shared.acquire(dbt_folder)
        try:
            result = parse_project(
                dbt,
                work / "project",
                environment="dev",
                profiles_dir=work / "profiles",
                state_dir=work / "state",
                source=os.environ,
            )
        finally:
            shared.release(dbt_folder)
        return work / "project", read_nodes(result.manifest)

    return parsed


@pytest.fixture(scope="session")
def project(parse: Callable[[Mapping[str, str]], tuple[Path, NodeGraph]]) -> tuple[Path, NodeGraph]:
    return parse(PROJECT)


@pytest.fixture
def enforced(project: tuple[Path, NodeGraph]) -> Callable[[dict[str, Any]], EnforcementReport]:
    """Enforces rules on the project; its environment has a policy for pii."""
    folder, graph = project
    files = read_properties_files(folder, [graph])

    def enforce_rules(rules: dict[str, Any]) -> EnforcementReport:
        said = GovernanceRules.model_validate(rules)
        policies = {"dev": ("pii",)}
        return enforce(said, {"dev": graph}, product="shop", today=TODAY, folder="dbt", files=files, policies=policies)

    return enforce_rules


def test_what_is_wrong_with_a_project_is_told_with_true_lines(enforced: Callable[..., EnforcementReport]) -> None:
    refused = refusal(enforced(RULES))
    assert refused is not None
    assert [(problem.code, str(problem.where)) for problem in refused.problems] == [
        ("FLOE-GOV-210", "dbt/models/marts/schema.yml:2:5 (gold_orders)"),
        ("FLOE-GOV-501", "dbt/models/marts/schema.yml:6:9 (gold_orders.id)"),
        ("FLOE-GOV-222", "dbt/models/marts/schema.yml:10:9 (gold_orders.customer)"),
        ("FLOE-GOV-221", "dbt/models/marts/schema.yml:14:9 (gold_orders.amount)"),
        ("FLOE-GOV-500", "dbt/models/marts/schema.yml:14:9 (gold_orders.amount)"),
        ("FLOE-GOV-201", "dbt/models/report.sql:1 (report)"),
    ]


def test_a_project_that_documents_no_columns_is_not_covered_but_unchecked(
    parse: Callable[[Mapping[str, str]], tuple[Path, NodeGraph]],
) -> None:
    files = {name: text for name, text in PROJECT.items() if not name.endswith("schema.yml")}
    _, graph = parse(files)
    rules = GovernanceRules.model_validate({"level": "strict", "coverage": {}, "classification": {"tiers": ["gold"]}})
    report = enforce(rules, {"dev": graph}, product="shop", today=TODAY)
    statuses = {result.code: result.status for result in report.rules if result.status != "off"}
    assert statuses == {
        "FLOE-GOV-210": "not_checked",
        "FLOE-GOV-211": "warned",
        "FLOE-GOV-500": "not_checked",
    }
    assert len(report.findings) == 3
    assert report.status == "warned"


def test_an_override_that_expires_lets_the_finding_count_again(enforced: Callable[..., EnforcementReport]) -> None:
    def rules(expires: str) -> dict[str, Any]:
        exception = {
            "rule": "FLOE-GOV-201",
            "models": "report",
            "action": "exclude",
            "reason": "Old.",
            "expires": expires,
        }
        return {"level": "strict", "naming": {"convention": "medallion"}, "overrides": [exception]}

    assert enforced(rules("2026-11-21")).status == "passed"
    report = enforced(rules("2026-11-20"))
    assert [finding.code for finding in report.findings] == ["FLOE-GOV-600", "FLOE-GOV-201"]
    assert report.status == "failed"


def test_files_outside_of_the_project_are_not_read(project: tuple[Path, NodeGraph]) -> None:
    folder, graph = project
    outside = graph.nodes[0].model_copy(update={"patch_path": "../profiles/profiles.yml"})
    texts = read_properties_files(folder, [graph, graph.model_copy(update={"nodes": (outside,)})])
    assert list(texts) == ["models/marts/schema.yml"]
