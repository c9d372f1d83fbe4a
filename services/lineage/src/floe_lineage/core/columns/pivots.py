"""PIVOT and UNPIVOT: values become columns, columns become values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle

from sqlglot import exp

from floe_lineage.core.columns.expressions import dependencies
from floe_lineage.core.columns.model import CONDITIONAL, GROUP_BY
from floe_lineage.core.columns.relations import Column, Relation, Rest
from floe_lineage.core.columns.scopes import Scope, Source
from floe_lineage.core.columns.uses import NOTHING, Dependencies, indirect, used_as

_CONDITION = indirect(CONDITIONAL)


def pivoted(relation: Relation, pivot: exp.Expr, scope: Scope) -> Relation:
    """The relation after PIVOT or UNPIVOT, in FROM or as a statement of its own."""
    inner = Scope(scope.session, scope.parent, scope.common, [Source("", relation)])
    result = _unpivoted(relation, pivot, inner) if pivot.args.get("unpivot") else _pivoted(relation, pivot, inner)
    alias = pivot.args.get("alias")
    if not isinstance(alias, exp.TableAlias) or not alias.columns:
        return result
    names = [scope.session.names.spelled(name) for name in alias.columns]
    columns = [
        Column(names[number] if number < len(names) else column.name, column.dependencies)
        for number, column in enumerate(result.columns)
    ]
    return Relation(columns, result.rest, result.whole)


def _pivoted(relation: Relation, pivot: exp.Expr, scope: Scope) -> Relation:
    names = scope.session.names
    aggregates = pivot.args.get("using") or pivot.expressions
    fields = pivot.args.get("fields") or (pivot.expressions if pivot.args.get("using") else [])
    made_of = frozenset().union(*(dependencies(aggregate, scope) for aggregate in aggregates))
    decided = frozenset().union(*(dependencies(_spread(field), scope, _CONDITION) for field in fields))
    taken = _columns_in([*aggregates, *(_spread(field) for field in fields)], scope)
    group = pivot.args.get("group")
    kept = _kept(relation, taken)
    whole = relation.whole
    if group:
        wanted = [(names.spelled(column.this), dependencies(column, scope)) for column in group.find_all(exp.Column)]
        kept = [Column(name, found) for name, found in wanted]
        whole |= used_as(indirect(GROUP_BY), frozenset().union(*(found for _, found in wanted)))
    spread = [names.spelled(name) for name in pivot.args.get("columns") or ()]
    columns = kept + [
        Column(name, _made_by(number, len(spread), aggregates, scope) | decided) for number, name in enumerate(spread)
    ]
    if spread and (group or relation.rest is None):
        return Relation(columns, None, whole)
    if not spread:
        # Which columns there are depends on the values: every other one is made by the aggregates.
        return Relation(kept, Rest(dependencies=made_of | decided), whole)
    return Relation(columns, _without(relation.rest, taken), whole)


def _made_by(number: int, count: int, aggregates: Sequence[exp.Expr], scope: Scope) -> Dependencies:
    """What one of the columns is made of: for each value there is one of every aggregate, in their order."""
    if count % len(aggregates):
        return frozenset().union(*(dependencies(aggregate, scope) for aggregate in aggregates))
    return dependencies(aggregates[number % len(aggregates)], scope)


def _unpivoted(relation: Relation, pivot: exp.Expr, scope: Scope) -> Relation:
    """Each new column holds the values of those that are listed; with several, each of them of every list."""
    into = pivot.args.get("into")
    if isinstance(into, exp.UnpivotColumns):
        listed, keys, values = pivot.expressions, _identifiers([into.this]), _identifiers(into.expressions)
    else:
        fields = [field for field in pivot.args.get("fields") or () if isinstance(field, exp.In)]
        listed = [column for field in fields for column in field.expressions]
        keys, values = _identifiers(field.this for field in fields), _identifiers(pivot.expressions)
    found = [NOTHING] * len(values)
    for entry in listed:
        for column, number in zip(entry.find_all(exp.Column, bfs=False), cycle(range(len(values)))):
            found[number] |= dependencies(column, scope)
    spelled = scope.session.names.spelled
    taken = _columns_in(listed, scope)
    columns = _kept(relation, taken) + [Column(spelled(key), NOTHING) for key in keys]
    columns += [Column(spelled(value), made_of) for value, made_of in zip(values, found, strict=True)]
    return Relation(columns, _without(relation.rest, taken), relation.whole)


def _identifiers(expressions: Iterable[exp.Expr]) -> list[exp.Identifier]:
    """The names in a list that may hold tuples of names."""
    return [name for expression in expressions for name in expression.find_all(exp.Identifier, bfs=False)]


def _spread(field: exp.Expr) -> exp.Expr:
    """The column whose values become columns."""
    return field.this if isinstance(field, exp.In) else field


def _columns_in(expressions: Iterable[exp.Expr], scope: Scope) -> frozenset[str]:
    return frozenset(
        scope.session.names.spelled(column.this).lower()
        for expression in expressions
        for column in expression.find_all(exp.Column)
    )


def _kept(relation: Relation, taken: frozenset[str]) -> list[Column]:
    return [column for column in relation.columns if column.name.lower() not in taken]


def _without(rest: Rest | None, taken: frozenset[str]) -> Rest | None:
    if rest is None:
        return None
    return Rest(rest.inputs, rest.dependencies, rest.excluded | taken, rest.certain, rest.described)
