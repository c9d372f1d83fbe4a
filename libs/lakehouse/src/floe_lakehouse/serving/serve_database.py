"""`serve.duckdb` itself: written as a whole beside what stands there, which then takes its place.

A reader that has the former file open goes on reading that; none ever sees half of a file, and neither waits for the
other. The file is of a storage version that DuckDB reads from 1.4 on, so that readers need not be as new as floe.
"""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from floe_lakehouse.duckdb_files import Engine, open_closed
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.serving.table_views import failing_query
from floe_lakehouse.sql_text import literal, quoted

SERVE_SCHEMA: Final = "floe_serve"
"""The schema in which a file says what it shows, in the table `tables`."""
SERVE_FILE: Final = "serve.duckdb"

_STORAGE_VERSION: Final = "v1.4.0"
_ENGINE: Final = Engine(memory_limit="500MB", threads=1)
_WRITTEN: Final = "__floe_written"
_READ: Final = "__floe_read"
_NEW: Final = ".new"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = (
    "schema_name VARCHAR, table_name VARCHAR, identifier VARCHAR, table_uuid VARCHAR, location VARCHAR, "
    "metadata_location VARCHAR, snapshot_id BIGINT, landed_at TIMESTAMP WITH TIME ZONE, query VARCHAR, refused VARCHAR"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedTable:
    """A table that a file shows.

    Attributes:
        schema_name: the schema of its view.
        table_name: the view's name.
        identifier: namespace and name in the catalog, dotted.
        table_uuid: the table's identity.
        location: where its files stand.
        metadata_location: the metadata file that the view was made from.
        snapshot_id: the snapshot that is shown; None for a table that nothing was written to.
        landed_at: when that was committed.
        query: what the view selects.
        refused: why the table is not shown, and the view fails; None if it is.
    """

    schema_name: str
    table_name: str
    identifier: str
    table_uuid: str
    location: str
    metadata_location: str
    snapshot_id: int | None
    landed_at: datetime | None
    query: str
    refused: str | None = None


@contextmanager
def writing(database: Path) -> Iterator[None]:
    """Keep other writers of a file waiting, on this machine, from looking at the tables until it is written.

    Else one that looked earlier could write later.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_served(database: Path) -> tuple[ServedTable, ...] | None:
    """What a file shows; None where there is none, or nothing that can be read."""
    if not database.is_file():
        return None
    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"ATTACH {literal(str(database))} AS {_READ} (READ_ONLY)")
            rows = connection.execute(
                "SELECT * REPLACE (epoch_us(landed_at) AS landed_at) "  # noqa: S608 - names of this module
                f"FROM {_READ}.{SERVE_SCHEMA}.tables ORDER BY identifier"
            ).fetchall()
    except duckdb.Error:
        return None
    return tuple(map(_served, rows))


def write_served(database: Path, tables: Sequence[ServedTable]) -> None:
    """Write what is shown, in place of what was. To be called within `writing`.

    A view whose files are gone fails with that, and hides no other.

    Raises:
        duckdb.Error: the disk is full, say; what was shown still is.
        OSError: the folder cannot be written.
    """
    for left in database.parent.glob(f"*{_NEW}*"):  # by a writer that died
        left.unlink(missing_ok=True)
    written = database.with_name(f"{uuid.uuid4().hex}{_NEW}")

    def attach(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(f"ATTACH {literal(str(written))} AS {_WRITTEN} (STORAGE_VERSION '{_STORAGE_VERSION}')")

    lakes = [Lake(location) for location in sorted({table.location for table in tables if not table.refused})]
    try:
        with open_closed(lakes, _ENGINE, attach=attach) as connection:
            _fill(connection, tables)
            connection.execute(f"DETACH {_WRITTEN}")
        written.replace(database)
    finally:
        written.unlink(missing_ok=True)


def _served(row: tuple[Any, ...]) -> ServedTable:
    *names, snapshot_id, landed_us, query, refused = row
    landed_at = None if landed_us is None else _EPOCH + timedelta(microseconds=landed_us)
    schema_name, table_name, identifier, table_uuid, location, metadata_location = names
    return ServedTable(
        schema_name=schema_name,
        table_name=table_name,
        identifier=identifier,
        table_uuid=table_uuid,
        location=location,
        metadata_location=metadata_location,
        snapshot_id=snapshot_id,
        landed_at=landed_at,
        query=query,
        refused=refused,
    )


def _fill(connection: duckdb.DuckDBPyConnection, tables: Sequence[ServedTable]) -> None:
    for schema in {SERVE_SCHEMA: None} | {table.schema_name: None for table in tables}:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_WRITTEN}.{quoted(schema)}")
    connection.execute(f"CREATE TABLE {_WRITTEN}.{SERVE_SCHEMA}.tables ({_COLUMNS})")
    for table in tables:
        filled = _with_view(connection, table)
        holders = ", ".join("?" for _ in astuple(filled))
        connection.execute(
            f"INSERT INTO {_WRITTEN}.{SERVE_SCHEMA}.tables VALUES ({holders})",  # noqa: S608 - no text of others
            astuple(filled),
        )


def _with_view(connection: duckdb.DuckDBPyConnection, table: ServedTable) -> ServedTable:
    """Create the view of a table; where its files are gone, one that says so, which the next look does not keep."""
    view = f"{_WRITTEN}.{quoted(table.schema_name)}.{quoted(table.table_name)}"
    try:
        connection.execute(f"CREATE VIEW {view} AS {table.query}")
    except duckdb.IOException as error:
        reason = f"its files cannot be read: {error}"
        query = failing_query(f"{table.schema_name}.{table.table_name}", reason)
        connection.execute(f"CREATE VIEW {view} AS {query}")
        return replace(table, query=query, refused=reason, metadata_location="")
    return table
