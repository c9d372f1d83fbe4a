"""The types that a project declares, in the words of its warehouse, as DuckDB types."""

from __future__ import annotations

import re
import threading
from contextlib import ExitStack
from typing import Final

import duckdb
from duckdb.sqltypes import DuckDBPyType

from floe_lakehouse.duckdb_files import Engine, open_closed
from floe_lakehouse.postgres_columns import decimal_of

_ENGINE: Final = Engine("128MB", threads=1)
POSTGRES: Final = {
    "bigint": "BIGINT", "int8": "BIGINT", "bigserial": "BIGINT", "serial8": "BIGINT",
    "boolean": "BOOLEAN", "bool": "BOOLEAN",
    "bytea": "BLOB",
    "char": "VARCHAR", "character": "VARCHAR", "bpchar": "VARCHAR",
    "varchar": "VARCHAR", "character varying": "VARCHAR",
    "text": "VARCHAR", "json": "VARCHAR", "jsonb": "VARCHAR", "uuid": "VARCHAR", "interval": "VARCHAR",
    "date": "DATE",
    "double precision": "DOUBLE", "float8": "DOUBLE", "float": "DOUBLE",
    "real": "FLOAT", "float4": "FLOAT",
    "integer": "INTEGER", "int": "INTEGER", "int4": "INTEGER", "serial": "INTEGER", "serial4": "INTEGER",
    "smallint": "SMALLINT", "int2": "SMALLINT", "smallserial": "SMALLINT", "serial2": "SMALLINT",
    "time": "TIME", "time without time zone": "TIME",
    "time with time zone": "VARCHAR", "timetz": "VARCHAR",
    "timestamp": "TIMESTAMP", "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ", "timestamptz": "TIMESTAMPTZ",
}  # fmt: skip
"""PostgreSQL's types by name -> what they are when they have been read from there; see `postgres_columns`."""
_NUMERIC: Final = frozenset({"numeric", "decimal", "dec"})
_REAL_BITS: Final = 24
_POSTGRES_TYPE: Final = re.compile(
    r"(?P<name>[a-z0-9 ]+?)\s*(?:\(\s*(?P<first>\d+)\s*(?:,\s*(?P<second>-?\d+)\s*)?\))?"
    r"(?P<zone>\s+with(?:out)? time zone)?"
    r"(?P<array>(?:\s*\[\d*\])*)"
)


class DeclaredTypes:
    """Reads the words for types; knows the words that it has read. Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._read: dict[tuple[str, str], DuckDBPyType | None] = {}

    def read(self, compute: str, word: str) -> DuckDBPyType | None:
        """The type that a column declared with `word` has in DuckDB; None if it is none that floe knows.

        Args:
            compute: the type of the compute, `duckdb` or `postgres`.
            word: as in `numeric(10, 2)`.
        """
        with self._lock:
            if (compute, word) not in self._read:
                spelled = postgres_type(word) if compute == "postgres" else word
                self._read[compute, word] = self._parse(spelled) if spelled else None
            return self._read[compute, word]

    def close(self) -> None:
        """End the DuckDB instance."""
        with self._lock:
            self._open.close()
            self._connection = None

    def _parse(self, spelled: str) -> DuckDBPyType | None:
        # An instance that reaches nothing: what is parsed was written by the project.
        if self._connection is None:
            self._connection = self._open.enter_context(open_closed([], _ENGINE))
        try:
            return self._connection.type(spelled)
        except duckdb.Error:
            return None


def postgres_type(word: str) -> str | None:
    """What a PostgreSQL type is in DuckDB, once it has been read from there; None for a type of somebody's own."""
    named = _POSTGRES_TYPE.fullmatch(" ".join(word.lower().split()))
    if named is None:
        return None
    if named["name"] in _NUMERIC:
        precision, scale = decimal_of(_modifier(named["first"], named["second"]))
        element: str | None = f"DECIMAL({precision}, {scale})"
    elif named["name"] == "float" and named["first"] and int(named["first"]) <= _REAL_BITS:
        element = "FLOAT"
    else:
        element = POSTGRES.get(named["name"] + (named["zone"] or ""))
    # PostgreSQL itself does not tell arrays of one dimension from those of more.
    return f"{element}[]" if element and named["array"] else element


def _modifier(precision: str | None, scale: str | None) -> int:
    """A numeric's precision and scale as PostgreSQL keeps them; -1 where it declares none."""
    return -1 if precision is None else ((int(precision) << 16) | (int(scale or 0) & 0x7FF)) + 4
