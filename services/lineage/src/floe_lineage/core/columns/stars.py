"""`*` in a select list, with what may stand behind it, and DuckDB's COLUMNS(...)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlglot import exp

from floe_lineage.core.columns.expressions import dependencies
from floe_lineage.core.columns.relations import Column, Relation, Rest, joined_rest
from floe_lineage.core.columns.scopes import Scope, Source, meaning
from floe_lineage.core.columns.uses import CHANGED, Dependencies, used_as

_LONGEST_PATTERN: Final = 200


def is_star(item: exp.Expr) -> bool:
    """Whether an item of a select list is `*` or `table.*`, by itself or as COLUMNS(*)."""
    if isinstance(item, exp.Columns):
        return isinstance(item.this, exp.Star)
    return isinstance(item, exp.Star) or (isinstance(item, exp.Column) and item.is_star)


def columns_of_star(item: exp.Expr, scope: Scope) -> tuple[list[Column], Rest | None]:
    """The columns that it stands for, and what is known of those that are not known."""
    star = item if isinstance(item, exp.Star) else item.this
    names = scope.session.names
    if isinstance(item, exp.Column) and item.table:
        columns, rest = _of_table(item, scope)
    else:
        sources = list(scope.visible())
        columns = list(_merged(sources, scope))
        rest = joined_rest(source.relation.rest for source in sources)
    without = frozenset(names.spelled(_identifier(column)).lower() for column in star.args.get("except_") or ())
    renamed = {
        names.spelled(_identifier(alias.this)).lower(): names.spelled(alias.args["alias"])
        for alias in star.args.get("rename") or ()
        if isinstance(alias, exp.Alias)
    }
    replaced = {
        names.spelled(alias.args["alias"]).lower(): dependencies(alias.this, scope)
        for alias in star.args.get("replace") or ()
        if isinstance(alias, exp.Alias)
    }
    kept = [
        _changed(column, renamed, replaced)
        for column in columns
        if column.name.lower() not in without and _is_like(star, column.name)
    ]
    if rest is not None:
        kept += [Column(name, found) for name, found in replaced.items()]
        gone = rest.excluded | without | frozenset(renamed)
        rest = Rest(rest.inputs, rest.dependencies, gone, rest.certain, rest.described)
    return kept, rest


def _changed(column: Column, renamed: Mapping[str, str], replaced: dict[str, Dependencies]) -> Column:
    """The column after RENAME and REPLACE."""
    name = column.name.lower()
    if name in replaced:
        return Column(column.name, replaced.pop(name))
    return replace(column, name=renamed[name]) if name in renamed else column


def columns_of_pattern(item: exp.Expr, scope: Scope) -> list[Column]:
    """An expression on several columns at once: it is made for each of those that COLUMNS(...) means."""
    asked = item.find(exp.Columns)
    matches = _pattern(asked) if asked else None
    relations = [source.relation for source in scope.visible()]
    if matches is None or any(relation.rest is not None and relation.rest.described for relation in relations):
        scope.session.tell(f"which columns {asked.sql() if asked else 'COLUMNS'} means is not known")
        return []
    found = []
    for column in (column for relation in relations for column in relation.columns):
        if not matches.search(column.name):
            continue
        made = item.copy()
        for place in list(made.find_all(exp.Columns)):
            one = exp.column(exp.to_identifier(column.name, quoted=True))
            if place is made:
                made = one
            else:
                place.replace(one)
            scope.session.spend(10)
        found.append(Column(column.name, dependencies(made, scope)))
    return found


def _pattern(asked: exp.Columns) -> re.Pattern[str] | None:
    if isinstance(asked.this, exp.Star):
        return re.compile("")
    if not isinstance(asked.this, exp.Literal) or len(asked.name) > _LONGEST_PATTERN:
        return None
    try:
        return re.compile(asked.name)
    except re.error:
        return None


def _of_table(item: exp.Column, scope: Scope) -> tuple[list[Column], Rest | None]:
    wanted = scope.session.names.spelled(item.args["table"]).lower()
    around: Scope | None = scope
    while around is not None:
        for source in around.sources:
            if source.name.lower() == wanted:
                return list(source.relation.columns), source.relation.rest
        around = around.parent
    struct = meaning(scope, exp.column(item.args["table"].copy()))
    if struct.fields:
        return [replace(field, dependencies=used_as(CHANGED, field.dependencies)) for field in struct.fields], None
    return [], Rest(dependencies=used_as(CHANGED, struct.dependencies))


def _merged(sources: Sequence[Source], scope: Scope) -> Iterator[Column]:
    """The columns of all sources; those of USING once. DuckDB has these where the left side has them, others first."""
    merged = scope.merged
    if scope.session.names.dialect != "duckdb":
        for name in merged:
            yield Column(_spelled_by(sources, name), merged[name])
    given: set[str] = set(merged) if scope.session.names.dialect != "duckdb" else set()
    for source in sources:
        for column in source.relation.columns:
            name = column.name.lower()
            if name not in merged:
                yield column
            elif name not in given:
                given.add(name)
                yield Column(column.name, merged[name])


def _spelled_by(sources: Sequence[Source], name: str) -> str:
    relations: list[Relation] = [source.relation for source in sources]
    return next((column.name for relation in relations if (column := relation.known(name))), name)


def _is_like(star: exp.Expr, name: str) -> bool:
    """Snowflake's `* ILIKE 'pattern'`."""
    pattern = star.args.get("ilike")
    if not isinstance(pattern, exp.Expr):
        return True
    wanted = "".join(".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern.name)
    return re.fullmatch(wanted, name, re.IGNORECASE) is not None


def _identifier(column: exp.Expr) -> exp.Expr:
    return column.this if isinstance(column, exp.Column) else column
