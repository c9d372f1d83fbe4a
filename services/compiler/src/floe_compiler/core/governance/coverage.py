"""Whether enough columns are tested."""

from __future__ import annotations

from typing import Final

from floe_compiler.core.governance.errors import CoverageTooLow, CoverageUnmeasured
from floe_compiler.core.governance.looking import Broken, Look, Model, Rule, listed
from floe_contracts.governance.rules import GovernanceRules


def _coverage(rules: GovernanceRules, model: Model) -> Look:
    node = model.node
    if rules.coverage is None or not node.columns:
        return Look()
    tested = {check.column.casefold() for check in node.checks if check.column}
    untested = [column.name for column in node.columns if column.name.casefold() not in tested]
    covered, wanted = len(node.columns) - len(untested), rules.coverage.minimum_of(model.tier)
    if covered * 100 >= wanted * len(node.columns):
        return Look(checked=1)
    percent = covered * 100 // len(node.columns)
    whose = f"{model.tier} models need" if model.tier else "it needs"
    message = f"{node.name}: {covered} of {len(node.columns)} columns are tested ({percent} %), {whose} {wanted} %"
    return Look(checked=1, broken=[Broken(message, f"add data_tests to {listed(untested)}")])


def _measurable(rules: GovernanceRules, model: Model) -> Look:
    if rules.coverage is None or rules.coverage.minimum_of(model.tier) == 0:
        return Look()
    if model.node.columns:
        return Look(checked=1)
    message = f"{model.node.name} documents no columns, so their tests cannot be counted"
    return Look(checked=1, broken=[Broken(message, "document its columns in a properties file")])


RULES: Final = (
    Rule(CoverageTooLow, "coverage", _coverage),
    Rule(CoverageUnmeasured, "coverage", _measurable, only_noted=True),
)
