"""Reading a table of a warehouse through DuckDB and writing it as Parquet.

The warehouse was written by a project's code, and a view in it may hold any query. So floe reads it through an instance
that can reach nothing but the warehouse and the folders of the tables that are landed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from duckdb.sqltypes import DuckDBPyType

from floe_lakehouse.lake_folders import Lake, reach
from floe_lakehouse.sql_text import literal, quoted


@dataclass(frozen=True, slots=True)
class Engine:
    """How much of the machine a DuckDB instance takes: memory (`1GB`; more is spilled to a disk) and threads."""

    memory_limit: str = "1GB"
    threads: int = 2


DEFAULT_ENGINE: Final = Engine()
_ROW_GROUPS_A_THREAD: Final = 8


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A relation that can be read: the connection that knows it, and its name, quoted."""

    connection: duckdb.DuckDBPyConnection
    relation: str


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A Parquet file that DuckDB wrote: its place as DuckDB spells it, its rows, its size, the partition's number."""

    target: str
    rows: int
    size_bytes: int
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class DuckDBWarehouse:
    """A finished DuckDB file; fulfils `Warehouse`.

    Attributes:
        database: the file; no process may be writing it.
        engine: what reading it may take.
    """

    database: Path
    engine: Engine = DEFAULT_ENGINE

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.database.name

    @property
    def catalog(self) -> str:
        """Its name in an instance, quoted: its stem, as dbt names it."""
        return quoted(self.database.stem)

    @contextmanager
    def open(self, lakes: Sequence[Lake]) -> Iterator[duckdb.DuckDBPyConnection]:
        """The file, attached: a connection to the file itself would share its settings.

        Raises:
            duckdb.Error: it cannot be attached.
        """

        def attach(connection: duckdb.DuckDBPyConnection) -> None:
            connection.execute(f"ATTACH {literal(str(self.database))} AS {self.catalog} (READ_ONLY)")

        with open_closed(lakes, self.engine, spill=self.database.parent, attach=attach) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class DuckDBTable:
    """A table, or a view, of a finished DuckDB file; fulfils `RowSource`.

    Attributes:
        database: the file; no process may be writing it.
        schema: the schema in it.
        table: the table in that.
        engine: what reading it may take.
    """

    database: Path
    schema: str
    table: str
    engine: Engine = DEFAULT_ENGINE

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.schema}.{self.table} of {self.database.name}"

    @property
    def warehouse(self) -> DuckDBWarehouse:
        """The file."""
        return DuckDBWarehouse(self.database, self.engine)

    @contextmanager
    def read(self, connection: duckdb.DuckDBPyConnection) -> Iterator[OpenSource]:
        """The relation in a connection to its warehouse."""
        yield OpenSource(connection, f"{self.warehouse.catalog}.{quoted(self.schema)}.{quoted(self.table)}")


@contextmanager
def open_closed(
    lakes: Sequence[Lake],
    engine: Engine,
    *,
    spill: Path | None = None,
    attach: Callable[[duckdb.DuckDBPyConnection], None] = lambda connection: None,
    keep_read: bool = True,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a private instance that reaches what `attach` attaches and `lakes`; no other file or setting.

    Args:
        lakes: the only folders whose files may be read and written.
        engine: what the instance may take.
        spill: the folder in which what exceeds the memory is kept; the system's for temporary files if None.
        attach: attaches the warehouse, before everything else is closed.
        keep_read: whether what was read of files stays in memory for the next query, as long as there is room.

    Raises:
        duckdb.Error: the warehouse cannot be attached.
    """
    with tempfile.TemporaryDirectory(suffix=".spill", dir=spill) as spilled:
        connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": engine.memory_limit,
                "threads": engine.threads,
                "temp_directory": spilled,
                "enable_external_file_cache": keep_read,
                "preserve_insertion_order": False,  # else a COPY holds rows back until those before them are written
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        try:
            connection.execute("SET enable_progress_bar = false")  # it would be drawn into the service's log
            attach(connection)
            reach(connection, lakes)
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            connection.close()


def columns_of(source: OpenSource) -> list[tuple[str, DuckDBPyType]]:
    """The names and types of the columns of a relation."""
    described = source.connection.sql(f"SELECT * FROM {source.relation} LIMIT 0")  # noqa: S608 - it is quoted
    return list(zip(described.columns, described.types, strict=True))


def copy_to_parquet(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    folder: str,
    *,
    prefix: str,
    file_size_bytes: int,
    partition_column: str | None = None,
) -> tuple[CopiedFile, ...]:
    """Write the rows of `query` as Parquet files into `folder`, and say which files it wrote.

    Whatever stands in the folder already is left alone. When DuckDB fails it leaves files behind: `files_named` finds
    them.

    Args:
        connection: from `open_closed`.
        query: the select statement.
        folder: under a lake of the connection; it need not exist, its parent must.
        prefix: how the names of the files begin; a new one for every call.
        file_size_bytes: where a file ends and the next one begins, roughly; DuckDB cannot do so in partitions.
        partition_column: the column of integers by which rows are parted, each into one file; no file holds it.

    Raises:
        duckdb.Error: the query or the writing failed.
    """
    parted = f"PARTITION_BY ({quoted(partition_column)})" if partition_column else ""
    rows = connection.execute(
        f"COPY ({query}) TO {literal(folder)} (FORMAT parquet, COMPRESSION zstd, "
        f"ROW_GROUP_SIZE_BYTES {row_group_bytes(connection)}, "
        f"{parted or f'PER_THREAD_OUTPUT true, FILE_SIZE_BYTES {file_size_bytes}'}, "
        f"FILENAME_PATTERN '{prefix}-{{uuid}}', OVERWRITE_OR_IGNORE true, RETURN_STATS true)"
    ).fetchall()
    return tuple(
        CopiedFile(row[0], row[1], row[2], int(row[5][partition_column]) if partition_column else None) for row in rows
    )


def row_group_bytes(connection: duckdb.DuckDBPyConnection) -> int:
    """How large a row group of a file may become, for COPY's `ROW_GROUP_SIZE_BYTES`.

    Each thread holds one in memory while it reads another and compresses a third. DuckDB goes by the number of rows
    alone otherwise, and wide rows would not fit into a small memory limit.
    """
    ((size,),) = connection.execute(
        "SELECT (parse_formatted_bytes(current_setting('memory_limit')) "
        f"// ({_ROW_GROUPS_A_THREAD} * current_setting('threads')))::BIGINT"
    ).fetchall()
    return int(size)


def files_named(connection: duckdb.DuckDBPyConnection, folder: str, prefix: str) -> tuple[str, ...]:
    """The files in `folder`, however deep, whose names begin with `prefix`, as DuckDB spells them."""
    pattern = literal(f"{folder}/**/{prefix}-*")
    return tuple(file for (file,) in connection.execute(f"SELECT file FROM glob({pattern})").fetchall())  # noqa: S608
