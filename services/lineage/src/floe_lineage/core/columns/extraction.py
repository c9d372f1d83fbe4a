"""From SQL to column lineage. Needs the extra `column-lineage`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from floe_lineage.core.columns.model import ColumnLineage, InputField, Statement, Table, Transformation
from floe_lineage.core.columns.names import Names, matching
from floe_lineage.core.columns.queries import read_query
from floe_lineage.core.columns.relations import Column, Relation
from floe_lineage.core.columns.scopes import Scope, Session, TooLarge
from floe_lineage.core.columns.statements import Written, read_statement
from floe_lineage.core.columns.uses import Dependencies, Dependency

MOST_CHARACTERS: Final = 500_000
MOST_STEPS: Final = 1_000_000
MOST_TOLD: Final = 20_000
"""How often any column may be made of another one: a wide table has thousands of such edges."""
_LONGEST_REASON: Final = 300
_WRITING: Final = frozenset({"CREATE", "INSERT", "MERGE", "UPDATE", "COPY", "REPLACE"})
# What producers call a dialect, where sqlglot calls it otherwise.
_DIALECTS: Final = {
    "postgresql": "postgres",
    "sparksql": "spark",
    "spark_sql": "spark",
    "awsathena": "athena",
    "mssql": "tsql",
    "sqlserver": "tsql",
}
# What dbt adds to a snapshot beside the columns of its query.
_OF_SNAPSHOTS: Final = frozenset({"dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_is_deleted"})


def extract(statement: Statement) -> ColumnLineage:
    """What the columns of `statement.output` are made of; SQL that cannot be read gives the reason, never an error."""
    if len(statement.sql) > MOST_CHARACTERS:
        return ColumnLineage(unparsed=f"the SQL is longer than {MOST_CHARACTERS} characters")
    try:
        return _extract(statement)
    except TooLarge as error:
        return ColumnLineage(unparsed=str(error))
    except RecursionError:
        return ColumnLineage(unparsed="the SQL is nested too deeply")
    except SqlglotError as error:
        return ColumnLineage(unparsed=f"not understood: {_plain(error)}")
    except Exception as error:  # noqa: BLE001 - foreign SQL must not stop the stream, whatever the parser makes of it
        return ColumnLineage(unparsed=f"not understood: {type(error).__name__}: {_plain(error)}")


def _extract(statement: Statement) -> ColumnLineage:
    dialect = _dialect(statement)
    session = Session(Names(dialect), statement.inputs, MOST_STEPS, read_query)
    writes: list[Written] = []
    unread = ""
    for parsed in sqlglot.parse(statement.sql, dialect=dialect):
        if isinstance(parsed, exp.Command) and parsed.name.upper() in _WRITING:
            unread = f"a statement that begins with {parsed.name.upper()} is not understood"
            session.tell(unread)
        if parsed is None or (written := read_statement(parsed, Scope(session))) is None:
            continue
        writes.append(written)
        if written.target and not matching([statement.output], written.target):
            session.written[written.target[-1].lower()] = written.relation, written.read
    chosen = _of_output(writes, statement.output, all_read=not unread)
    if not chosen:
        return ColumnLineage(unparsed=unread or "nothing in the SQL writes the table")
    return _told(chosen, statement, session)


def _dialect(statement: Statement) -> Dialect:
    """The dialect that is said, else that of the warehouse; what nobody knows is read as what all have in common.

    The specification's namespaces begin with the kind of the warehouse (Naming.md).
    """
    asked = (statement.dialect or statement.output.namespace.partition("://")[0]).strip().lower()
    try:
        return Dialect.get_or_raise(_DIALECTS.get(asked, asked))
    except ValueError:
        return Dialect.get_or_raise("")


def _of_output(writes: Sequence[Written], output: Table, *, all_read: bool) -> list[Written]:
    """What wrote the table: what names it, or queries by themselves, or what wrote a table that took its name later.

    That is one whose name goes on where the output's ends, as dbt's `orders__dbt_tmp` does, or the only one there is.
    """
    named = [written for written in writes if written.target and matching([output], written.target)]
    if named or not all(written.target for written in writes):
        return named or [written for written in writes if not written.target]
    begin = re.split(r"[./]", output.name)[-1].lower() + "__"
    targets = {_folded(written.target) for written in writes}
    later = {target for target in targets if target[-1].startswith(begin)} or (targets if all_read else set())
    return [written for written in writes if _folded(written.target) in later] if len(later) == 1 else []


def _folded(target: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.lower() for part in target)


def _told(writes: Sequence[Written], statement: Statement, session: Session) -> ColumnLineage:
    fields: dict[str, Dependencies] = {}
    whole: Dependencies = frozenset()
    for written in writes:
        whole |= written.relation.whole
        for name, dependencies in _columns(written, statement.output, session):
            fields[name] = fields.get(name, frozenset()) | dependencies
    if len(whole) + sum(map(len, fields.values())) > MOST_TOLD:
        raise TooLarge(f"the columns are made of more than {MOST_TOLD} others in all")
    spelling = _Spelling(statement, session)
    read = [statement.inputs[number] for number in sorted(frozenset().union(*(written.read for written in writes)))]
    return ColumnLineage(
        fields={name: spelling.fields(dependencies) for name, dependencies in fields.items()},
        whole=spelling.fields(whole),
        unresolved=tuple(session.unresolved),
        tables=tuple((table.namespace, table.name) for table in read),
    )


def _columns(written: Written, output: Table, session: Session) -> Iterator[tuple[str, Dependencies]]:
    """The columns under the names that the table has for them."""
    relation = written.relation
    same_width = relation.rest is None and len(relation.columns) == len(output.columns)
    repeated = _repeated(relation, session)
    if same_width and (written.by_place or (repeated and output.complete)):
        yield from zip(output.columns, (column.dependencies for column in relation.columns), strict=True)
        return
    for name in repeated.values():
        session.tell(f"several columns are called {name}, and which name each has in the table is not known")
    table = Relation([Column(name, frozenset()) for name in output.columns])
    told: set[str] = set()
    for place, column in enumerate(relation.columns):
        if session.names.key(column.name) in repeated:
            continue
        known = table.known(column.name)
        name = known.name if known else output.columns[place] if same_width and not column.name else column.name
        if not name:
            session.tell(f"column {place + 1} has no name")
        elif known or not (output.complete and output.columns) or same_width:
            told.add(name)
            yield name, column.dependencies
    yield from _passed_through(relation, output, told, repeated, session)


def _repeated(relation: Relation, session: Session) -> dict[str, str]:
    """Names that several columns have, as a join has them under `*`: DuckDB stores the second `id` as `id_1`."""
    key = session.names.key
    times = Counter(key(column.name) for column in relation.columns if column.name)
    return {key(column.name): column.name for column in reversed(relation.columns) if times[key(column.name)] > 1}


def _passed_through(
    relation: Relation, output: Table, told: set[str], repeated: Container[str], session: Session
) -> Iterator[tuple[str, Dependencies]]:
    """Columns that `*` takes from tables whose columns are not known: the output's columns say what they are."""
    rest = relation.rest
    if rest is None or not (rest.described or rest.dependencies):
        return
    missing = [
        name
        for name in output.columns
        if name not in told and session.names.key(name) not in repeated and relation.may_have(name)
    ]
    numbered = [name for name in missing if _may_be_numbered(name, relation, session)]
    for name in numbered:
        session.tell(f"whether {name} is a column of that name, or the second of another name, is not known")
    missing = [name for name in missing if name not in numbered]
    if rest.certain:
        yield from ((name, rest.column(name)) for name in missing if name.lower() not in _OF_SNAPSHOTS)
    if not rest.certain or not output.columns:
        session.tell(f"which columns `*` stands for is not known: those of {', '.join(rest.described)} are not")


def _may_be_numbered(name: str, relation: Relation, session: Session) -> bool:
    """Whether DuckDB may have called a column so because the name before the number was taken."""
    first, _, number = name.rpartition("_")
    return session.names.dialect == "duckdb" and number.isdecimal() and relation.known(first) is not None


class _Spelling:
    """Gives dependencies the names of their datasets; columns of one table get one spelling."""

    def __init__(self, statement: Statement, session: Session) -> None:
        self._inputs = statement.inputs
        self._cased = session.names.cased
        self._spelled: dict[tuple[int, str], str] = {}

    def fields(self, dependencies: Dependencies) -> tuple[InputField, ...]:
        """In the order of the inputs, then by name."""
        grouped: dict[tuple[int, str], set[Transformation]] = {}
        for found in sorted(dependencies):
            use = found.use
            transformation = Transformation("DIRECT" if use.direct else "INDIRECT", use.subtype, use.masking)
            grouped.setdefault((found.input, self._name(found)), set()).add(transformation)
        return tuple(
            InputField(self._inputs[number].namespace, self._inputs[number].name, name, tuple(sorted(transformations)))
            for (number, name), transformations in sorted(grouped.items())
        )

    def _name(self, found: Dependency) -> str:
        if self._cased or found.column in self._inputs[found.input].columns:
            return found.column
        return self._spelled.setdefault((found.input, found.column.lower()), found.column)


def _plain(error: BaseException) -> str:
    """The parser's message without the marks for terminals, and not too long: it quotes the SQL."""
    return " ".join(str(error).replace("\x1b[4m", "").replace("\x1b[0m", "").split())[:_LONGEST_REASON]
