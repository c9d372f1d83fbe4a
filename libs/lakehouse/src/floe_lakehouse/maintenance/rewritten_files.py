"""Data files of one partition written again as one, by DuckDB, without the rows that were deleted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table
from pyiceberg.typedef import Record
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, StructType

from floe_lakehouse import locations
from floe_lakehouse.data_files import data_file
from floe_lakehouse.duckdb_files import row_group_bytes
from floe_lakehouse.errors import RowsMiscounted
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.maintenance.live_files import LiveFile
from floe_lakehouse.nested_fields import unreadable_nesting
from floe_lakehouse.sql_text import literal, quoted
from floe_lakehouse.staged_copy import remove_files
from floe_lakehouse.table_rows import AlikeFiles, TableColumn, alike_files, table_columns

PREFIX: Final = "compaction-"
"""How the names of rewritten files begin."""
_FILE: Final = "__floe_file"
_ROW: Final = "__floe_row"
_DELETES: Final = "__floe_deletes"


class FilesUnreadable(Exception):
    """DuckDB would read files otherwise than Iceberg's rules say; the message is the reason, in a sentence."""


@dataclass(frozen=True, slots=True)
class RewriteGroup:
    """Files that become one.

    Attributes:
        files: data files of one partition.
        deletes: the delete files that may speak of each, by its location.
        spec_id: the partition spec of what they become.
        partition: its values of that.
    """

    files: tuple[LiveFile, ...]
    deletes: Mapping[str, tuple[LiveFile, ...]]
    spec_id: int
    partition: Record

    @property
    def size_bytes(self) -> int:
        """How large the files are together."""
        return sum(file.size_bytes for file in self.files)


def rewrite_group(connection: duckdb.DuckDBPyConnection, table: Table, group: RewriteGroup) -> DataFile | None:
    """Write the rows that live in a group's files into a new one, which belongs to no snapshot yet; None for no rows.

    Rows need not fit in memory, and keep their types exactly; their order in the file is another. The new file has the
    field ids of the table's current schema, so that it is read rightly whatever becomes of that meanwhile.

    Args:
        connection: from `open_closed`, over the table's folder.
        table: as it was loaded.
        group: what to rewrite.

    Raises:
        FilesUnreadable: the files are of another form than DuckDB reads by Iceberg's rules.
        RowsMiscounted: the files do not hold the rows that the table says they do.
        duckdb.Error: DuckDB could not read or write.
    """
    schema = table.schema()
    spoken_of = {file.path for file in group.files if group.deletes[file.path]}
    expected = sum(file.rows for file in group.files)
    if spoken_of:
        expected -= _keep_deletes(connection, group)
    targets = {locations.duckdb_target(file.path): file.path for file in group.files if file.rows}
    if not targets:
        return None
    columns = table_columns(schema)
    alike = alike_files(connection, targets, table.metadata.name_mapping(), schema)
    if reason := unreadable_nesting(table, schema, table.metadata.name_mapping(), alike):
        raise FilesUnreadable(reason)
    query = " UNION ALL ".join(_selects(alike, columns, targets, spoken_of))
    location = f"{locations.data_folder(table.location())}/{PREFIX}{uuid.uuid4().hex}.parquet"
    target = locations.duckdb_target(location)
    try:
        ((_, rows, size_bytes, *_),) = connection.execute(
            f"COPY ({query}) TO {literal(target)} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES {row_group_bytes(connection)}, "
            f"RETURN_STATS true, FIELD_IDS {_field_ids(schema.fields)})"
        ).fetchall()
        _check_rows(table, group, rows, expected)
        if rows:
            return data_file(table.io, table.metadata, location, size_bytes, group.spec_id, group.partition)
    except BaseException:
        remove_files(table.io, [location])
        raise
    remove_files(table.io, [location])
    return None


def _check_rows(table: Table, group: RewriteGroup, rows: int, expected: int) -> None:
    if rows != expected:
        raise RowsMiscounted(
            f"{len(group.files)} files of {dotted(table.name())} hold {rows} rows, and the table says {expected}",
            hint=f"the first of them is {group.files[0].path}",
        )


def _selects(
    alike: Sequence[AlikeFiles], columns: Sequence[TableColumn], targets: Mapping[str, str], spoken_of: set[str]
) -> Iterator[str]:
    for files in alike:
        whole = [file for file in files.files if targets[file] not in spoken_of]
        if whole:
            yield files.select(columns, whole)
        if parts := [file for file in files.files if targets[file] in spoken_of]:
            rows = files.select_with_place(columns, _FILE, _ROW, parts)
            names = ", ".join(f"rows.{quoted(column.name)}" for column in columns)
            yield (
                f"SELECT {names} FROM ({rows}) AS rows ANTI JOIN {_DELETES} AS gone "  # noqa: S608 - names are quoted
                f"ON rows.{_FILE} = gone.file AND rows.{_ROW} = gone.pos"
            )


def _keep_deletes(connection: duckdb.DuckDBPyConnection, group: RewriteGroup) -> int:
    """Remember which rows of the group were deleted, and say how many these are."""
    files = [file for file in group.files if group.deletes[file.path]]
    connection.execute("CREATE OR REPLACE TEMPORARY TABLE __floe_files (path VARCHAR, file VARCHAR, row_count BIGINT)")
    connection.executemany(
        "INSERT INTO __floe_files VALUES (?, ?, ?)",
        [(file.path, locations.duckdb_target(file.path), file.rows) for file in files],
    )
    deletes = sorted({locations.duckdb_target(one.path) for file in files for one in group.deletes[file.path]})
    listed = ", ".join(map(literal, deletes))
    ((deleted,),) = connection.execute(
        f"CREATE OR REPLACE TEMPORARY TABLE {_DELETES} AS "  # noqa: S608 - quoted
        "SELECT DISTINCT files.file, deletes.pos "
        f"FROM read_parquet([{listed}], hive_partitioning = false) AS deletes "
        "JOIN __floe_files AS files ON deletes.file_path = files.path "
        "WHERE deletes.pos >= 0 AND deletes.pos < files.row_count"
    ).fetchall()
    return int(deleted)


def _field_ids(fields: Sequence[NestedField]) -> str:
    """The ids of columns, as DuckDB's COPY takes them."""
    return "{" + ", ".join(f"{literal(field.name)}: {_ids(field.field_id, field.field_type)}" for field in fields) + "}"


def _ids(field_id: int, field_type: IcebergType) -> str:
    match field_type:
        case StructType():
            inner = _field_ids(field_type.fields)[1:-1]
        case ListType():
            inner = f"'element': {_ids(field_type.element_id, field_type.element_type)}"
        case MapType():
            inner = (
                f"'key': {_ids(field_type.key_id, field_type.key_type)}, "
                f"'value': {_ids(field_type.value_id, field_type.value_type)}"
            )
        case _:
            return str(field_id)
    return f"{{'__duckdb_field_id': {field_id}, {inner}}}"
