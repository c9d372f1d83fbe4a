"""Enforcing the rules of governance: every rule looks at every model of the product in every environment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from floe_compiler.core.governance import classification, coverage, documentation, naming, required
from floe_compiler.core.governance.errors import FindingsLeftOut, GovernanceRefused
from floe_compiler.core.governance.looking import Broken, Look, Model, Rule
from floe_compiler.core.governance.overrides import Overrides, override_findings
from floe_compiler.core.governance.places import Places
from floe_contracts.documents.yaml_tree import MAX_PROBLEMS
from floe_contracts.errors import FloeError, Where
from floe_contracts.governance.reports import EnforcementReport, Finding, ReportStatus, RuleResult, RuleStatus, Severity
from floe_contracts.governance.rules import GovernanceRules, Level
from floe_contracts.nodes import NodeGraph

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted(
        (*naming.RULES, *coverage.RULES, *documentation.RULES, *required.RULES, *classification.RULES),
        key=lambda rule: rule.error.code,
    )
)

_MILDER: Final[Mapping[Severity, Severity]] = {"error": "warning", "warning": "note", "note": "note"}


def enforce(
    rules: GovernanceRules,
    graphs: Mapping[str, NodeGraph],
    *,
    product: str,
    today: date,
    folder: str = ".",
    files: Mapping[str, str] | None = None,
    policies: Mapping[str, Collection[str]] | None = None,
) -> EnforcementReport:
    """What the rules find in a product. Models of packages are not its own, and not looked at.

    Args:
        rules: what holds: those of the platform and the product together.
        graphs: the nodes in each environment, with what floe.yaml says of them.
        product: its name.
        today: the day that overrides are compared with.
        folder: the dbt project's folder, from the product's.
        files: texts of properties files, by their paths from `folder`; for the lines of findings.
        policies: per environment the classifications that it has a policy for.
    """
    codes = [rule.error.code for rule in RULES]
    overrides = Overrides(rules.overrides, today, codes)
    places = Places(files or {}, folder)
    results: list[RuleResult] = []
    found: dict[Finding, list[str]] = {}
    for environment, graph in sorted(graphs.items()):
        models = [
            Model(node, (policies or {}).get(environment, ()))
            for node in graph.nodes
            if node.resource_type == "model" and node.unique_id.split(".")[1] == graph.project
        ]
        for rule in RULES:
            tally = _Tally(rule, _level(rule, rules), overrides, places)
            if tally.level != "off":
                for model in models:
                    tally.count(model, rule.look(rules, model))
            results.append(tally.result(environment))
            for finding in tally.findings:
                found.setdefault(finding, []).append(environment)
    findings = [finding.model_copy(update={"environments": tuple(names)}) for finding, names in found.items()]
    findings += override_findings(overrides.results(), codes, tuple(sorted(graphs)))
    return EnforcementReport(
        product=product,
        today=today,
        status=_overall(results, findings),
        rules=tuple(results),
        overrides=overrides.results(),
        findings=tuple(sorted(findings, key=_order)),
    )


def _level(rule: Rule, rules: GovernanceRules) -> Level:
    """How much a rule counts."""
    level = rules.level_of(rule.family)
    return level if level == "off" or rule.asked(rules) else "off"


def refusal(report: EnforcementReport) -> GovernanceRefused | None:
    """What the product is rejected with, if the report has errors."""
    errors = {rule.error.code: rule.error for rule in RULES}
    refused = [finding for finding in report.findings if finding.severity == "error"]
    problems: list[FloeError] = [
        errors[finding.code](finding.message, where=_where(finding), hint=finding.hint)
        for finding in refused[:MAX_PROBLEMS]
    ]
    if len(refused) > MAX_PROBLEMS:
        more = f"and {len(refused) - MAX_PROBLEMS} more; the report has all of them"
        problems.append(FindingsLeftOut(more))
    return GovernanceRefused(problems) if problems else None


@dataclass(slots=True)
class _Tally:
    """What one rule did in one environment so far."""

    rule: Rule
    level: Level
    overrides: Overrides
    places: Places
    checked: int = 0
    excluded: int = 0
    findings: list[Finding] = field(default_factory=list)

    def count(self, model: Model, look: Look) -> None:
        """Add what the rule saw of one model."""
        override = self.overrides.of(self.rule.error.code, model) if look.checked else None
        if override is not None and look.broken:
            self.overrides.used.add(override[0])
        if override is not None and override[1].action == "exclude":
            self.excluded += look.checked
            return
        self.checked += look.checked
        severity: Severity = "error" if self.level == "strict" else "warning"
        if self.rule.only_noted:
            severity = "note"
        if override is not None:
            severity = _MILDER[severity]
        reason = override[1].reason if override is not None else None
        self.findings += [self._finding(model, broken, severity, reason) for broken in look.broken]

    def _finding(self, model: Model, broken: Broken, severity: Severity, reason: str | None) -> Finding:
        return Finding(
            code=self.rule.error.code,
            severity=severity,
            environments=(),
            node=model.node.unique_id,
            column=broken.column,
            message=broken.message,
            hint=broken.hint,
            where=self.places.of(model.node, broken.column),
            override=reason,
        )

    def result(self, environment: str) -> RuleResult:
        """The rule's line in the report."""
        return RuleResult(
            code=self.rule.error.code,
            title=self.rule.error.title,
            family=self.rule.family,
            environment=environment,
            level=self.level,
            status=self._status(),
            checked=self.checked,
            found=len(self.findings),
            excluded=self.excluded,
        )

    def _status(self) -> RuleStatus:
        if self.level == "off":
            return "off"
        if self.checked == 0:
            return "not_checked"
        return _worst(self.findings)


def _worst(findings: Iterable[Finding]) -> RuleStatus:
    severities = {finding.severity for finding in findings}
    if "error" in severities:
        return "failed"
    return "warned" if severities else "passed"


def _overall(results: Iterable[RuleResult], findings: Iterable[Finding]) -> ReportStatus:
    worst = _worst(findings)
    if worst == "failed" or worst == "warned":
        return worst
    return "passed" if any(result.checked for result in results) else "not_checked"


def _order(finding: Finding) -> tuple[str, int, int, str, str, str]:
    where = finding.where
    place = (where.file, where.line, where.column or 0) if where else ("", 0, 0)
    return (*place, finding.code, finding.node or "", finding.message)


def _where(finding: Finding) -> Where:
    """The place of a finding; its path names the model and the column, as in orders.id."""
    name = (finding.node or "").split(".", 2)[-1]
    path = f"{name}.{finding.column}" if finding.column else name or None
    if finding.where is None:
        return Where(path=path)
    return Where(finding.where.file, finding.where.line, finding.where.column, path)
