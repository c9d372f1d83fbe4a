"""Whether models and columns are described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from floe_compiler.core.governance.errors import (
    ColumnsUndocumented,
    ColumnUndescribed,
    DescriptionPlaceholder,
    ModelUndescribed,
)
from floe_compiler.core.governance.looking import Broken, Look, Model, Rule
from floe_contracts.governance.rules import Documented, GovernanceRules

_PLACEHOLDER: Final = re.compile(
    r"(tb[acd]|to be (done|defined|determined|added|described|documented)|to ?do|fixme|(?-i:TODO|FIXME)\b.*|n/?a|none"
    r"|null|unknown|description|(place ?holder|fill (this )?in|lorem ipsum)\b.*|x{3,}|[\W_]+)[\s.:!?…]*",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST: Final = 120


def is_placeholder(description: str) -> bool:
    """Whether a text only stands where a description should."""
    text = description.strip()
    return 0 < len(text) <= _LONGEST and _PLACEHOLDER.fullmatch(text) is not None


def _wanted(rules: GovernanceRules, model: Model) -> Documented:
    """What has to be described of a model; nothing if no rule says so."""
    return rules.documentation.of_tier(model.tier) if rules.documentation else Documented(models=False)


def _models(rules: GovernanceRules, model: Model) -> Look:
    node = model.node
    if not _wanted(rules, model).models:
        return Look()
    missing = Broken(f"{node.name} has no description", "say in `description:` what one row of it is")
    return Look(checked=1, broken=[] if node.description.strip() else [missing])


def _columns(rules: GovernanceRules, model: Model) -> Look:
    node = model.node
    if not _wanted(rules, model).columns:
        return Look()
    broken = [
        Broken(f"{node.name}.{column.name} has no description", "say in `description:` what it holds", column.name)
        for column in node.columns
        if not column.description.strip()
    ]
    return Look(checked=len(node.columns), broken=broken)


def _any_columns(rules: GovernanceRules, model: Model) -> Look:
    node = model.node
    if not _wanted(rules, model).columns:
        return Look()
    missing = Broken(f"{node.name} documents no columns", "list them in a properties file, with descriptions")
    return Look(checked=1, broken=[] if node.columns else [missing])


def _placeholders(rules: GovernanceRules, model: Model) -> Look:
    if rules.documentation is None or not rules.documentation.refuse_placeholders:
        return Look()
    found = list(_descriptions(_wanted(rules, model), model))
    broken = [
        Broken(
            f"the description of {model.node.name}{f'.{column}' if column else ''} is {text.strip()!r}",
            "describe it, or leave the description out",
            column,
        )
        for column, text in found
        if is_placeholder(text)
    ]
    return Look(checked=len(found), broken=broken)


def _descriptions(wanted: Documented, model: Model) -> Iterator[tuple[str | None, str]]:
    """The descriptions that count: of the model under None, of columns under their names."""
    if wanted.models and model.node.description.strip():
        yield None, model.node.description
    if wanted.columns:
        yield from ((column.name, column.description) for column in model.node.columns if column.description.strip())


RULES: Final = (
    Rule(ModelUndescribed, "documentation", _models),
    Rule(ColumnUndescribed, "documentation", _columns),
    Rule(DescriptionPlaceholder, "documentation", _placeholders),
    Rule(ColumnsUndocumented, "documentation", _any_columns),
)
