"""Bringing `serve.duckdb` up to what the catalog shows: tables that did not change are not looked at again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_lakehouse import locations
from floe_lakehouse.duckdb_files import Engine, open_closed
from floe_lakehouse.errors import TableNotServed
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.serving.serve_database import ServedTable, read_served, write_served, writing
from floe_lakehouse.serving.table_views import TableView, refused_view, table_view
from floe_lakehouse.tables import find_table

_LOOKING: Final = Engine(memory_limit="500MB", threads=1)
_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class WantedTable:
    """A table that is to be shown.

    Attributes:
        identifier: its levels in the catalog.
        schema_name: the schema of its view.
        table_name: the view's name.
        metadata_location: its current metadata file, where that is known without loading it.
    """

    identifier: Identifier
    schema_name: str
    table_name: str
    metadata_location: str | None = None


def refresh_served(
    database: Path, catalog: Catalog, look: Callable[[Catalog], Iterable[WantedTable]]
) -> tuple[ServedTable, ...]:
    """Show the tables as they are now; nothing is written where nothing changed.

    May be called by anybody at any time: one at a time looks and writes. A table that cannot be read just now, as
    when expiry was faster, goes on being shown as it was, and the others as they are.

    Args:
        database: the file.
        catalog: where the tables are.
        look: says which tables there are; called when it is this caller's turn. Of two views of one name, which
            DuckDB compares without case, the first is shown.

    Returns:
        What the file shows now.

    Raises:
        TableNotServed: tables could not be read, or the file could not be written.
        CatalogUnreachable: the catalog does not answer.
    """
    with writing(database):
        before = read_served(database)
        known = {table.identifier: table for table in before or ()}
        shown: dict[tuple[str, str], ServedTable] = {}
        failures: list[str] = []
        for wanted in look(catalog):
            name = (wanted.schema_name.casefold(), wanted.table_name.casefold())
            if name in shown:
                continue
            old = known.get(dotted(wanted.identifier))
            try:
                table = _served(catalog, wanted, old)
            except (OSError, duckdb.Error) as error:
                failures.append(f"{dotted(wanted.identifier)}: {error}")
                table = old
            if table is not None:
                shown[name] = table
        tables = tuple(sorted(shown.values(), key=lambda table: table.identifier))
        try:
            if tables != before:
                write_served(database, tables)
        except (OSError, duckdb.Error) as error:
            raise TableNotServed(f"{database} cannot be written: {error}") from error
    if failures:
        raise TableNotServed(f"tables cannot be shown as they are now: {'; '.join(failures)}")
    return tables


def _served(catalog: Catalog, wanted: WantedTable, old: ServedTable | None) -> ServedTable | None:
    """The table as it is; None if it is gone."""
    relation = (wanted.schema_name, wanted.table_name)
    if old and (old.schema_name, old.table_name) != relation:
        old = None
    if old and old.metadata_location == wanted.metadata_location:
        return old
    table = find_table(catalog, wanted.identifier)
    if table is None:
        return None
    if old and old.metadata_location == table.metadata_location:
        return old
    view = _view(table, ".".join(relation))
    snapshot = table.current_snapshot()
    return ServedTable(
        schema_name=wanted.schema_name,
        table_name=wanted.table_name,
        identifier=dotted(wanted.identifier),
        table_uuid=str(table.metadata.table_uuid),
        location=table.location().rstrip("/"),
        metadata_location=table.metadata_location,
        snapshot_id=snapshot.snapshot_id if snapshot else None,
        landed_at=datetime.fromtimestamp(snapshot.timestamp_ms / _MILLISECONDS, UTC) if snapshot else None,
        query=view.query,
        refused=view.refused,
    )


def _view(table: Table, name: str) -> TableView:
    if locations.local_path(table.location()) is None:
        return refused_view(table, name, f"its files are not on this machine, but at {table.location()}")
    with open_closed([Lake(table.location())], _LOOKING) as connection:
        view = table_view(connection, table, name)
        try:
            connection.execute(f"CREATE TEMPORARY VIEW looked_at AS {view.query}")
        except (duckdb.BinderException, duckdb.ConversionException) as error:
            return refused_view(table, name, str(error).splitlines()[0])
    return view
