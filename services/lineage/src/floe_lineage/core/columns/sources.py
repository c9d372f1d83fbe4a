"""What stands in FROM: tables, names of WITH, queries, lists of values, and functions that make rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from floe_lineage.core.columns.expressions import dependencies
from floe_lineage.core.columns.model import JOIN
from floe_lineage.core.columns.names import matching
from floe_lineage.core.columns.pivots import pivoted
from floe_lineage.core.columns.relations import UNKNOWN, Column, Relation, Rest, joined_rest, numbered, renamed
from floe_lineage.core.columns.scopes import CommonTable, Scope, Source
from floe_lineage.core.columns.structs import fields_of
from floe_lineage.core.columns.uses import CHANGED, NOTHING, UNCHANGED, Dependencies, Dependency, indirect, used_as

_MADE_OF_ROWS: Final = (exp.Lateral, exp.Unnest, exp.TableFromRows, exp.Table)
_JOINED: Final = indirect(JOIN)
_MOST_ROUNDS: Final = 8
# Where `FROM orders AS o, o.items` means the list in each row.
_LISTS_IN_FROM: Final = frozenset({"bigquery", "redshift"})


def add_from(query: exp.Expr, scope: Scope) -> Dependencies:
    """Put what stands in FROM of a SELECT into its scope; returns what all rows depend on because of it."""
    whole = NOTHING
    if from_ := query.args.get("from_"):
        whole |= _add(from_.this, scope)
    for lateral in query.args.get("laterals") or ():
        whole |= _add(lateral, scope)
    return whole | _add_joins(query, scope)


def _add_joins(holder: exp.Expr, scope: Scope) -> Dependencies:
    whole = NOTHING
    for join in holder.args.get("joins") or ():
        whole |= _add_join(join, scope)
    return whole


def _add_join(join: exp.Join, scope: Scope) -> Dependencies:
    left = list(scope.sources)
    whole = _add(join.this, scope)
    added = scope.sources[len(left) :]
    for condition in (join.args.get("on"), join.args.get("match_condition")):
        if condition:
            whole |= dependencies(condition, scope, _JOINED)
    shared = [scope.session.names.spelled(name) for name in join.args.get("using") or ()]
    if join.method == "NATURAL":
        shared = _shared(left, added)
    for name in shared:
        whole |= _merge(scope, left, added, name, join)
    if join.kind in {"SEMI", "ANTI"} or join.side in {"SEMI", "ANTI"}:
        for source in added:
            source.visible = False
    return whole


def _merge(scope: Scope, left: Sequence[Source], right: Sequence[Source], name: str, join: exp.Join) -> Dependencies:
    """A column of USING is one column of the join: the left side's, or whichever of the two is there."""
    session = scope.session
    sides = []
    for sources, merged in ((left, scope.merged), (right, {})):
        side = Scope(session, None, {}, list(sources), merged=dict(merged))
        sides.append(dependencies(exp.column(exp.to_identifier(name, quoted=True)), side))
    first, second = sides
    if join.side == "FULL":
        scope.merged[name.lower()] = used_as(CHANGED, first | second)
    else:
        scope.merged[name.lower()] = second if join.side == "RIGHT" else first
    return used_as(_JOINED, first | second)


def _shared(left: Sequence[Source], right: Sequence[Source]) -> list[str]:
    names = {column.name.lower() for source in left for column in source.relation.columns}
    return [column.name for source in right for column in source.relation.columns if column.name.lower() in names]


def _add(node: exp.Expr, scope: Scope) -> Dependencies:
    """Add one item of FROM, and what is joined to it in brackets."""
    scope.session.spend()
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not node.alias:
        return _add(node.this, scope) | _add_joins(node, scope)
    relation, path = _relation(node, scope)
    if scope.session.names.dialect == "duckdb":
        relation = numbered(relation)
    if not isinstance(node, exp.Query):  # which has done it by itself
        for pivot in node.args.get("pivots") or ():
            relation = pivoted(relation, pivot, scope)
    name, columns = _alias(node, scope)
    if columns and relation.rest is not None and relation.rest.described:
        scope.session.tell(f"the columns of {name} are named anew, and what they were is not known")
    scope.sources.append(Source(name or (path[-1] if path else ""), renamed(relation, columns), () if name else path))
    joined = _add_joins(node, scope) if isinstance(node, (exp.Table, exp.Subquery)) else NOTHING
    return relation.whole | joined


def relation_of(node: exp.Expr, scope: Scope) -> Relation:
    """What one item of FROM stands for, with what is joined to it in brackets."""
    whole = _add(node, scope)
    return Relation(*_all_columns(scope), whole)


def _relation(node: exp.Expr, scope: Scope) -> tuple[Relation, tuple[str, ...]]:
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
        path = scope.session.names.parts(node)
        return _named(node, path, scope), path
    if isinstance(node, _MADE_OF_ROWS):
        return _made(node, scope), ()
    if isinstance(node, exp.Values):
        return _values(node, scope), ()
    if isinstance(node, exp.Query):
        return scope.session.query(node, Scope(scope.session, scope.parent, scope.common)), ()
    return Relation((), UNKNOWN), ()


def _all_columns(scope: Scope) -> tuple[list[Column], Rest | None]:
    relations = [source.relation for source in scope.visible()]
    columns = [column for relation in relations for column in relation.columns]
    return columns, joined_rest(relation.rest for relation in relations)


def _named(node: exp.Table, path: tuple[str, ...], scope: Scope) -> Relation:
    """A name: of WITH, of what the script wrote before, of a column with a list, or of a table."""
    session = scope.session
    if len(path) == 1 and (common := scope.common.get(path[0].lower())):
        return read_common(common, scope)
    found = matching(session.inputs, path)
    if not found and (written := session.written.get(path[-1].lower())):
        relation, read = written
        session.read |= read
        return relation
    if not found and len(path) > 1 and session.names.dialect in _LISTS_IN_FROM:
        column = exp.column(exp.to_identifier(path[1], quoted=True), table=exp.to_identifier(path[0], quoted=True))
        if any(source.name.lower() == path[0].lower() for source in scope.sources):
            return Relation((), Rest(dependencies=dependencies(column, scope, CHANGED)))
    if len(found) > 1:
        session.tell(f"the name {'.'.join(path)} fits several inputs")
    if len(found) != 1:
        return Relation((), UNKNOWN)
    number = found[0]
    session.read.add(number)
    table = session.inputs[number]
    session.spend(len(table.columns))
    columns = [Column(name, frozenset({Dependency(number, name, UNCHANGED)})) for name in table.columns]
    return Relation(columns, None if table.complete else Rest(frozenset({number}), described=(table.name,)))


def read_common(common: CommonTable, scope: Scope) -> Relation:
    """What a name of WITH stands for; a recursive one is read until nothing new is found."""
    if common.relation is not None:
        return common.relation
    if common.reading:
        return Relation((), UNKNOWN)
    inner = Scope(scope.session, None, common.around)
    common.reading = True
    if common.recursive and isinstance(common.query, exp.SetOperation):
        common.relation = renamed(scope.session.query(_first_part(common.query), inner), common.columns)
        for _ in range(_MOST_ROUNDS):
            relation = renamed(scope.session.query(common.query, inner), common.columns)
            if relation.columns == common.relation.columns and relation.whole == common.relation.whole:
                break
            common.relation = relation
    else:
        relation = scope.session.query(common.query, inner)
        if common.columns and relation.rest is not None and relation.rest.described:
            scope.session.tell("the columns of a name of WITH are named anew, and what they were is not known")
        common.relation = renamed(relation, common.columns)
    common.reading = False
    return common.relation


def _first_part(query: exp.Expr) -> exp.Expr:
    while isinstance(query, exp.SetOperation):
        query = query.this
    return query


def _made(node: exp.Expr, scope: Scope) -> Relation:
    """Rows that a function makes of columns to its left, as UNNEST does: each column is made of its arguments."""
    if isinstance(node, exp.Lateral) and isinstance(node.this, (exp.Query, exp.Subquery)):
        return scope.session.query(node.this, scope)
    if isinstance(node, exp.Unnest):
        arguments = node.expressions
    else:
        arguments = [node.this] if isinstance(node.this, exp.Expr) else []
    made_of = frozenset().union(*(dependencies(argument, scope, CHANGED) for argument in arguments))
    fields = fields_of(arguments[0], scope) if len(arguments) == 1 else ()
    columns = [Column(name, made_of, fields) for name in _alias(node, scope)[1]]
    if isinstance(offset := node.args.get("offset"), exp.Identifier):
        columns.append(Column(scope.session.names.spelled(offset), NOTHING))
    return Relation(columns, Rest(dependencies=made_of))


def _values(node: exp.Values, scope: Scope) -> Relation:
    rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
    width = max((len(row) for row in rows), default=0)
    scope.session.spend(width)
    columns = []
    for number in range(width):
        cells = [row[number] for row in rows if number < len(row)]
        columns.append(Column("", frozenset().union(*(dependencies(cell, scope) for cell in cells))))
    return Relation(columns)


def _alias(node: exp.Expr, scope: Scope) -> tuple[str, list[str]]:
    pivots = node.args.get("pivots") or ()
    alias = node.args.get("alias") or (pivots[-1].args.get("alias") if pivots else None)
    if not isinstance(alias, exp.TableAlias):
        return "", []
    names = scope.session.names
    columns = [names.spelled(column.this if isinstance(column, exp.ColumnDef) else column) for column in alias.columns]
    return names.spelled(alias.this) if alias.this else "", columns
