"""Statements that write a table, each as one or more queries that give what is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from floe_lineage.core.columns.expressions import dependencies
from floe_lineage.core.columns.model import FILTER, JOIN
from floe_lineage.core.columns.queries import read_query, with_common
from floe_lineage.core.columns.relations import Column, Relation
from floe_lineage.core.columns.scopes import Scope
from floe_lineage.core.columns.sources import add_from, relation_of
from floe_lineage.core.columns.stars import columns_of_star
from floe_lineage.core.columns.uses import NOTHING, Dependencies, indirect

_FILTERING = indirect(FILTER)
_JOINING = indirect(JOIN)


@dataclass(frozen=True, slots=True)
class Written:
    """What a statement writes.

    Attributes:
        target: the parts of the table's name; none for a query by itself.
        relation: the columns that are written, and what they are made of.
        by_place: whether the table's columns are meant in their order, as INSERT without a list of columns does.
        read: numbers of the inputs that are read for it.
    """

    target: tuple[str, ...]
    relation: Relation
    by_place: bool = False
    read: frozenset[int] = frozenset()


def read_statement(statement: exp.Expr, scope: Scope) -> Written | None:
    """What a statement writes; None of one that writes nothing.

    Raises:
        TooLarge: reading it takes more steps than are left.
        RecursionError: it is nested too deeply.
    """
    scope.session.read.clear()
    written = _written(statement, scope)
    return replace(written, read=frozenset(scope.session.read)) if written else None


def _written(statement: exp.Expr, scope: Scope) -> Written | None:
    if isinstance(statement, (exp.Query, exp.Values)) or _is_pivot(statement):
        into = statement.args.get("into")
        target = _target(into.this, scope) if isinstance(into, exp.Into) else ()
        return Written(target, read_query(statement, scope))
    if isinstance(statement, exp.Create) and (statement.expression or statement.args.get("clone")):
        return _created(statement, with_common(statement, scope))
    if isinstance(statement, exp.Insert) and statement.expression:
        return _inserted(statement, with_common(statement, scope))
    if isinstance(statement, exp.Merge):
        return _merged(statement, with_common(statement, scope))
    if isinstance(statement, exp.Update):
        return _updated(statement, with_common(statement, scope))
    if isinstance(statement, exp.Copy) and isinstance(statement.this, exp.Subquery):
        return Written((), read_query(statement.this, scope))
    return None


def _is_pivot(statement: exp.Expr) -> bool:
    return isinstance(statement, exp.Pivot) and isinstance(statement.this, exp.Expr)


def _created(statement: exp.Create, scope: Scope) -> Written | None:
    if (statement.kind or "").upper() not in {"TABLE", "VIEW"}:
        return None
    clone = statement.args.get("clone")
    relation = relation_of(clone.this, scope.child()) if clone else read_query(statement.expression, scope)
    names = _listed(statement.this, scope)
    return Written(_target(statement.this, scope), _named(relation, names) if names else relation)


def _inserted(statement: exp.Insert, scope: Scope) -> Written:
    relation = read_query(statement.expression, scope)
    target = _target(statement.this, scope)
    names = _listed(statement.this, scope)
    if names and not statement.args.get("by_name"):
        return Written(target, _named(relation, names))
    return Written(target, relation, by_place=not statement.args.get("by_name"))


def _merged(statement: exp.Merge, scope: Scope) -> Written:
    """MERGE: each branch gives its columns a value; all branches together make the table."""
    inner = scope.child()
    target = statement.this
    whole = relation_of(target, inner).whole
    first = len(inner.sources)
    whole |= relation_of(statement.args["using"], inner).whole
    source = inner.sources[first:]
    if on := statement.args.get("on"):
        whole |= dependencies(on, inner, _JOINING)
    found: dict[str, Column] = {}
    rest = None
    for when in statement.args["whens"].expressions:
        if condition := when.args.get("condition"):
            whole |= dependencies(condition, inner, _FILTERING)
        then = when.args.get("then")
        if _takes_all(then):
            given = Scope(scope.session, None, {}, list(source))
            columns, rest = columns_of_star(exp.Star(), given)
        else:
            columns = list(_set_by(then, inner))
        for column in columns:
            _add(found, column)
    return Written(_target(target, scope), Relation(list(found.values()), rest, whole))


def _takes_all(then: object) -> bool:
    """UPDATE SET * and INSERT *, which take all columns of the source by their names."""
    if isinstance(then, exp.Update):
        return any(isinstance(item, exp.Star) for item in then.expressions)
    return isinstance(then, exp.Insert) and isinstance(then.this, exp.Star)


def _set_by(then: object, scope: Scope) -> Iterator[Column]:
    names = scope.session.names
    if isinstance(then, exp.Update):
        for item in then.expressions:
            if isinstance(item, exp.EQ) and isinstance(item.this, exp.Column):
                yield Column(names.spelled(item.this.this), dependencies(item.expression, scope))
    elif isinstance(then, exp.Insert) and isinstance(then.this, exp.Tuple) and isinstance(then.expression, exp.Tuple):
        for column, value in zip(then.this.expressions, then.expression.expressions, strict=False):
            yield Column(names.spelled(getattr(column, "this", column)), dependencies(value, scope))


def _add(found: dict[str, Column], column: Column) -> None:
    earlier = found.get(column.name.lower())
    before = earlier.dependencies if earlier else NOTHING
    found[column.name.lower()] = Column(column.name, before | column.dependencies)


def _updated(statement: exp.Update, scope: Scope) -> Written:
    inner = scope.child()
    whole: Dependencies = relation_of(statement.this, inner).whole
    whole |= add_from(statement, inner)
    if where := statement.args.get("where"):
        whole |= dependencies(where, inner, _FILTERING)
    return Written(_target(statement.this, scope), Relation(list(_set_by(statement, inner)), None, whole))


def _target(node: exp.Expr, scope: Scope) -> tuple[str, ...]:
    table = node.this if isinstance(node, exp.Schema) else node
    return scope.session.names.parts(table) if isinstance(table, exp.Table) else ()


def _listed(node: exp.Expr, scope: Scope) -> list[str]:
    """The columns that are listed behind the table's name."""
    if not isinstance(node, exp.Schema):
        return []
    names = (item.this if isinstance(item, exp.ColumnDef) else item for item in node.expressions)
    return [scope.session.names.spelled(name) for name in names if isinstance(name, exp.Identifier)]


def _named(relation: Relation, names: Sequence[str]) -> Relation:
    columns = [Column(name, column.dependencies) for name, column in zip(names, relation.columns, strict=False)]
    return Relation(columns, relation.rest if len(columns) < len(names) else None, relation.whole)
