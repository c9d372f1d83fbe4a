"""The first phase of a landing: files under a table's location that belong to no snapshot yet."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.schema import Schema

from floe_lakehouse import duckdb_files, locations
from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.errors import CopyFailed
from floe_lakehouse.identifiers import checked, dotted
from floe_lakehouse.schemas import check_evolution
from floe_lakehouse.snapshots import data_files
from floe_lakehouse.staged import LandingRequest, StagedFile, StagedTable
from floe_lakehouse.tables import file_io, find_table, plan_table
from floe_lakehouse.types import iceberg_schema, landed_columns, projection, quoted


def stage_table(catalog: Catalog, request: LandingRequest) -> StagedTable:
    """Write a table of a DuckDB file as Parquet under its Iceberg table's location, with types that Iceberg holds.

    Nothing is committed and no table is created; the namespace is, when it does not exist. Rows need not fit in memory.

    Raises:
        InvalidIdentifier: a namespace or table name that not every catalog can hold.
        UnsupportedColumnType: columns of types without an Iceberg form.
        SchemaBroken: columns changed in a way that breaks the existing table's readers.
        CopyFailed: DuckDB could not read the table, convert a value, or write.
        CatalogUnreachable: the catalog does not answer.
    """
    checked(request.identifier, least=2)
    table = find_table(catalog, request.identifier)
    if table is None:
        ensure_namespace(catalog, request.identifier[:-1], {})
    location = table.location() if table else plan_table(catalog, request.identifier, Schema()).table_metadata.location
    folder = locations.attempt_folder(location, request.run_id, request.attempt)
    output = locations.duckdb_target(folder).rpartition("/")[0]
    io = file_io(catalog, table, location)
    try:
        with duckdb_files.open_closed(
            request.database, output, memory_limit=request.memory_limit, threads=request.threads
        ) as connection:
            relation = ".".join(quoted(name) for name in (request.database.stem, request.schema, request.table))
            columns = landed_columns(dotted(request.identifier), duckdb_files.columns_of(connection, relation))
            schema = iceberg_schema(columns)
            if table:
                check_evolution(dotted(request.identifier), table.schema(), schema)
            query = f"SELECT {projection(columns)} FROM {relation}"  # noqa: S608 - every name is quoted
            files = _copy(connection, io, query, folder, request.file_size_bytes)
    except duckdb.Error as error:
        raise CopyFailed(
            f"{request.schema}.{request.table} of {request.database.name} could not be copied: {error}",
            hint="the table must exist, and its values must fit the types that Iceberg has",
        ) from error
    return StagedTable(
        identifier=request.identifier,
        location=location,
        run_id=request.run_id,
        attempt=request.attempt,
        mode=request.mode,
        files=files,
        schema_document=schema.model_dump_json(),
    )


def discard_staged(catalog: Catalog, staged: StagedTable) -> int:
    """Remove the files of a staging that will not be switched; never one that a snapshot holds.

    To be called under the run's lease, so that nobody switches them meanwhile. May be repeated.

    Returns:
        How many files it removed.

    Raises:
        CatalogUnreachable: the catalog does not answer.
    """
    table = find_table(catalog, staged.identifier)
    io = file_io(catalog, table, staged.location)
    held = data_files(table, *table.metadata.snapshots) if table and staged.files else {}
    removed = _remove(io, (file.location for file in staged.files if file.location not in held))
    folder = locations.local_path(locations.attempt_folder(staged.location, staged.run_id, staged.attempt))
    if folder:
        with suppress(OSError):  # not empty, or gone
            folder.rmdir()
    return removed


def _copy(
    connection: duckdb.DuckDBPyConnection, io: FileIO, query: str, folder: str, file_size_bytes: int
) -> tuple[StagedFile, ...]:
    target = locations.duckdb_target(folder)
    if path := locations.local_path(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
    prefix = uuid.uuid4().hex
    try:
        copied = duckdb_files.copy_to_parquet(connection, query, target, prefix=prefix, file_size_bytes=file_size_bytes)
    except duckdb.Error:
        _remove(io, duckdb_files.files_named(connection, target, prefix))
        raise
    # An empty result is a Parquet file of no rows; a table is as empty without it.
    _remove(io, (file.target for file in copied if not file.rows))
    return tuple(
        StagedFile(folder + "/" + file.target.rpartition("/")[2], file.rows, file.size_bytes)
        for file in sorted(copied, key=lambda file: file.target)
        if file.rows
    )


def _remove(io: FileIO, files: Iterable[str]) -> int:
    removed = 0
    for file in files:
        with suppress(FileNotFoundError):
            io.delete(file)
            removed += 1
    return removed
