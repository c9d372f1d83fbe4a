"""Files of landings that no snapshot holds: an attempt that failed, was cancelled or died leaves them.

Each attempt of a run has a folder of its own under its table, so that nothing of another run is ever touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.io import FileIO
from pyiceberg.table import Table

from floe_lakehouse import locations
from floe_lakehouse.duckdb_files import Engine, open_closed
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.snapshots import data_files
from floe_lakehouse.sql_text import literal
from floe_lakehouse.staged import StagedTable
from floe_lakehouse.staged_copy import remove_files
from floe_lakehouse.tables import file_io, find_table

_LISTING: Final = Engine(memory_limit="100MB", threads=1)


def discard_staged(catalog: Catalog, staged: StagedTable) -> int:
    """Remove the files of a staging that will not be switched; never one that a snapshot holds.

    What a switch that broke off has left beside them goes too. To be called under the run's lease, so that nobody
    switches them meanwhile. May be repeated.

    Returns:
        How many files it removed.

    Raises:
        CatalogUnreachable: the catalog does not answer.
    """
    table = find_table(catalog, staged.identifier)
    io = file_io(catalog, staged.identifier, table, staged.location)
    lake = Lake(locations.data_folder(staged.location), io.properties)
    with open_closed([lake], _LISTING) as connection:
        found = _files_of_attempts(connection, lake, staged.run_id, range(staged.attempt, staged.attempt + 1))
    return _remove_unheld(io, table, staged.location, found)


def discard_earlier(
    io: FileIO,
    table: Table | None,
    connection: duckdb.DuckDBPyConnection,
    location: str,
    run_id: str,
    attempt: int,
) -> int:
    """Remove the files that attempts of the run before this one left; never one that a snapshot holds.

    To be called before this attempt stages. Whoever worked on an earlier attempt can no longer switch what it staged:
    it would have to write its journal first, and the run's record is not its own any more.

    Args:
        io: removes the files.
        table: the table as it was loaded; None while there is none.
        connection: of a closed instance, over the table's folder of data files.
        location: the table's location.
        run_id: the run.
        attempt: the attempt that begins.
    """
    lake = Lake(locations.data_folder(location))
    found = _files_of_attempts(connection, lake, run_id, range(1, attempt)) if attempt > 1 else ()
    return _remove_unheld(io, table, location, found)


def left_beside(connection: duckdb.DuckDBPyConnection, staged: StagedTable) -> tuple[str, ...]:
    """The files beside those of a staging: switches that broke off have left them."""
    known = {locations.duckdb_target(file.location) for file in staged.files}
    lake = Lake(locations.data_folder(staged.location))
    found = _files_of_attempts(connection, lake, staged.run_id, range(staged.attempt, staged.attempt + 1))
    return tuple(file for file in found if file not in known)


def _files_of_attempts(
    connection: duckdb.DuckDBPyConnection, lake: Lake, run_id: str, attempts: range
) -> tuple[str, ...]:
    folder = locations.duckdb_target(lake.location)
    start = f"{folder}/{locations.run_folder(run_id)}"
    files = connection.execute(f"SELECT file FROM glob({literal(f'{start}*/**')})").fetchall()  # noqa: S608 - quoted
    named = re.compile(re.escape(start) + r"(\d+)/.+")
    return tuple(file for (file,) in files if (match := named.fullmatch(file)) and int(match[1]) in attempts)


def _remove_unheld(io: FileIO, table: Table | None, location: str, files: Iterable[str]) -> int:
    unheld = set(files)
    if table and unheld:
        unheld -= set(map(locations.duckdb_target, data_files(table, *table.metadata.snapshots)))
    removed = remove_files(io, unheld)
    for folder in {Path(file).parent for file in unheld if locations.local_path(file)}:
        _remove_empty(folder, Path(locations.duckdb_target(locations.data_folder(location))))
    return removed


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder, and those around it, as far as they are empty."""
    with suppress(OSError):  # not empty, or gone
        while folder != top:
            folder.rmdir()
            folder = folder.parent
