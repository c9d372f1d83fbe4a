"""Whether columns say what sort of data they hold, and whether that has consequences where they are served."""

from __future__ import annotations

from typing import Final

from floe_compiler.core.governance.errors import ColumnUnclassified, PolicyMissing
from floe_compiler.core.governance.looking import Broken, Look, Model, Rule
from floe_contracts.governance.rules import GovernanceRules

_OPEN: Final = "public"
"""The one classification that needs no policy."""


def _classified(rules: GovernanceRules, model: Model) -> Look:
    wanted, node = rules.classification, model.node
    if wanted is None or not ((wanted.exposed and node.expose) or model.tier in wanted.tiers):
        return Look()
    broken = [
        Broken(
            f"{node.name}.{column.name} is not classified",
            "say `config: {meta: {floe: {classification: ...}}}` of the column",
            column.name,
        )
        for column in node.columns
        if column.classification is None
    ]
    return Look(checked=len(node.columns), broken=broken)


def _policies(rules: GovernanceRules, model: Model) -> Look:
    if rules.classification is None or not rules.classification.policies or not model.node.expose:
        return Look()
    sensitive = [
        (column.name, column.classification.classification)
        for column in model.node.columns
        if column.classification is not None and column.classification.classification != _OPEN
    ]
    broken = [
        Broken(
            f"{model.node.name}.{name} is {classification}, and no policy says who sees that",
            f"add `{classification}` to the environment's policies in platform.yaml",
            name,
        )
        for name, classification in sensitive
        if classification not in model.policies
    ]
    return Look(checked=len(sensitive), broken=broken)


def _asks_for_policies(rules: GovernanceRules) -> bool:
    return rules.classification is not None and rules.classification.policies


RULES: Final = (
    Rule(ColumnUnclassified, "classification", _classified),
    Rule(PolicyMissing, "classification", _policies, asked=_asks_for_policies),
)
