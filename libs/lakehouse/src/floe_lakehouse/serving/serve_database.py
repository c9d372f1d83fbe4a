"""`serve.duckdb` itself: written as a whole beside what stands there, which then takes its place.

A reader that has the former file open goes on reading that; none ever sees half of a file, and neither waits for the
other. The file is of a storage version that DuckDB reads from 1.4 on, so that readers need not be as new as floe.
"""

from __future__ import annotations

import fcntl
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from floe_lakehouse.duckdb_files import Engine, open_closed
from floe_lakehouse.lake_folders import Lake
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
    """What a file shows, by identifier; None where there is none, or nothing that can be read."""
    if not database.is_file():
        return None
    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"ATTACH {literal(str(database))} AS {_READ} (READ_ONLY)")
            rows = connection.execute(
                "SELECT * REPLACE (epoch_us(landed_at) AS landed_at) "  # noqa: S608 - names of this module
                f"FROM {_READ}.{SERVE_SCHEMA}.tables ORDER BY identifier"
            ).fetchall()
            return tuple(map(_served, rows))
    except (duckdb.Error, ValueError):  # a file of another form has other columns
        return None


@contextmanager
def replacing(database: Path, locations: Iterable[str], *, keeping: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Change a file beside where it stands; it takes the place of that when the block ends. Within `writing`.

    Views that stay are not looked at again, so what a change takes does not grow with what there is.

    Args:
        database: the file.
        locations: folders of tables that are looked at.
        keeping: whether to begin with what stands there; else, with nothing.

    Raises:
        duckdb.Error: the disk is full, say; what was shown still is.
        OSError: the folder cannot be written.
    """
    for left in database.parent.glob(f"*{_NEW}*"):  # by a writer that died
        left.unlink(missing_ok=True)
    written = database.with_name(f"{uuid.uuid4().hex}{_NEW}")
    if keeping:
        shutil.copyfile(database, written)

    def attach(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(f"ATTACH {literal(str(written))} AS {_WRITTEN} (STORAGE_VERSION '{_STORAGE_VERSION}')")

    try:
        with open_closed([Lake(one) for one in sorted(set(locations))], _ENGINE, attach=attach) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_WRITTEN}.{SERVE_SCHEMA}")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {_WRITTEN}.{SERVE_SCHEMA}.tables ({_COLUMNS})")
            yield connection
            connection.execute(f"DETACH {_WRITTEN}")
        written.replace(database)
    finally:
        written.unlink(missing_ok=True)


def put(connection: duckdb.DuckDBPyConnection, table: ServedTable) -> None:
    """Show a table in the file of `replacing`.

    Raises:
        duckdb.Error: what the view selects cannot be read.
    """
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_WRITTEN}.{quoted(table.schema_name)}")
    connection.execute(f"CREATE VIEW {_view(table)} AS {table.query}")
    values = astuple(table)
    holders = ", ".join("?" for _ in values)
    connection.execute(f"INSERT INTO {_WRITTEN}.{SERVE_SCHEMA}.tables VALUES ({holders})", values)  # noqa: S608


def take_away(connection: duckdb.DuckDBPyConnection, table: ServedTable) -> None:
    """Show a table no longer in the file of `replacing`."""
    connection.execute(f"DROP VIEW {_view(table)}")
    shown = f"{_WRITTEN}.{SERVE_SCHEMA}.tables"
    connection.execute(f"DELETE FROM {shown} WHERE identifier = ?", [table.identifier])  # noqa: S608


def _view(table: ServedTable) -> str:
    return f"{_WRITTEN}.{quoted(table.schema_name)}.{quoted(table.table_name)}"


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
