"""Rows of a query become Parquet files under a table's location, one partition a file."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import duckdb
from pyiceberg.io import FileIO

from floe_lakehouse import duckdb_files, locations
from floe_lakehouse.errors import CopyFailed, LakeUnreachable, TooManyPartitions
from floe_lakehouse.partitioning import PartitionRule
from floe_lakehouse.sql_text import quoted
from floe_lakehouse.staged import StagedFile

MOST_PARTITIONS: Final = 10_000
"""Of one landing: each is a file at least, and more of them than this read worse than none."""
_ANSWERS: Final = frozenset({400, 401, 403, 404, 405, 409, 411, 412, 416})
"""Status codes with which a store says no for good."""
_REFUSALS: Final = frozenset({401, 403})
_CLEANING_TRIES: Final = 20


def copy_rows(
    connection: duckdb.DuckDBPyConnection,
    io: FileIO,
    query: str,
    *,
    columns: Sequence[str],
    rules: Sequence[PartitionRule],
    folder: str,
    file_size_bytes: int,
) -> tuple[StagedFile, ...]:
    """Write the rows of `query` into files in `folder`; none for no rows. Rows need not fit in memory.

    Args:
        connection: from `open_closed`.
        io: removes files, of a copy that failed.
        query: the select statement.
        columns: the names of its columns.
        rules: by what the rows are parted.
        folder: the URI of the folder.
        file_size_bytes: where a file ends and the next one begins, roughly; not inside of partitions.

    Raises:
        TooManyPartitions: more than `MOST_PARTITIONS`.
        duckdb.Error: the query or the writing failed.
    """
    target = locations.duckdb_target(folder)
    if path := locations.local_path(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
    prefix = uuid.uuid4().hex
    column, values = None, {}
    if rules:
        values = _number_partitions(connection, query, rules)
        column = _unused("floe_partition", columns)
        query = _parted(query, rules, column)
    try:
        copied = duckdb_files.copy_to_parquet(
            connection, query, target, prefix=prefix, file_size_bytes=file_size_bytes, partition_column=column
        )
    except duckdb.Error:
        _remove_written(connection, io, target, prefix)
        raise
    # An empty result is a Parquet file of no rows; a table is as empty without it.
    remove_files(io, (file.target for file in copied if not file.rows))
    return tuple(
        StagedFile(
            folder + file.target.removeprefix(target),
            file.rows,
            file.size_bytes,
            () if file.partition is None else values[file.partition],
        )
        for file in sorted(copied, key=lambda file: file.target)
        if file.rows
    )


@contextmanager
def copying(what: str) -> Iterator[None]:
    """Tell what DuckDB raises while it copies `what`.

    Raises:
        LakeUnreachable: the store does not answer, or is overloaded.
        CopyFailed: everything else: the table, a value, a full disk.
    """
    try:
        yield
    except duckdb.Error as error:
        if _is_silence(error):
            raise LakeUnreachable(
                f"{what} could not be copied, since the store does not answer: {error}", hint="see whether it runs"
            ) from error
        raise CopyFailed(f"{what} could not be copied: {error}", hint=_hint(error)) from error


def _is_silence(error: duckdb.Error) -> bool:
    if isinstance(error, duckdb.HTTPException):
        return error.status_code not in _ANSWERS
    return isinstance(error, duckdb.IOException) and "error for HTTP" in str(error)  # no connection, no answer


def _hint(error: duckdb.Error) -> str:
    if isinstance(error, duckdb.HTTPException) and error.status_code in _REFUSALS:
        return "the store refuses its keys: see what their owner may do, and whether they have ended"
    if isinstance(error, duckdb.OutOfMemoryException):
        return "its rows are too wide for the memory limit: raise that of the compute, or have fewer threads"
    return "the table must exist, and its values must fit the types that Iceberg has"


def _remove_written(connection: duckdb.DuckDBPyConnection, io: FileIO, target: str, prefix: str) -> None:
    """Remove the files of a copy that failed, if the store answers."""
    for _ in range(_CLEANING_TRIES):
        try:
            remove_files(io, duckdb_files.files_named(connection, target, prefix))
        except duckdb.InterruptException:  # whoever interrupted the copy goes on doing so
            continue
        except (duckdb.Error, OSError):  # why the copy failed says more
            return
        return


def remove_files(io: FileIO, files: Iterable[str]) -> int:
    """Remove the files that are there, and say how many these were."""
    removed = 0
    for file in files:
        with suppress(FileNotFoundError):
            io.delete(file)
            removed += 1
    return removed


def _number_partitions(
    connection: duckdb.DuckDBPyConnection, query: str, rules: Sequence[PartitionRule]
) -> dict[int, tuple[str | None, ...]]:
    """Give each partition a number: values may hold signs that no path can.

    The numbers stand in the temporary table `floe_partitions`.
    """
    values = ", ".join(f"{rule.expression('rows')} AS value_{place}" for place, rule in enumerate(rules))
    connection.execute(
        "CREATE OR REPLACE TEMPORARY TABLE floe_partitions AS SELECT row_number() OVER () AS number, * "  # noqa: S608
        f"FROM (SELECT DISTINCT {values} FROM ({query}) AS rows)"
    )
    told = ", ".join(f"CAST(value_{place} AS VARCHAR)" for place in range(len(rules)))
    found = connection.execute(f"SELECT number, {told} FROM floe_partitions").fetchmany(MOST_PARTITIONS + 1)  # noqa: S608
    if len(found) > MOST_PARTITIONS:
        raise TooManyPartitions(
            f"the rows fall into more than {MOST_PARTITIONS} partitions by {', '.join(rule.name for rule in rules)}",
            hint="part by less: month instead of day, fewer buckets, a shorter truncate",
        )
    return {row[0]: tuple(row[1:]) for row in found}


def _parted(query: str, rules: Sequence[PartitionRule], column: str) -> str:
    same = " AND ".join(
        f"{rule.expression('rows')} IS NOT DISTINCT FROM parts.value_{place}" for place, rule in enumerate(rules)
    )
    return (
        f"SELECT rows.*, parts.number AS {quoted(column)} FROM ({query}) AS rows "  # noqa: S608 - names are quoted
        f"JOIN floe_partitions AS parts ON {same}"
    )


def _unused(name: str, columns: Sequence[str]) -> str:
    taken = {column.casefold() for column in columns}
    while name in taken:
        name += "_"
    return name
