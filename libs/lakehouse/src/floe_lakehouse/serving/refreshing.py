"""Bringing `serve.duckdb` up to what the catalog shows: tables that did not change are not looked at again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_lakehouse import locations
from floe_lakehouse.errors import TableNotServed
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.serving.serve_database import (
    ServedTable,
    put,
    read_served,
    replacing,
    take_away,
    writing,
)
from floe_lakehouse.serving.table_views import TableView, refused_view, table_view
from floe_lakehouse.tables import find_table

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


@dataclass(frozen=True, slots=True)
class _Changed:
    """A table that is another than what is shown of it, or that is not shown yet."""

    wanted: WantedTable
    table: Table
    shown: ServedTable | None

    @property
    def is_local(self) -> bool:
        return locations.local_path(self.table.location()) is not None


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
        kept, changed = _compared(catalog, look(catalog), before or ())
        staying = {table.identifier for table in kept} | {one.shown.identifier for one in changed if one.shown}
        gone = [table for table in before or () if table.identifier not in staying]
        if before is not None and not changed and not gone:
            return before
        folders = [one.table.location() for one in changed if one.is_local]
        failures: list[str] = []
        try:
            with replacing(database, folders, keeping=before is not None) as connection:
                for table in gone:
                    take_away(connection, table)
                for one in changed:
                    failures += _show(connection, one)
                if failures and len(failures) == len(changed) and not gone:
                    raise _unread(failures)  # and nothing is written
        except (OSError, duckdb.Error) as error:
            raise TableNotServed(f"{database} cannot be written: {error}") from error
        shown = read_served(database) or ()
    if failures:
        raise _unread(failures)
    return shown


def _unread(failures: Iterable[str]) -> TableNotServed:
    return TableNotServed(f"tables cannot be shown as they are now: {'; '.join(failures)}")


def _compared(
    catalog: Catalog, wanted: Iterable[WantedTable], before: Iterable[ServedTable]
) -> tuple[list[ServedTable], list[_Changed]]:
    """What is shown as it is, and what is not."""
    known = {table.identifier: table for table in before}
    names: set[tuple[str, str]] = set()
    kept: list[ServedTable] = []
    changed: list[_Changed] = []
    for one in wanted:
        name = (one.schema_name.casefold(), one.table_name.casefold())
        if name in names:
            continue
        old = known.get(dotted(one.identifier))
        if old and (old.schema_name, old.table_name) != (one.schema_name, one.table_name):
            old = None  # it is taken away, and shown under its new name
        if old is None or old.metadata_location != one.metadata_location:
            table = find_table(catalog, one.identifier)
            if table is None:
                continue
            if old is None or old.metadata_location != table.metadata_location:
                changed.append(_Changed(one, table, old))
                names.add(name)
                continue
        kept.append(old)
        names.add(name)
    return kept, changed


def _show(connection: duckdb.DuckDBPyConnection, one: _Changed) -> Iterator[str]:
    """Show a table as it is; why that is not possible just now."""
    try:
        served = _served(connection, one)
    except (OSError, duckdb.Error) as error:
        yield f"{dotted(one.wanted.identifier)}: {error}"
        return
    if one.shown:
        take_away(connection, one.shown)
    put(connection, served)


def _served(connection: duckdb.DuckDBPyConnection, one: _Changed) -> ServedTable:
    table, wanted = one.table, one.wanted
    view = _view(connection, one)
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


def _view(connection: duckdb.DuckDBPyConnection, one: _Changed) -> TableView:
    name = f"{one.wanted.schema_name}.{one.wanted.table_name}"
    if not one.is_local:
        reason = f"its files are not on this machine, but at {one.table.location()}"
        return refused_view(one.table, name, reason)
    view = table_view(connection, one.table, name)
    try:
        connection.execute(f"DESCRIBE {view.query}")
    except (duckdb.BinderException, duckdb.ConversionException) as error:
        return refused_view(one.table, name, str(error).splitlines()[0])
    return view
