"""How a column of PostgreSQL is read, so that it lands without loss.

DuckDB's scanner turns some types into forms that lose values: a numeric without precision becomes a double, NaN in a
decimal becomes 0. So PostgreSQL itself casts every column to a form that arrives whole, and DuckDB casts that to the
type that is landed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from floe_lakehouse.sql_text import quoted

_WHOLE: Final = frozenset(
    {
        "bool", "bpchar", "bytea", "date", "float4", "float8", "int2", "int4", "int8", "interval", "text", "time",
        "timestamp", "timestamptz", "timetz", "uuid", "varchar",
    }
)  # fmt: skip
"""Types that DuckDB reads as they are; every other one is read as PostgreSQL writes it: enum, json, inet, money ..."""
_NUMERIC: Final = "numeric"
_MOST_DIGITS: Final = 38
_UNDECLARED: Final = (38, 18)
"""Precision and scale of a numeric that declares none, as sums and averages are: Spark reads it like this too."""
_TYPMOD_OFFSET: Final = 4
_SCALE_BITS: Final = 11

COLUMNS_QUERY: Final = """
WITH RECURSIVE plain AS (
    SELECT a.attnum, a.attname, a.atttypmod AS typmod, t.typname, t.typtype, t.typbasetype, t.typtypmod, t.typelem,
           t.typcategory
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass({relation}) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT p.attnum, p.attname, p.typtypmod, t.typname, t.typtype, t.typbasetype, t.typtypmod, t.typelem, t.typcategory
    FROM plain p JOIN pg_catalog.pg_type t ON t.oid = p.typbasetype
    WHERE p.typtype = 'd'
)
SELECT p.attname::text AS name, coalesce(e.typname, p.typname)::text AS type, p.typmod::int AS typmod,
       e.oid IS NOT NULL AS is_array
FROM plain p LEFT JOIN pg_catalog.pg_type e ON p.typcategory = 'A' AND e.oid = p.typelem
WHERE p.typtype <> 'd'
ORDER BY p.attnum
"""
"""The columns of a relation, domains resolved; `{relation}` is a literal of its quoted name."""


@dataclass(frozen=True, slots=True)
class PostgresColumn:
    """A column as PostgreSQL's catalog has it.

    Attributes:
        name: its name.
        type: internal name of its type, or of the elements of an array.
        typmod: the type's modifier, which holds precision and scale of a numeric; -1 if it has none.
        is_array: whether it holds arrays of the type.
    """

    name: str
    type: str
    typmod: int = -1
    is_array: bool = False


def server_query(relation: str, columns: Iterable[PostgresColumn]) -> str:
    """What PostgreSQL is asked for; `relation` is quoted already."""
    selected = ", ".join(f"{_read(column)} AS {quoted(column.name)}" for column in columns)
    return f"SELECT {selected} FROM {relation}"  # noqa: S608 - every name is quoted


def received(columns: Iterable[PostgresColumn]) -> str:
    """The select list that gives the columns, as they arrive, the types that they have."""
    return ", ".join(_received(column) for column in columns)


def decimal_of(typmod: int) -> tuple[int, int]:
    """Precision and scale of the decimal that holds a numeric, at most 38 digits.

    A value that does not fit is an error when it is read. Digits after the last decimal place are rounded.
    """
    if typmod < _TYPMOD_OFFSET:
        return _UNDECLARED
    precision = (typmod - _TYPMOD_OFFSET) >> 16
    scale = (typmod - _TYPMOD_OFFSET) & (2**_SCALE_BITS - 1)
    if scale >= 2 ** (_SCALE_BITS - 1):  # negative, from PostgreSQL 15 on: round to tens, hundreds ...
        scale -= 2**_SCALE_BITS
    places = min(max(scale, 0), _MOST_DIGITS)
    return min(max(precision - scale, 0) + places, _MOST_DIGITS) or 1, places


def _read(column: PostgresColumn) -> str:
    name = quoted(column.name)
    if column.type in _WHOLE:
        return name
    return f"{name}::text[]" if column.is_array else f"{name}::text"


def _received(column: PostgresColumn) -> str:
    name = quoted(column.name)
    if column.type != _NUMERIC:
        return name
    precision, scale = decimal_of(column.typmod)
    return f"CAST({name} AS DECIMAL({precision}, {scale}){'[]' if column.is_array else ''}) AS {name}"
