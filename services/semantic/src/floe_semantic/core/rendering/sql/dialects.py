"""How the SQL of the seven warehouses differs where a Cube model has to write some itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from floe_contracts.nodes import Node

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Dialect:
    """The SQL of one warehouse.

    Attributes:
        name: the type of compute in platform.yaml.
        quote: the sign around a name that is not plain.
        spelled: whether a quoted name is another one than the same name without quotes.
        escapes: whether a backslash in a string means something.
        double_quoted_text: whether text may stand in double quotes; None where it depends on the session.
        databases: whether a query reaches other databases than the one that it is connected to.
    """

    name: str
    quote: Literal['"', "`"] = '"'
    spelled: bool = False
    escapes: bool = True
    double_quoted_text: bool | None = False
    databases: bool = True


DUCKDB: Final = Dialect("duckdb", escapes=False, databases=False)
_DIALECTS: Final = {
    dialect.name: dialect
    for dialect in (
        DUCKDB,
        Dialect("postgres", spelled=True, escapes=False, databases=False),
        Dialect("redshift", spelled=True),
        Dialect("snowflake", spelled=True),
        Dialect("bigquery", "`", double_quoted_text=True),
        Dialect("databricks", "`", double_quoted_text=None),
        Dialect("spark", "`", double_quoted_text=None),
    )
}


def dialect_of(compute_type: str) -> Dialect:
    """The SQL of a compute; one that floe does not know is taken for standard SQL."""
    return _DIALECTS.get(compute_type) or Dialect(compute_type, spelled=True)


def quoted(name: str, dialect: Dialect) -> str:
    """`name` as a quoted identifier."""
    return dialect.quote + name.replace(dialect.quote, dialect.quote * 2) + dialect.quote


def column_name(name: str, dialect: Dialect, *, as_spelled: bool = False) -> str:
    """A column as it stands behind a table's alias and a dot; there, SQL's own words need no quotes.

    Args:
        name: as the project spells it.
        dialect: of the warehouse.
        as_spelled: whether the project says that the name is quoted. Otherwise it is written as dbt's own tests write
            it: without quotes, so that Snowflake takes `id` for ID and PostgreSQL `Id` for id.
    """
    plain = _IDENTIFIER.fullmatch(name) and not (as_spelled and dialect.spelled)
    return name if plain else quoted(name, dialect)


def relation(node: Node, dialect: Dialect) -> str:
    """The table of `node` as a query names it.

    Where a query reaches one database only, the name of that database is left out: it may be another one than dbt's, as
    that of a file that is attached. Elsewhere it is the name that dbt quoted by the adapter's and the project's rules.
    """
    if node.relation_name and dialect.databases:
        return node.relation_name
    parts = [node.schema_name, node.identifier]
    if dialect.databases and node.database:
        parts.insert(0, node.database)
    return ".".join(quoted(part, dialect) for part in parts)
