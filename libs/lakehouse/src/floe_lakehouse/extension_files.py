"""DuckDB's extensions, loaded from the wheels that bring them: nothing is downloaded, no folder of a user's is read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb

from floe_lakehouse.errors import ExtensionMissing
from floe_lakehouse.sql_text import literal


def extension_file(name: str) -> Path:
    """The binary of an extension for the DuckDB that is installed.

    Raises:
        ExtensionMissing: its wheel is not installed, or is of another version of DuckDB.
    """
    specification = importlib.util.find_spec(f"duckdb_extension_{name}")
    folders = specification.submodule_search_locations if specification else None
    for folder in folders or ():
        file = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.is_file():
            return file
    raise ExtensionMissing(
        f"DuckDB's extension {name} is not installed for DuckDB {duckdb.__version__}",
        hint=f"install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}",
    )


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension into an instance whose outside access is still open.

    Args:
        connection: the instance.
        name: as DuckDB spells it: `httpfs`, `postgres_scanner`, `avro` (before `iceberg`), `iceberg`.

    Raises:
        ExtensionMissing: see `extension_file`.
        duckdb.Error: DuckDB refuses the file.
    """
    connection.execute(f"LOAD {literal(str(extension_file(name)))}")
