"""Reading a table of a finished DuckDB file and writing it as Parquet.

The file was written by a project's code, and a view in it may hold any query. So floe reads it through an instance
that can reach nothing but the file and one output folder.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from duckdb.sqltypes import DuckDBPyType

from floe_lakehouse.types import quoted


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A Parquet file that DuckDB wrote: its place as DuckDB spells it, its rows, its size in bytes."""

    target: str
    rows: int
    size_bytes: int


@contextmanager
def open_closed(database: Path, output: str, *, memory_limit: str, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads `database` and writes under `output`, and can reach no other file, network or setting.

    The instance is a private one with the file attached under its stem (as dbt names it): two connections to the file
    itself would share one instance, and with it its settings.

    Args:
        database: the DuckDB file.
        output: the only folder that may be read and written, as DuckDB spells it.
        memory_limit: how much DuckDB may hold in memory (`1GB`); what exceeds it is spilled beside the file.
        threads: how many threads it runs.

    Raises:
        duckdb.Error: the file is missing, locked by a writer, or no DuckDB file.
    """
    spill = f"{database}.{uuid.uuid4().hex}.spill"
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": spill,
            "preserve_insertion_order": False,  # else a COPY holds rows back until those before them are written
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    try:
        connection.execute("SET enable_progress_bar = false")  # it would be drawn into the service's log
        connection.execute(f"ATTACH {_literal(str(database))} AS {quoted(database.stem)} (READ_ONLY)")
        connection.execute(f"SET allowed_directories = [{_literal(output)}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, DuckDBPyType]]:
    """The names and types of the columns of `relation`, which is quoted already."""
    described = connection.sql(f"SELECT * FROM {relation} LIMIT 0")  # noqa: S608 - names are quoted by the caller
    return list(zip(described.columns, described.types, strict=True))


def copy_to_parquet(
    connection: duckdb.DuckDBPyConnection, query: str, folder: str, *, prefix: str, file_size_bytes: int
) -> tuple[CopiedFile, ...]:
    """Write the rows of `query` as Parquet files into `folder`, and say which files it wrote.

    Whatever stands in the folder already is left alone. When DuckDB fails it leaves files behind: `files_named` finds
    them.

    Args:
        connection: from `open_closed`.
        query: the select statement.
        folder: under the connection's output folder; it need not exist, its parent must.
        prefix: how the names of the files begin; a new one for every call.
        file_size_bytes: where a file ends and the next one begins, roughly.

    Raises:
        duckdb.Error: the query or the writing failed.
    """
    rows = connection.execute(
        f"COPY ({query}) TO {_literal(folder)} (FORMAT parquet, COMPRESSION zstd, PER_THREAD_OUTPUT true, "
        f"FILE_SIZE_BYTES {file_size_bytes}, FILENAME_PATTERN '{prefix}-{{uuid}}', OVERWRITE_OR_IGNORE true, "
        "RETURN_STATS true)"
    ).fetchall()
    return tuple(CopiedFile(target=row[0], rows=row[1], size_bytes=row[2]) for row in rows)


def files_named(connection: duckdb.DuckDBPyConnection, folder: str, prefix: str) -> tuple[str, ...]:
    """The files in `folder` whose names begin with `prefix`, as DuckDB spells them."""
    found = connection.execute(f"SELECT file FROM glob({_literal(f'{folder}/{prefix}-*')})").fetchall()  # noqa: S608
    return tuple(file for (file,) in found)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
