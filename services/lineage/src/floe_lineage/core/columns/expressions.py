"""What an expression depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from sqlglot import exp

from floe_lineage.core.columns.functions import is_aggregate, use_in
from floe_lineage.core.columns.model import AGGREGATION, CONDITIONAL, SORT, WINDOW
from floe_lineage.core.columns.relations import all_dependencies
from floe_lineage.core.columns.scopes import Scope, Source, aliased, meaning
from floe_lineage.core.columns.uses import CHANGED, UNCHANGED, Dependencies, Dependency, Use, indirect, used_as, within

_CONDITION: Final = indirect(CONDITIONAL)
_ORDERING: Final = indirect(SORT)
_PARTITION: Final = indirect(WINDOW)
_TRANSPARENT: Final = (
    exp.Paren, exp.Alias, exp.Kwarg, exp.PropertyEQ, exp.Ordered, exp.IgnoreNulls, exp.RespectNulls, exp.Having,
    exp.Where, exp.Aliases, exp.Distinct, exp.Limit, exp.Collate,
)  # fmt: skip
_WITHOUT_COLUMNS: Final = (exp.Identifier, exp.Literal, exp.DataType, exp.Var, exp.Null, exp.Boolean, exp.WindowSpec)

Step: TypeAlias = tuple[exp.Expr, Use]


def dependencies(
    expression: exp.Expr, scope: Scope, use: Use = UNCHANGED, *, aliases_first: bool = False
) -> Dependencies:
    """What `expression` depends on, where it is itself used as `use`.

    Args:
        expression: any expression of `scope`.
        scope: what its names mean.
        use: made for what it becomes part of.
        aliases_first: whether a name means an item of the select list before it means a column.
    """
    found: set[Dependency] = set()
    waiting: list[Step] = [(expression, use)]
    while waiting:
        node, used = waiting.pop()
        scope.session.spend()
        if isinstance(node, exp.Column) and not node.is_star:
            named = aliased(scope, node) if aliases_first else None
            found |= used_as(used, meaning(scope, node).dependencies if named is None else named)
        elif isinstance(node, (exp.Star, exp.Column)):
            found |= used_as(used, _whole_rows(node, scope))
        elif isinstance(node, exp.Exists):
            found |= used_as(used, _rows_of(node, scope))
        elif isinstance(node, (exp.Query, exp.Values)):
            found |= _of_query(node, scope, used)
        elif isinstance(node, exp.Comprehension):
            found |= _of_comprehension(node, scope, used)
        elif not isinstance(node, _WITHOUT_COLUMNS):
            waiting += ((child, within(used, inner)) for child, inner in parts_of(node, scope))
    return frozenset(found)


def parts_of(node: exp.Expr, scope: Scope) -> Iterable[Step]:
    """The parts of a node, and how it uses each."""
    for kind, parts in _SPECIAL:
        if isinstance(node, kind):
            return parts(node, scope)
    use = UNCHANGED if isinstance(node, _TRANSPARENT) else use_in(node)
    return ((child, use) for child in node.iter_expressions())


def _of_condition(node: exp.Expr, _: Scope) -> Iterator[Step]:
    """IF and its kind: the condition decides, the branches become the value."""
    for name in ("true", "false"):
        if branch := node.args.get(name):
            yield branch, CHANGED
    yield node.this, _CONDITION


def _of_case(node: exp.Expr, _: Scope) -> Iterator[Step]:
    if compared := node.args.get("this"):
        yield compared, _CONDITION
    for branch in node.args["ifs"]:
        yield branch.this, _CONDITION
        yield branch.args["true"], CHANGED
    if default := node.args.get("default"):
        yield default, CHANGED


def _of_nullif(node: exp.Expr, _: Scope) -> Iterator[Step]:
    yield node.this, CHANGED
    yield node.expression, _CONDITION


def _of_window(node: exp.Expr, scope: Scope) -> Iterator[Step]:
    if isinstance(node.this, exp.Expr) and not isinstance(node.this, exp.Identifier):
        yield node.this, UNCHANGED
    for name in ("partition_by", "order"):
        part = node.args.get(name)
        for child in part if isinstance(part, list) else [part] if part else []:
            yield child, _PARTITION
    if (named := node.args.get("alias")) and (window := scope.windows.get(named.name.lower())) and window is not node:
        yield window, UNCHANGED


def _of_filter(node: exp.Expr, _: Scope) -> Iterator[Step]:
    yield node.this, UNCHANGED
    yield node.expression, _CONDITION


def _of_order(node: exp.Expr, _: Scope) -> Iterator[Step]:
    """ORDER BY within an aggregate, after what is aggregated; or of a window."""
    ordered = node.args.get("this")
    if ordered:
        yield ordered, UNCHANGED
    for child in node.expressions:
        yield child, _ORDERING if ordered else UNCHANGED


def _of_count(node: exp.Expr, _: Scope) -> Iterator[Step]:
    """count(*) counts rows, and looks at no column."""
    yield from ((child, use_in(node)) for child in node.iter_expressions() if not child.is_star)


def _of_group(node: exp.Expr, _: Scope) -> Iterator[Step]:
    """WITHIN GROUP: what `percentile_cont(0.5)` orders is what it aggregates, what `listagg(x)` orders is not."""
    yield node.this, UNCHANGED
    aggregated = node.this.find(exp.Column) is not None
    for child in node.expression.expressions:
        yield child, _ORDERING if aggregated else Use(AGGREGATION)


def _of_extreme(node: exp.Expr, _: Scope) -> Iterator[Step]:
    """arg_max(a, b): a value of a, from the row where b is greatest."""
    yield node.this, Use(AGGREGATION)
    if ordering := node.args.get("expression"):
        yield ordering, _ORDERING


def _of_having(node: exp.Expr, _: Scope) -> Iterator[Step]:
    """any_value(a HAVING MAX b): a value of a, from the row where b is greatest."""
    yield node.this, UNCHANGED
    yield node.expression, _ORDERING


_SPECIAL: Final[tuple[tuple[type[exp.Expr], Callable[[exp.Expr, Scope], Iterable[Step]]], ...]] = (
    (exp.Case, _of_case),
    (exp.If, _of_condition),
    (exp.Nvl2, _of_condition),
    (exp.Nullif, _of_nullif),
    (exp.Window, _of_window),
    (exp.Filter, _of_filter),
    (exp.Order, _of_order),
    (exp.Count, _of_count),
    (exp.WithinGroup, _of_group),
    (exp.ArgMax, _of_extreme),
    (exp.ArgMin, _of_extreme),
    (exp.HavingMax, _of_having),
)


def _of_query(node: exp.Expr, scope: Scope, use: Use) -> Dependencies:
    """A query that stands for a value, or for the values of IN: its columns, and what decides about its rows."""
    relation = scope.session.query(node, scope)
    return used_as(use, all_dependencies(relation) | relation.whole)


def _rows_of(node: exp.Exists, scope: Scope) -> Dependencies:
    """EXISTS asks for rows, whatever their columns are."""
    return scope.session.query(node.this, scope).whole


def _whole_rows(star: exp.Expr, scope: Scope) -> Dependencies:
    """All columns of the rows, as in `hash(*)` and `to_json(t.*)`."""
    sources: list[Source] = list(scope.visible())
    if isinstance(star, exp.Column) and star.table:
        sources = [source for source in sources if source.name.lower() == star.table.lower()]
    for source in sources:
        if source.relation.rest is not None and source.relation.rest.described:
            scope.session.tell(f"the columns of {source.name}, all of which are used, are not known")
    return frozenset().union(*(all_dependencies(source.relation) for source in sources))


def _of_comprehension(node: exp.Comprehension, scope: Scope, use: Use) -> Dependencies:
    """[f(x) for x in list if condition]: x is no column."""
    variable = node.expression
    inner = Scope(scope.session, scope, scope.common, local=frozenset({variable.name.lower()} if variable else ()))
    found = dependencies(node.args["iterator"], scope, within(use, CHANGED))
    found |= dependencies(node.this, inner, within(use, CHANGED))
    if condition := node.args.get("condition"):
        found |= dependencies(condition, inner, within(use, _CONDITION))
    return found


def is_aggregating(expression: exp.Expr) -> bool:
    """Whether an item of the select list makes one value of a group of rows."""
    parts = expression.walk(prune=lambda node: isinstance(node, (exp.Window, exp.Query)))
    return any(isinstance(node, exp.Func) and is_aggregate(node) for node in parts)
