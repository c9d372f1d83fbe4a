"""Structs whose fields SQL shows: rows as a whole, structs that are put together, and lists of them."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from floe_lineage.core.columns.expressions import dependencies, parts_of
from floe_lineage.core.columns.functions import use_in
from floe_lineage.core.columns.model import SORT
from floe_lineage.core.columns.relations import Column, made_through
from floe_lineage.core.columns.scopes import Scope, meaning
from floe_lineage.core.columns.uses import UNCHANGED, indirect

# What has the fields of its first part: its value, one of its values, or a list of them.
_PASSED_ON: Final = (
    exp.Paren, exp.Alias, exp.Bracket, exp.Order, exp.Limit, exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.Unnest,
    exp.ArrayAgg, exp.AnyValue, exp.ArgMax, exp.ArgMin, exp.First, exp.Last, exp.Max, exp.Min,
)  # fmt: skip
_MOST_LEVELS: Final = 20


def fields_of(expression: exp.Expr, scope: Scope, level: int = 0) -> tuple[Column, ...]:
    """The fields of the struct, or of the structs in the list, that `expression` gives; none where it shows none."""
    scope.session.spend()
    if level > _MOST_LEVELS:
        return ()
    if isinstance(expression, exp.Column) and not expression.is_star:
        return meaning(scope, expression).fields
    if isinstance(expression, exp.Struct):
        return tuple(_field(entry, scope, level) for entry in expression.expressions)
    if isinstance(expression, exp.Array) and len(expression.expressions) == 1:
        return fields_of(expression.expressions[0], scope, level + 1)
    if isinstance(expression, _PASSED_ON) and isinstance(expression.this, exp.Expr):
        return _passed_on(expression, scope, level)
    return ()


def _passed_on(expression: exp.Expr, scope: Scope, level: int) -> tuple[Column, ...]:
    fields = fields_of(expression.this, scope, level + 1)
    if not fields:
        return ()
    decisive = (part for part in parts_of(expression, scope) if not part[1].direct)
    besides = frozenset().union(*(dependencies(part, scope, use) for part, use in decisive))
    if isinstance(expression, (exp.Max, exp.Min)):  # which of the structs it is, each field has a say in
        besides |= dependencies(expression.this, scope, indirect(SORT))
    return made_through(use_in(expression) if isinstance(expression, exp.AggFunc) else UNCHANGED, fields, besides)


def _field(entry: exp.Expr, scope: Scope, level: int) -> Column:
    named = isinstance(entry, (exp.PropertyEQ, exp.Alias))
    value = entry.expression if isinstance(entry, exp.PropertyEQ) else entry.this if named else entry
    name = entry.this.name if isinstance(entry, exp.PropertyEQ) else entry.alias_or_name
    return Column(name, dependencies(value, scope), fields_of(value, scope, level + 1))
