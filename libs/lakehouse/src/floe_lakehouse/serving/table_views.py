"""A table's current snapshot as the query of a view of DuckDB, without Iceberg's extension.

The query names the files of the snapshot, and says by field id what each of their columns is called and which type it
has, so that it goes on showing that snapshot whatever is committed later. A table that cannot be shown so gets a query
that fails with the reason: whoever asks is told, instead of hearing of a table that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
from pyiceberg.manifest import FileFormat
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import FixedType, IcebergType, UUIDType

from floe_lakehouse import locations
from floe_lakehouse.errors import UpsertUnsupported
from floe_lakehouse.maintenance.live_files import LiveFile, LiveFiles, ManifestReader, live_files
from floe_lakehouse.nested_fields import unreadable_nesting
from floe_lakehouse.sql_text import literal, quoted
from floe_lakehouse.table_rows import AlikeFiles, TableColumn, alike_files
from floe_lakehouse.types import duckdb_type

_FILE: Final = "__floe_file"
_ROW: Final = "__floe_row"
_NEWEST_FORMAT: Final = 2
_ONLY_READ: Final[dict[type[IcebergType], str]] = {UUIDType: "UUID", FixedType: "BLOB"}
"""Types that floe does not write, and DuckDB reads as they are."""


@dataclass(frozen=True, slots=True)
class TableView:
    """What a view over a table selects; `refused` says why it does not show the table, in a sentence."""

    query: str
    refused: str | None = None


class _Refused(Exception):
    """The table cannot be shown; the message is the reason."""


def table_view(connection: duckdb.DuckDBPyConnection, table: Table, name: str) -> TableView:
    """The view over a table's current snapshot. Reads its manifests and the footers of its files, no rows.

    Args:
        connection: from `open_closed`, over the table's folder.
        table: as it was loaded; its files are on this machine.
        name: what the view is called, for the message of one that fails.

    Raises:
        FileNotFoundError: a manifest is gone, since the snapshot is no longer the current one.
        duckdb.Error: a file cannot be read, for the same reason maybe.
    """
    try:
        columns = _columns(table)
        live = live_files(table, ManifestReader(table.io))
        _check_files(table, live)
        return TableView(" UNION ALL ".join(_selects(connection, table, columns, live)) or _nothing(columns))
    except _Refused as reason:
        return refused_view(table, name, str(reason))


def refused_view(table: Table, name: str, reason: str) -> TableView:
    """A view that has the table's columns and fails with the reason, whatever is asked of it."""
    return TableView(failing_query(name, reason, [field.name for field in table.schema().fields]), reason)


def failing_query(name: str, reason: str, columns: Sequence[str] = ()) -> str:
    """A query of these columns that fails with the reason for which `name` is not shown."""
    failing = f"error({literal(f'{name} is not shown: {reason}')})"
    different = {column.casefold(): f"{failing} AS {quoted(column)}" for column in columns}
    # The columns fail too: of a null, DuckDB knows without a look that no filter lets it through.
    return f"SELECT {', '.join(different.values()) or 'NULL'} WHERE CAST({failing} AS BOOLEAN)"


def _columns(table: Table) -> tuple[TableColumn, ...]:
    fields = table.schema().fields
    if not fields:
        raise _Refused("it has no columns")
    names = [field.name.casefold() for field in fields]
    if twice := [field.name for field in fields if names.count(field.name.casefold()) > 1]:
        raise _Refused(f"its columns {', '.join(twice)} differ only in case")
    try:
        return tuple(TableColumn(field.field_id, field.name, _type(field.field_type)) for field in fields)
    except UpsertUnsupported as error:
        raise _Refused("it has a column of a type that DuckDB does not read as Iceberg means it") from error


def _type(iceberg_type: IcebergType) -> str:
    return _ONLY_READ.get(type(iceberg_type)) or duckdb_type(iceberg_type)


def _check_files(table: Table, live: LiveFiles) -> None:
    if table.metadata.format_version > _NEWEST_FORMAT:
        raise _Refused(f"it is of Iceberg's format {table.metadata.format_version}, which has deletes of another form")
    if live.equality_deletes:
        raise _Refused("another engine deleted rows by what they say, and a compaction of that engine has to apply it")
    folder = f"{locations.duckdb_target(table.location().rstrip('/'))}/"
    for file in (*live.data.values(), *live.deletes.values()):
        if file.file_format != FileFormat.PARQUET:
            raise _Refused(f"its file {file.path} is not Parquet")
        if not locations.duckdb_target(file.path).startswith(folder):
            raise _Refused(f"its file {file.path} is not under the table's location")


def _nothing(columns: Sequence[TableColumn]) -> str:
    listed = ", ".join(f"CAST(NULL AS {column.duckdb_type}) AS {quoted(column.name)}" for column in columns)
    return f"SELECT {listed} WHERE false"


def _selects(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: Sequence[TableColumn], live: LiveFiles
) -> Iterator[str]:
    schema, mapping = table.schema(), table.metadata.name_mapping()
    files = {locations.duckdb_target(file.path): file for file in live.data.values() if file.rows}
    alike = alike_files(connection, files, mapping, schema)
    if reason := unreadable_nesting(table, schema, mapping, alike):
        raise _Refused(reason)
    for group in alike:
        _check_partition_values(table, columns, group, files)
        whole = [target for target in group.files if not live.deletes_of(files[target])]
        if whole:
            yield group.select(columns, whole)
        if parts := [target for target in group.files if live.deletes_of(files[target])]:
            yield _without_deleted(group, columns, {target: files[target] for target in parts}, live)


def _without_deleted(
    group: AlikeFiles, columns: Sequence[TableColumn], files: Mapping[str, LiveFile], live: LiveFiles
) -> str:
    """The rows of files without those that positional deletes name (specification, "Position Delete Files")."""
    rows = group.select_with_place(columns, _FILE, _ROW, list(files))
    names = ", ".join(f"rows.{quoted(column.name)}" for column in columns)
    targets = {locations.duckdb_target(one.path) for file in files.values() for one in live.deletes_of(file)}
    listed = ", ".join(map(literal, sorted(targets)))
    paths = ", ".join(f"({literal(file.path)}, {literal(target)})" for target, file in files.items())
    return (
        f"SELECT {names} FROM ({rows}) AS rows ANTI JOIN ("  # noqa: S608 - all names and texts are quoted
        f"SELECT files.target, deletes.pos FROM read_parquet([{listed}], hive_partitioning = false) AS deletes "
        f"JOIN (VALUES {paths}) AS files(path, target) ON deletes.file_path = files.path"
        f") AS gone ON rows.{_FILE} = gone.target AND rows.{_ROW} = gone.pos"
    )


def _check_partition_values(
    table: Table, columns: Sequence[TableColumn], group: AlikeFiles, files: Mapping[str, LiveFile]
) -> None:
    """A column that files lack is null, unless their partition says its value (specification, "Column Projection")."""
    lacking = {column.field_id: column.name for column in columns if column.field_id not in group.names}
    specs = table.metadata.specs()
    for target in group.files if lacking else ():
        file = files[target]
        for place, field in enumerate(specs[file.spec_id].fields):
            if (
                field.source_id in lacking
                and isinstance(field.transform, IdentityTransform)
                and file.partition[place] is not None
            ):
                raise _Refused(
                    f"the values of its column {lacking[field.source_id]!r} stand in no file, only in partitions"
                )
