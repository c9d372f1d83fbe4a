"""What names mean at a place in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlglot import exp

from floe_lineage.core.columns.model import Table
from floe_lineage.core.columns.names import Names
from floe_lineage.core.columns.relations import Column, Relation, Rest, all_dependencies, field_of
from floe_lineage.core.columns.uses import CHANGED, NOTHING, Dependencies, used_as

# Where an item of the select list cannot name another one; only what comes after the list can.
_WITHOUT_LATERAL_ALIASES: Final = frozenset(
    {"athena", "bigquery", "fabric", "hive", "mysql", "oracle", "postgres", "presto", "spark2", "trino", "tsql"}
)


class TooLarge(Exception):
    """The statement needs more work than is spent on one, or says more than is told of one."""


@dataclass(slots=True)
class Session:
    """What reading one statement shares.

    Attributes:
        names: as the dialect spells them.
        inputs: the tables that columns may come from.
        written: by lower-case name, tables that the same SQL wrote before, as a script does, and the inputs they read.
        budget: steps that may still be made.
        query: reads a query in a scope; expressions hold queries, and queries expressions.
        read: numbers of the inputs that the statement at hand reads.
        unresolved: what could not be told; a dictionary, for the order.
    """

    names: Names
    inputs: Sequence[Table]
    budget: int
    query: Callable[[exp.Expr, Scope], Relation]
    written: dict[str, tuple[Relation, frozenset[int]]] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    unresolved: dict[str, None] = field(default_factory=dict)

    def spend(self, steps: int = 1) -> None:
        """Count steps.

        Raises:
            TooLarge: there were too many.
        """
        self.budget -= steps
        if self.budget < 0:
            raise TooLarge("reading the SQL takes more steps than are spent on one statement")

    def tell(self, problem: str) -> None:
        """Keep what could not be told."""
        if len(self.unresolved) < 100:
            self.unresolved[problem] = None


@dataclass(slots=True)
class CommonTable:
    """A name of WITH: it is read when something first asks for it."""

    query: exp.Expr
    columns: tuple[str, ...]
    around: Mapping[str, CommonTable]
    recursive: bool
    relation: Relation | None = None
    reading: bool = False


@dataclass(slots=True)
class Source:
    """A relation in FROM.

    Attributes:
        name: its alias, or the last part of its name.
        path: all parts of its name, where it has no alias.
        relation: what it stands for.
        visible: whether the columns of SELECT may come from it; not those of the right side of a semi join.
    """

    name: str
    relation: Relation
    path: tuple[str, ...] = ()
    visible: bool = True


@dataclass(slots=True)
class Scope:
    """What the names in one SELECT mean.

    Attributes:
        session: of the statement.
        parent: the SELECT around it.
        common: the names of WITH that can be used here.
        sources: what FROM has so far.
        aliases: what the columns of the select list so far are made of, by lower-case name.
        merged: what the columns of USING are made of, by lower-case name.
        windows: named windows, by lower-case name.
        local: lower-case names that are variables of a list comprehension.
        after_list: whether what is read comes after the select list, as GROUP BY, HAVING, QUALIFY and ORDER BY do.
    """

    session: Session
    parent: Scope | None = None
    common: Mapping[str, CommonTable] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    aliases: dict[str, Dependencies] = field(default_factory=dict)
    merged: dict[str, Dependencies] = field(default_factory=dict)
    windows: dict[str, exp.Expr] = field(default_factory=dict)
    local: frozenset[str] = frozenset()
    after_list: bool = False

    def child(self) -> Scope:
        """The scope of a query in this one."""
        return Scope(self.session, self, self.common)

    def outward(self) -> Iterator[Scope]:
        """This scope and those around it, the nearest first."""
        around: Scope | None = self
        while around is not None:
            yield around
            around = around.parent

    def visible(self) -> Iterator[Source]:
        """The sources that columns may come from."""
        return (source for source in self.sources if source.visible)


def meaning(scope: Scope, column: exp.Column) -> Column:
    """What a column in an expression is; told, where that cannot be said.

    In `t.id`, a table `t` of a query around this one goes before a column `t` that has fields.
    """
    session = scope.session
    names = [session.names.spelled(part) for part in column.parts]
    for find in (_qualified, _unqualified) if len(names) > 1 else (_unqualified,):
        for around in scope.outward():
            session.spend()
            found = find(around, names)
            if found is not None:
                return found
    session.tell(f"the column {column.sql()} is in none of the tables that are known here")
    return Column(names[-1], NOTHING)


def aliased(scope: Scope, column: exp.Column) -> Dependencies | None:
    """What the item of the select list with that name is made of, as ORDER BY may mean it."""
    return scope.aliases.get(scope.session.names.spelled(column.this).lower()) if len(column.parts) == 1 else None


def _qualified(scope: Scope, names: Sequence[str]) -> Column | None:
    """The column of a source that is named; what follows are fields of a struct."""
    if names[0].lower() in scope.local:
        return Column(names[-1], NOTHING)
    for length in range(1, len(names)):
        for source in scope.sources:
            if not _is_called(source, names[:length]):
                continue
            found = _column(scope, source, names[length])
            if found is not None:
                return field_of(found, names[length + 1 :])
    return None


def _is_called(source: Source, names: Sequence[str]) -> bool:
    if len(names) == 1:
        return source.name.lower() == names[0].lower()
    tail = [name.lower() for name in source.path[-len(names) :]]
    return tail == [name.lower() for name in names]


def _unqualified(scope: Scope, names: Sequence[str]) -> Column | None:
    """A column whose table is not named; what follows are fields of a struct."""
    found = Column(names[0], NOTHING) if names[0].lower() in scope.local else _alone(scope, names[0])
    return None if found is None else field_of(found, names[1:])


def _alone(scope: Scope, name: str) -> Column | None:
    """A name alone: a column that is known, else an item of the select list, else a column that a table may have."""
    if (merged := scope.merged.get(name.lower())) is not None:
        return Column(name, merged)
    sources = list(scope.visible())
    if (known := _known(scope, sources, name)) is not None:
        return known
    if (alias := _item(scope, sources, name)) is not None:
        return alias
    if (possible := _possible(scope, sources, name)) is not None:
        if _undescribed(sources, name) and scope.parent and _is_known(scope.parent, name):
            scope.session.tell(f"whether {name} is a column of the inner query or of the one around it is not known")
            return Column(name, NOTHING)
        return possible
    rows = [source.relation for source in sources if source.name.lower() == name.lower()]
    return _whole_row(name, rows[0]) if len(rows) == 1 else None


def _item(scope: Scope, sources: Sequence[Source], name: str) -> Column | None:
    """The item of the select list with that name; within the list a column goes before it, if there is one."""
    alias = scope.aliases.get(name.lower())
    if alias is None or scope.after_list:
        return None if alias is None else Column(name, alias)
    if scope.session.names.dialect in _WITHOUT_LATERAL_ALIASES:
        return None
    rests = _undescribed(sources, name)
    if not rests:
        return Column(name, alias)
    used = {(found.input, found.column.lower()) for found in alias}
    if len(rests) == 1 and rests[0].inputs and all((number, name.lower()) in used for number in rests[0].inputs):
        return None  # as in `upper(a) as a, a as b`: that there is such a column the item itself says
    tables = ", ".join(sorted({table for rest in rests for table in rest.described}))
    scope.session.tell(f"whether {name} is an item of the select list or a column of {tables} is not known")
    return Column(name, NOTHING)


def _undescribed(sources: Sequence[Source], name: str) -> list[Rest]:
    """What tables are whose columns are not known, where they may have that one."""
    rests = (source.relation.rest for source in sources if source.relation.may_have(name))
    return [rest for rest in rests if rest is not None and rest.described]


def _is_known(scope: Scope, name: str) -> bool:
    """Whether the query, or one around it, has a table with that column."""
    return any(
        name.lower() in around.merged or any(source.relation.known(name) for source in around.visible())
        for around in scope.outward()
    )


def _whole_row(name: str, relation: Relation) -> Column:
    fields = tuple(relation.columns) if relation.rest is None else ()
    return Column(name, used_as(CHANGED, all_dependencies(relation)), fields)


def _column(scope: Scope, source: Source, name: str) -> Column | None:
    known = _known(scope, [source], name)
    return _possible(scope, [source], name) if known is None else known


def _known(scope: Scope, sources: Sequence[Source], name: str) -> Column | None:
    found = [column for source in sources if (column := source.relation.known(name))]
    if len(found) > 1:
        scope.session.tell(f"several tables have a column {name}")
        return Column(name, NOTHING)
    return found[0] if found else None


def _possible(scope: Scope, sources: Sequence[Source], name: str) -> Column | None:
    """A column that is not known, of the only source that may have more columns than are known."""
    rests = [source.relation.rest for source in sources if source.relation.may_have(name)]
    able = [rest for rest in rests if rest is not None]
    if not able:
        return None
    if len(able) == 1 and able[0].certain:
        return Column(name, able[0].column(name))
    if any(rest.described or rest.dependencies for rest in able):
        described = ", ".join(sorted({table for rest in able for table in rest.described}))
        scope.session.tell(f"the column {name} is of one of several tables whose columns are not known: {described}")
    return Column(name, NOTHING)
