"""Locations of files: URIs for Iceberg, paths for DuckDB.

Iceberg names every file by a URI. pyiceberg takes the path of a `file://` URI as it stands, without percent-decoding,
and cuts it at `?` and `#`; DuckDB wants local files as plain paths and everything else as a URI.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from floe_lakehouse.errors import CatalogMisconfigured

_FILE_SCHEME: Final = "file://"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def local_path(location: str) -> Path | None:
    """The path of a local location (`file:///x`, `file:/x` or a plain path); None if it is somewhere else."""
    if location.startswith("file:"):
        return Path(location.removeprefix(_FILE_SCHEME).removeprefix("file:"))
    return None if "://" in location else Path(location)


def warehouse_location(warehouse: str) -> str:
    """`warehouse` as a URI without a slash at its end; a local path is made absolute.

    Raises:
        CatalogMisconfigured: a local path with `?`, `#` or `%`, which readers of URIs take for something else.
    """
    path = local_path(warehouse)
    if path is None:
        return warehouse.rstrip("/")
    absolute = path.absolute().as_posix()
    if any(sign in absolute for sign in "?#%"):
        raise CatalogMisconfigured(
            f"the warehouse path {absolute!r} holds one of ? # %, which cannot stand in the path of an Iceberg file",
            hint="choose a folder without these signs",
        )
    return f"{_FILE_SCHEME}{absolute}"


def duckdb_target(location: str) -> str:
    """`location` as DuckDB writes it: a path for local files, the URI itself for all others."""
    path = local_path(location)
    return location if path is None else path.as_posix()


def data_folder(table_location: str) -> str:
    """Where the data files of a table stand, those of other writers too."""
    return f"{table_location.rstrip('/')}/data"


def attempt_folder(table_location: str, run_id: str, attempt: int) -> str:
    """Where the files of one attempt of a run stand: `<table>/data/<run id>-<attempt>`, in signs safe for any store."""
    return f"{data_folder(table_location)}/{run_folder(run_id)}{attempt}"


def run_folder(run_id: str) -> str:
    """How the name of the folder of each attempt of a run begins; the attempt's number ends it."""
    return f"{_UNSAFE.sub('-', run_id)}-"
