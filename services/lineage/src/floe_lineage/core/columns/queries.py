"""What a query gives: SELECT, set operations, WITH."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from sqlglot import exp

from floe_lineage.core.columns.expressions import dependencies, is_aggregating
from floe_lineage.core.columns.model import FILTER, GROUP_BY, SORT
from floe_lineage.core.columns.pivots import pivoted
from floe_lineage.core.columns.relations import (
    UNKNOWN,
    Column,
    Relation,
    Rest,
    all_dependencies,
    joined_rest,
    united_rest,
)
from floe_lineage.core.columns.scopes import CommonTable, Scope
from floe_lineage.core.columns.sources import add_from, relation_of
from floe_lineage.core.columns.stars import columns_of_pattern, columns_of_star, is_star
from floe_lineage.core.columns.structs import fields_of
from floe_lineage.core.columns.uses import CHANGED, NOTHING, Dependencies, Use, indirect, used_as

_FILTERING: Final = indirect(FILTER)
_GROUPING: Final = indirect(GROUP_BY)
_SORTING: Final = indirect(SORT)
# What has a name without an alias, in some dialects at least.
_NAMED_BY_THEMSELVES: Final = (exp.Cast, exp.Dot, exp.Subquery, exp.Paren)
_ORDERS: Final = ("order", "sort", "cluster", "distribute")
# Where a name of WITH may stand for itself although nobody wrote RECURSIVE.
_RECURSIVE_UNSAID: Final = frozenset({"snowflake", "tsql", "fabric", "oracle", "teradata"})

Made: TypeAlias = tuple[exp.Expr, list[Column]]
"""An item of a select list, and the columns that it stands for."""


def read_query(query: exp.Expr, around: Scope) -> Relation:
    """What a query in the scope `around` gives.

    Raises:
        TooLarge: reading it takes more steps than are left.
        RecursionError: it is nested too deeply.
    """
    around.session.spend()
    scope = with_common(query, around)
    if isinstance(query, exp.Select):
        return _select(query, scope.child())
    if isinstance(query, exp.SetOperation):
        return _united(query, scope)
    if isinstance(query, exp.Subquery):
        return _in_brackets(query, scope)
    if isinstance(query, exp.Pivot):
        return pivoted(relation_of(query.this, scope.child()), query, scope)
    if isinstance(query, (exp.Values, exp.Table)):
        return relation_of(query, scope.child())
    if isinstance(query, exp.Paren):
        return read_query(query.this, scope)
    return Relation((), UNKNOWN)


def with_common(holder: exp.Expr, around: Scope) -> Scope:
    """The scope with the names of WITH, if there are any."""
    with_ = holder.args.get("with_")
    if not isinstance(with_, exp.With):
        return around
    common: Mapping[str, CommonTable] = around.common
    names = around.session.names
    for table in with_.expressions:
        recursive = bool(with_.recursive) or names.dialect in _RECURSIVE_UNSAID
        columns = tuple(names.spelled(name) for name in table.args["alias"].columns)
        entry = CommonTable(table.this, columns, common, recursive)
        common = {**common, names.spelled(table.args["alias"].this).lower(): entry}
        if recursive:
            entry.around = common
    return replace(around, common=common)


def _in_brackets(query: exp.Subquery, scope: Scope) -> Relation:
    inner = (
        relation_of(query.this, scope.child()) if isinstance(query.this, exp.Table) else read_query(query.this, scope)
    )
    for pivot in query.args.get("pivots") or ():
        inner = pivoted(inner, pivot, scope)
    return Relation(inner.columns, inner.rest, inner.whole | _ordered(query, inner.columns, scope.child()))


def _select(query: exp.Select, scope: Scope) -> Relation:
    whole = add_from(query, scope)
    for window in query.args.get("windows") or ():
        scope.windows[window.name.lower()] = window
    columns: list[Column] = []
    rests: list[Rest | None] = []
    made: list[Made] = []
    for item in query.expressions:
        scope.session.spend()
        if is_star(item):
            found, rest = columns_of_star(item, scope)
            rests.append(rest)
        else:
            found = columns_of_pattern(item, scope) if item.find(exp.Columns) else _item(item, scope)
            scope.aliases |= {
                column.name.lower(): column.dependencies for column in found if isinstance(item, exp.Alias)
            }
        columns += found
        made.append((item, found))
    scope.session.spend(len(columns))
    return Relation(columns, joined_rest(rests), whole | _rows(query, made, columns, scope))


def _item(item: exp.Expr, scope: Scope) -> list[Column]:
    names = scope.session.names
    if isinstance(item, exp.Aliases):
        made_of = dependencies(item.this, scope, CHANGED)
        return [Column(names.spelled(name), made_of) for name in item.expressions]
    if isinstance(item, exp.Alias):
        name = names.spelled(item.args["alias"])
    elif isinstance(item, exp.Column):
        name = names.spelled(item.this)
    else:
        name = item.output_name if isinstance(item, _NAMED_BY_THEMSELVES) else ""
    return [Column(name, dependencies(item, scope), fields_of(item, scope))]


def _rows(query: exp.Select, made: Sequence[Made], columns: Sequence[Column], scope: Scope) -> Dependencies:
    """What decides which rows there are, and in which order."""
    whole = _filtered(query, ("where", "prewhere", "connect"), scope)
    scope.after_list = True
    whole |= _filtered(query, ("having", "qualify"), scope)
    whole |= _grouped(query, made, columns, scope) | _ordered(query, columns, scope)
    distinct = query.args.get("distinct")
    if isinstance(distinct, exp.Distinct):
        on = distinct.args.get("on")
        whole |= dependencies(on, scope, _GROUPING) if on else _decided(columns, _GROUPING)
    return whole


def _filtered(query: exp.Select, clauses: Sequence[str], scope: Scope) -> Dependencies:
    conditions = (query.args.get(name) for name in clauses)
    return frozenset().union(*(dependencies(each, scope, _FILTERING) for each in conditions if each))


def _grouped(query: exp.Select, made: Sequence[Made], columns: Sequence[Column], scope: Scope) -> Dependencies:
    group = query.args.get("group")
    if not isinstance(group, exp.Group):
        return NOTHING
    keys = list(group.expressions)
    for name in ("grouping_sets", "cube", "rollup"):
        sets = group.args.get(name)
        keys += sets if isinstance(sets, list) else []
    whole = _keyed(keys, columns, scope, _GROUPING)
    if group.args.get("all"):
        for item, found in made:
            if is_star(item):
                whole |= dependencies(item, scope, _GROUPING)
            elif not is_aggregating(item):
                whole |= _decided(found, _GROUPING)
    return whole


def _ordered(query: exp.Expr, columns: Sequence[Column], scope: Scope) -> Dependencies:
    whole = NOTHING
    for name in _ORDERS:
        if order := query.args.get(name):
            by_all = [key for key in order.expressions if key.name.upper() == "ALL"]
            if by_all:
                whole |= _decided(columns, _SORTING)
            else:
                whole |= _keyed(order.expressions, columns, scope, _SORTING)
    return whole


def _decided(columns: Sequence[Column], use: Use) -> Dependencies:
    """What all rows depend on where all columns are looked at, as by DISTINCT."""
    return used_as(use, frozenset().union(*(column.dependencies for column in columns)))


def _keyed(keys: Sequence[exp.Expr], columns: Sequence[Column], scope: Scope, use: Use) -> Dependencies:
    """What keys depend on; a number is the place of a column."""
    found = NOTHING
    for key in keys:
        inner = key.this if isinstance(key, exp.Ordered) else key
        if isinstance(inner, exp.Literal) and inner.is_int:
            place = int(inner.name) - 1
            found |= used_as(use, columns[place].dependencies) if 0 <= place < len(columns) else NOTHING
        else:
            found |= dependencies(inner, scope, use, aliases_first=use is _SORTING)
    return found


def _united(query: exp.SetOperation, scope: Scope) -> Relation:
    """UNION by place or by name; the right side of EXCEPT and INTERSECT only decides which rows stay.

    Where equal rows become one, all columns decide on that, as if they were grouped by.
    """
    spine = [query]
    while isinstance(spine[-1].this, exp.SetOperation) and not spine[-1].this.args.get("with_"):
        spine.append(spine[-1].this)
    result = read_query(spine[-1].this, scope)
    for part in reversed(spine):
        scope.session.spend()
        right = read_query(part.expression, scope)
        if not isinstance(part, exp.Union):
            decided = used_as(_FILTERING, all_dependencies(result) | all_dependencies(right))
            result = Relation(result.columns, result.rest, result.whole | right.whole | decided)
        elif part.args.get("by_name") or result.rest is not None or right.rest is not None:
            result = _by_name(result, right, scope, only_names=bool(part.args.get("by_name")))
        else:
            result = _by_place(result, right, scope)
        if isinstance(part, exp.Union) and part.args.get("distinct"):
            result.whole |= _decided(result.columns, _GROUPING)
    inner = scope.child()
    inner.aliases = {column.name.lower(): column.dependencies for column in result.columns}
    return Relation(result.columns, result.rest, result.whole | _ordered(query, result.columns, inner))


def _by_place(left: Relation, right: Relation, scope: Scope) -> Relation:
    if len(left.columns) != len(right.columns):
        scope.session.tell(f"a union joins {len(left.columns)} columns with {len(right.columns)}")
    scope.session.spend(len(left.columns))
    columns = [
        Column(first.name or second.name, first.dependencies | second.dependencies)
        for first, second in zip(left.columns, right.columns, strict=False)
    ]
    return Relation(columns, None, left.whole | right.whole)


def _by_name(left: Relation, right: Relation, scope: Scope, *, only_names: bool) -> Relation:
    """By name; also where a union is by place, but how many columns a side has is not known."""
    columns = []
    names = {column.name.lower(): column.name for side in (left, right) for column in side.columns}
    scope.session.spend(len(names))
    for name in names.values():
        found = [_of_side(side, name) for side in (left, right)]
        if None in found and not only_names:
            scope.session.tell(f"which column of the other side of a union goes with {name or 'one'} is not known")
        columns.append(Column(name, frozenset().union(*(one for one in found if one))))
    return Relation(columns, united_rest(left.rest, right.rest), left.whole | right.whole)


def _of_side(side: Relation, name: str) -> Dependencies | None:
    if known := side.known(name):
        return known.dependencies
    return side.rest.column(name) if side.rest is not None and side.may_have(name) and side.rest.certain else None
