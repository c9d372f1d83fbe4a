"""Whether models have the tags, the meta and the tests that they must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from floe_compiler.core.governance.errors import RequiredMetaMissing, RequiredTagsMissing, RequiredTestsMissing
from floe_compiler.core.governance.looking import Broken, Look, Model, Rule, listed
from floe_contracts.governance.rules import GovernanceRules
from floe_contracts.nodes import Node
from floe_contracts.suggestions import did_you_mean


def _tags(rules: GovernanceRules, model: Model) -> Look:
    node = model.node
    wanted = [
        one
        for one in (rules.required.tags if rules.required else ())
        if node.name.startswith(one.prefix) and model.is_meant_by(one.applies_to)
    ]
    tags = list(dict.fromkeys(tag for one in wanted for tag in one.tags))
    missing = [tag for tag in tags if tag not in node.tags]
    hint = f"add them to `tags:` of {node.name}, in the dbt project or in floe.yaml"
    broken = [Broken(f"{node.name} lacks the tags {listed(missing)}", hint)] if missing else []
    return Look(checked=len(tags), broken=broken)


def _meta(rules: GovernanceRules, model: Model) -> Look:
    node = model.node
    wanted = [one for one in (rules.required.meta if rules.required else ()) if model.is_meant_by(one.applies_to)]
    fields = list(dict.fromkeys(field for one in wanted for field in one.fields))
    broken = [
        Broken(f"{node.name} has no meta.{field}", did_you_mean(field, node.meta) or f"add `{field}` to config.meta")
        for field in fields
        if not _is_said(node.meta, field)
    ]
    return Look(checked=len(fields), broken=broken)


def _is_said(meta: Mapping[str, Any], field: str) -> bool:
    """Whether a field, dotted where it is nested, has a value; false and 0 are values."""
    value: Any = meta
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value not in ([], {})


def _tests(rules: GovernanceRules, model: Model) -> Look:
    wanted = [one for one in (rules.required.tests if rules.required else ()) if model.is_meant_by(one.applies_to)]
    broken = []
    for one in wanted:
        found = _tested(model.node, one.test)
        if found < one.min_columns:
            message = f"{model.node.name} has {one.test} on {found} columns and needs it on {one.min_columns}"
            broken.append(Broken(message, f"add `{one.test}` to data_tests"))
    return Look(checked=len(wanted), broken=broken)


def _tested(node: Node, test: str) -> int:
    """Columns with that test; one on the model itself counts as one."""
    return len({(check.column or "").casefold() for check in node.checks if check.name == test})


RULES: Final = (
    Rule(RequiredTagsMissing, "required", _tags, asked=lambda rules: bool(rules.required and rules.required.tags)),
    Rule(RequiredMetaMissing, "required", _meta, asked=lambda rules: bool(rules.required and rules.required.meta)),
    Rule(RequiredTestsMissing, "required", _tests, asked=lambda rules: bool(rules.required and rules.required.tests)),
)
