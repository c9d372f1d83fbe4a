"""Upserts: the rows of a warehouse's table take the place of those with the same key, file by file.

The warehouse has its table whole, so the staging looks for the keys whose rows differ from those that have landed, and
stages only these rows. The switch rewrites the files in which such keys stand, without them. Both happen inside of
DuckDB, which spills what exceeds its memory. Keys that the warehouse has no longer keep their rows.

Rows of one key are compared as a whole, by their number and the sums of two hashes, so a key may have many rows; null
is a key as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb

from floe_lakehouse.sql_text import literal, quoted
from floe_lakehouse.table_rows import AlikeFiles, TableColumn

_HASH_BITS: Final = 0x3FFF_FFFF_FFFF_FFFF
"""Of each hash: signed, and negated, it is still a number of 64 bits."""

_FILE: Final = "__floe_file"


def changed_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    present: Sequence[AlikeFiles],
    *,
    columns: Sequence[TableColumn],
    landed: Sequence[str],
    key: Sequence[str],
) -> str:
    """The query of the rows whose key is new or has other rows than the table.

    Args:
        connection: from a source, over the table's folder.
        rows: the query of all rows of the source.
        present: the files of the table.
        columns: of the table, as it will be after the landing.
        landed: the names of the columns of `rows`.
        key: the columns that name a row, among these.
    """
    both = " UNION ALL ".join(
        [f"SELECT *, 1 AS __floe_side FROM ({_in_columns(rows, columns, landed)})"]  # noqa: S608 - names are quoted
        + [f"SELECT *, -1 AS __floe_side FROM ({files.select(columns)})" for files in present]  # noqa: S608
    )
    values = ", ".join(quoted(column.name) for column in columns)
    keys = ", ".join(quoted(name) for name in key)
    connection.execute(
        "CREATE OR REPLACE TEMPORARY TABLE floe_keys AS "  # noqa: S608 - names are quoted
        f"SELECT {keys} FROM (SELECT {keys}, __floe_side, CAST(hash({values}) & {_HASH_BITS} AS BIGINT) AS __floe_one, "
        f"CAST(hash('floe', {values}) & {_HASH_BITS} AS BIGINT) AS __floe_other FROM ({both})) GROUP BY {keys} "
        "HAVING max(__floe_side) = 1 AND (sum(__floe_side) != 0 "
        "OR sum(__floe_side * __floe_one) != 0 OR sum(__floe_side * __floe_other) != 0)"
    )
    return f"SELECT rows.* FROM ({rows}) AS rows SEMI JOIN floe_keys AS keys ON {_same(key, columns)}"  # noqa: S608


def keep_keys(
    connection: duckdb.DuckDBPyConnection, staged: Sequence[str], key: Sequence[str], columns: Sequence[TableColumn]
) -> None:
    """Remember the keys of staged files, for `affected_files` and `kept_rows`."""
    types = {column.name: column.duckdb_type for column in columns}
    keys = ", ".join(f"CAST({quoted(name)} AS {types[name]}) AS {quoted(name)}" for name in key)
    listed = ", ".join(map(literal, staged))
    connection.execute(
        "CREATE OR REPLACE TEMPORARY TABLE floe_keys AS "  # noqa: S608 - names are quoted
        f"SELECT DISTINCT {keys} FROM read_parquet([{listed}], hive_partitioning = false)"
    )


def affected_files(
    connection: duckdb.DuckDBPyConnection,
    present: Sequence[AlikeFiles],
    key: Sequence[str],
    columns: Sequence[TableColumn],
) -> set[str]:
    """The files in which a remembered key stands."""
    only = [column for column in columns if column.name in key]
    found: set[str] = set()
    for files in present:
        query = (
            f"SELECT DISTINCT {_FILE} FROM ({files.select_with_file(only, _FILE)}) AS rows "  # noqa: S608 - quoted
            f"SEMI JOIN floe_keys AS keys ON {_same(key, columns)}"
        )
        found.update(file for (file,) in connection.execute(query).fetchall())
    return found


def kept_rows(
    present: Sequence[AlikeFiles], affected: set[str], key: Sequence[str], columns: Sequence[TableColumn]
) -> str:
    """The query of the rows of affected files that stay."""
    rows = " UNION ALL ".join(
        files.select(columns, members)
        for files in present
        if (members := [file for file in files.files if file in affected])
    )
    return f"SELECT rows.* FROM ({rows}) AS rows ANTI JOIN floe_keys AS keys ON {_same(key, columns)}"  # noqa: S608


def _in_columns(rows: str, columns: Sequence[TableColumn], landed: Sequence[str]) -> str:
    cast = ", ".join(
        f"CAST({quoted(column.name) if column.name in landed else 'NULL'} AS {column.duckdb_type}) "
        f"AS {quoted(column.name)}"
        for column in columns
    )
    return f"SELECT {cast} FROM ({rows})"  # noqa: S608 - names are quoted


def _same(key: Sequence[str], columns: Sequence[TableColumn]) -> str:
    types = {column.name: column.duckdb_type for column in columns}
    return " AND ".join(
        f"CAST(rows.{quoted(name)} AS {types[name]}) IS NOT DISTINCT FROM keys.{quoted(name)}" for name in key
    )
