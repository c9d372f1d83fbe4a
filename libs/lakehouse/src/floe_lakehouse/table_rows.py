"""The rows that a table has already, as a relation of DuckDB.

A table's files may be older than its schema: columns came later, were narrower, or were renamed by others. Every file
is read by what its own footer says, by Iceberg's rules: by field id where the file has ids, by name where it has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Final

import duckdb
from pyiceberg.manifest import DataFile, FileFormat, ManifestContent
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import NameMapping

from floe_lakehouse import locations, snapshots
from floe_lakehouse.errors import UpsertUnsupported
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.sql_text import literal, quoted
from floe_lakehouse.types import duckdb_type

_FOOTERS_AT_ONCE: Final = 100
"""Files whose footers are in memory together."""
_LOOKED_AT: Final = "file_name, name, num_children, field_id"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table: its field id, its name, and the type of DuckDB that holds its values."""

    field_id: int
    name: str
    duckdb_type: str


@dataclass(frozen=True, slots=True)
class AlikeFiles:
    """Files of a table whose footers say the same, as DuckDB spells them, and what each column is called in them."""

    files: tuple[str, ...]
    names: Mapping[int, str]

    def select(self, columns: Sequence[TableColumn], files: Sequence[str] | None = None) -> str:
        """The rows of the files, or of some of them, with the columns and types of the table."""
        return f"SELECT {self._cast(columns)} FROM {_reading(self.files if files is None else files)}"  # noqa: S608

    def select_with_file(self, columns: Sequence[TableColumn], name: str) -> str:
        """The same with another column of this name, that says in which file a row stands."""
        reading = _reading(self.files, f", filename = {literal(name)}")
        return f"SELECT {self._cast(columns)}, {quoted(name)} FROM {reading}"  # noqa: S608 - names are quoted

    def select_with_place(self, columns: Sequence[TableColumn], file: str, row: str, files: Sequence[str]) -> str:
        """The rows of some of the files with two other columns: the file in which a row stands, and where, from 0."""
        reading = _reading(files, f", filename = {literal(file)}, file_row_number = true")
        place = f"{quoted(file)}, file_row_number AS {quoted(row)}"
        return f"SELECT {self._cast(columns)}, {place} FROM {reading}"  # noqa: S608 - names are quoted

    def _cast(self, columns: Sequence[TableColumn]) -> str:
        return ", ".join(
            f"CAST({quoted(self.names[column.field_id]) if column.field_id in self.names else 'NULL'} "
            f"AS {column.duckdb_type}) AS {quoted(column.name)}"
            for column in columns
        )


def _reading(files: Iterable[str], more: str = "") -> str:
    return f"read_parquet([{', '.join(map(literal, files))}], hive_partitioning = false{more})"


def table_columns(schema: Schema) -> tuple[TableColumn, ...]:
    """The columns of a table.

    Raises:
        UpsertUnsupported: one has a type that floe does not rewrite.
    """
    return tuple(TableColumn(field.field_id, field.name, duckdb_type(field.field_type)) for field in schema.fields)


def current_files(table: Table, location: str) -> dict[str, DataFile]:
    """The data files of the table's current snapshot, as DuckDB spells them.

    Args:
        table: the table as it was loaded.
        location: the URI of the folder that DuckDB may read.

    Raises:
        UpsertUnsupported: there are delete files, files of another format or files elsewhere.
    """
    snapshot = table.current_snapshot()
    if snapshot is None:
        return {}
    if any(
        manifest.content == ManifestContent.DELETES and (manifest.has_added_files() or manifest.has_existing_files())
        for manifest in snapshot.manifests(table.io)
    ):
        raise _unsupported(table, "holds delete files of another writer")
    files = snapshots.data_files(table, snapshot)
    for path, file in files.items():
        if file.file_format != FileFormat.PARQUET:
            raise _unsupported(table, f"holds a file that is not Parquet: {path}")
        if not path.startswith(f"{location}/"):
            raise _unsupported(table, f"holds a file that is not under {location}: {path}")
    return {locations.duckdb_target(path): file for path, file in files.items()}


def alike_files(
    connection: duckdb.DuckDBPyConnection, files: Iterable[str], mapping: NameMapping | None, schema: Schema
) -> tuple[AlikeFiles, ...]:
    """Files by what their footers say; reads nothing else of them.

    Args:
        connection: from `open_closed`, over the table's folder.
        files: as DuckDB spells them.
        mapping: the table's; finds the columns of files without field ids.
        schema: the table's; does so where there is no mapping.
    """
    alike: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    left = iter(files)
    while some := tuple(islice(left, _FOOTERS_AT_ONCE)):
        listed = ", ".join(map(literal, some))
        rows = connection.execute(
            f"SELECT {_LOOKED_AT}, * EXCLUDE ({_LOOKED_AT}) FROM parquet_schema([{listed}])"  # noqa: S608 - quoted
        ).fetchall()
        for file, elements in groupby(rows, key=lambda row: row[0]):
            alike[tuple(row[1:] for row in elements)].append(file)
    groups = []
    for footer, members in alike.items():
        found = _columns_of_footer([row[:3] for row in footer])
        ids = {_field_id(one, written, mapping, schema): one for one, written in found}
        groups.append(AlikeFiles(tuple(members), {key: one for key, one in ids.items() if key is not None}))
    return tuple(groups)


def _columns_of_footer(elements: Sequence[tuple[str, int | None, int | None]]) -> list[tuple[str, int | None]]:
    """Names and field ids of the top-level columns; the footer tells the tree depth first, its root first."""
    columns: list[tuple[str, int | None]] = []
    place = 1
    while place < len(elements):
        columns.append((elements[place][0], elements[place][2]))
        place = _after(elements, place)
    return columns


def _after(elements: Sequence[tuple[str, int | None, int | None]], place: int) -> int:
    """Where the element after this one and all that it holds stands."""
    open_elements = 1
    while open_elements:
        open_elements += (elements[place][1] or 0) - 1
        place += 1
    return place


def _field_id(name: str, written: int | None, mapping: NameMapping | None, schema: Schema) -> int | None:
    if written is not None:
        return written
    if mapping is None:
        return next((field.field_id for field in schema.fields if field.name == name), None)
    return next((field.field_id for field in mapping.root if name in field.names), None)


def _unsupported(table: Table, reason: str) -> UpsertUnsupported:
    return UpsertUnsupported(
        f"{dotted(table.name())} {reason}, which floe does not read", hint="let the node replace its table"
    )
