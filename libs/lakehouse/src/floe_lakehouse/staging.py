"""The first phase of a landing: files under a table's location that belong to no snapshot yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from floe_contracts.errors import Where
from floe_contracts.suggestions import meant_or_known
from floe_lakehouse import locations
from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.duckdb_files import OpenSource, columns_of
from floe_lakehouse.errors import LandingColumnMissing
from floe_lakehouse.identifiers import Identifier, checked, dotted
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.nested_fields import check_nesting
from floe_lakehouse.orphans import discard_earlier
from floe_lakehouse.partitioning import partition_rules
from floe_lakehouse.schemas import check_evolution, evolve
from floe_lakehouse.sql_text import quoted
from floe_lakehouse.staged import LandingRequest, StagedTable, Warehouse, Watermark
from floe_lakehouse.staged_copy import copy_rows, copying
from floe_lakehouse.table_rows import AlikeFiles, alike_files, current_files, table_columns
from floe_lakehouse.tables import find_table, io_of, plan_table
from floe_lakehouse.transactions import RememberingTransaction
from floe_lakehouse.types import LandedColumn, iceberg_schema, landed_columns, projection
from floe_lakehouse.upserts import changed_rows
from floe_lakehouse.watermarks import rows_above


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The rows that a landing takes, as a query, and what the mode says of them."""

    query: str
    unique_key: tuple[str, ...] = ()
    watermark: Watermark | None = None
    late_rows: int = 0


@dataclass(frozen=True, slots=True)
class _Destination:
    """The table to land in as it was loaded, None while there is none; where it stands, and what removes its files."""

    table: Table | None
    location: str
    io: FileIO


@dataclass(frozen=True, slots=True)
class Staging:
    """An open warehouse, and the tables whose landings may be staged from it. Any number of threads may use it."""

    catalog: Catalog
    connection: duckdb.DuckDBPyConnection
    destinations: Mapping[Identifier, _Destination]

    def stage(
        self,
        request: LandingRequest,
        *,
        on_open: Callable[[duckdb.DuckDBPyConnection], None] = lambda connection: None,
    ) -> StagedTable:
        """Write the rows that a landing brings as Parquet under their table's location, with types that it holds.

        Nothing is committed and no table is created. Rows need not fit in memory. What earlier attempts of the same
        run left is removed first.

        Args:
            request: what is landed and how, from the open warehouse into one of the tables.
            on_open: gets the connection that reads and writes, so that another thread can interrupt it.

        Raises:
            UnsupportedColumnType: columns of types without an Iceberg form.
            SchemaBroken: columns changed in a way that breaks the existing table's readers.
            PartitionFieldInvalid: a partition field does not fit the columns.
            TooManyPartitions: the rows fall into more than a table should have.
            LandingColumnMissing: the mode needs a column that is not there.
            UpsertUnsupported: the table holds what others wrote in a form that floe does not read.
            CopyFailed: DuckDB could not read the rows, convert a value, or write.
            LakeUnreachable: the store of the table does not answer.
            CatalogUnreachable: the catalog does not answer.
        """
        to = self.destinations[request.identifier]
        with (
            copying(request.source.name),
            closing(self.connection.cursor()) as connection,
            request.source.read(connection) as source,
        ):
            on_open(connection)
            discard_earlier(to.io, to.table, connection, to.location, request.run_id, request.attempt)
            return _stage(source, to, request)


@contextmanager
def open_staging(catalog: Catalog, warehouse: Warehouse, tables: Iterable[Identifier]) -> Iterator[Staging]:
    """Open a warehouse to stage landings into `tables`; their namespaces are created where they do not exist.

    One instance serves them all, since opening one, with a thread of its own for each core, takes longer than copying
    a small table.

    Raises:
        InvalidIdentifier: a namespace or table name that not every catalog can hold.
        CopyFailed: the warehouse cannot be opened.
        CatalogUnreachable: the catalog does not answer.
        FloeError: what the warehouse itself finds out, such as a server that does not answer.
    """
    found = {checked(identifier, least=2): find_table(catalog, identifier) for identifier in tables}
    for namespace in {identifier[:-1] for identifier, table in found.items() if table is None}:
        ensure_namespace(catalog, namespace, {})
    destinations = {identifier: _destination(catalog, identifier, table) for identifier, table in found.items()}
    lakes = [Lake(locations.data_folder(to.location), to.io.properties) for to in destinations.values()]
    with ExitStack() as stack:
        with copying(warehouse.name):
            connection = stack.enter_context(warehouse.open(lakes))
        yield Staging(catalog, connection, destinations)


def stage_table(catalog: Catalog, request: LandingRequest) -> StagedTable:
    """Stage one landing: see `open_staging` and `Staging.stage`, also for what is raised."""
    with open_staging(catalog, request.source.warehouse, [request.identifier]) as staging:
        return staging.stage(request)


def _destination(catalog: Catalog, identifier: Identifier, table: Table | None) -> _Destination:
    if table:
        return _Destination(table, table.location(), table.io)
    planned = plan_table(catalog, identifier, Schema())
    return _Destination(None, planned.table_metadata.location, io_of(planned))


def _stage(source: OpenSource, to: _Destination, request: LandingRequest) -> StagedTable:
    columns = landed_columns(dotted(request.identifier), columns_of(source))
    schema = iceberg_schema(columns)
    future = _future_schema(to.table, request, schema)
    types = [(column.name, future.find_field(column.name).field_type) for column in columns]
    rules = partition_rules(dotted(request.identifier), request.partition_by, types)
    chosen = _choose(source, request, to.table, columns, future)
    files = copy_rows(
        source.connection,
        to.io,
        chosen.query,
        columns=[column.name for column in columns],
        rules=rules,
        folder=locations.attempt_folder(to.location, request.run_id, request.attempt),
        file_size_bytes=request.file_size_bytes,
    )
    return StagedTable(
        identifier=request.identifier,
        location=to.location,
        run_id=request.run_id,
        attempt=request.attempt,
        mode=request.mode,
        files=files,
        schema_document=schema.model_dump_json(),
        unique_key=chosen.unique_key,
        watermark=chosen.watermark,
        late_rows=chosen.late_rows,
        partition_by=request.partition_by,
        allow_breaking=request.allow_breaking,
    )


def _future_schema(table: Table | None, request: LandingRequest, schema: Schema) -> Schema:
    """The schema that the table will have after the landing."""
    if table is None:
        return schema
    allowed = request.allow_breaking and request.mode == "replace"
    going = check_evolution(dotted(request.identifier), table.metadata, schema, allow_breaking=allowed)
    transaction = RememberingTransaction(table)
    evolve(transaction, schema, going)
    return transaction.table_metadata.schema()


def _choose(
    source: OpenSource,
    request: LandingRequest,
    table: Table | None,
    columns: tuple[LandedColumn, ...],
    future: Schema,
) -> _Chosen:
    rows = f"SELECT {projection(columns)} FROM {source.relation}"  # noqa: S608 - every name is quoted
    names = [column.name for column in columns]
    match request.mode:
        case "upsert":
            key = tuple(_named(request, "unique_key", name, names) for name in request.unique_key or ("",))
            present = _present(source, table, future)
            if table is None or not present:
                return _Chosen(rows, key)
            check_nesting(table, future, table.metadata.name_mapping(), present)
            wanted = table_columns(future)
            query = changed_rows(source.connection, rows, present, columns=wanted, landed=names, key=key)
            return _Chosen(query, key)
        case "append":
            column = _named(request, "watermark", request.watermark or "", names)
            above = rows_above(
                source.connection,
                rows,
                table,
                column=column,
                duckdb_type=next(one.duckdb_type for one in columns if one.name == column),
                largest_present=lambda: _largest(source, table, future, column),
            )
            query = f"SELECT * FROM ({rows}) WHERE {above.condition}"  # noqa: S608 - every name is quoted
            return _Chosen(query, (), above.watermark, above.late_rows)
    return _Chosen(rows)


def _present(source: OpenSource, table: Table | None, future: Schema) -> tuple[AlikeFiles, ...]:
    """The files that the table has; none while there is no table."""
    if table is None:
        return ()
    files = current_files(table, locations.data_folder(table.location()))
    return alike_files(source.connection, files, table.metadata.name_mapping(), future)


def _largest(source: OpenSource, table: Table | None, future: Schema, column: str) -> str | None:
    """The largest value of a column among the rows that the table has."""
    present = _present(source, table, future)
    if not present:
        return None
    field = future.find_field(column)
    only = [one for one in table_columns(future) if one.field_id == field.field_id]
    rows = " UNION ALL ".join(files.select(only) for files in present)
    query = f"SELECT CAST(max({quoted(column)}) AS VARCHAR) FROM ({rows})"  # noqa: S608 - names are quoted
    value: str | None = source.connection.execute(query).fetchall()[0][0]
    return value


def _named(request: LandingRequest, what: str, name: str, columns: list[str]) -> str:
    """The column that is meant, in its own spelling: DuckDB does not tell cases apart.

    Raises:
        LandingColumnMissing: there is none.
    """
    found = [column for column in columns if column.casefold() == name.casefold()]
    if not found:
        table = dotted(request.identifier)
        raise LandingColumnMissing(
            f"{table} lands by {request.mode} and its {what} {name!r} is no column"
            if name
            else f"{table} lands by {request.mode} and has no {what}",
            where=Where(path=f"{table}.{what}"),
            hint=meant_or_known(name, columns),
        )
    return name if name in found else found[0]
