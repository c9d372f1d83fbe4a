"""Where the DuckDB file of each place stands."""

from __future__ import annotations

from pathlib import Path

from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape
from floe_dbt.database_names import database_name


def database_file(folder: Path, place: Place) -> Path:
    """The file of a place. Its stem is the database's name in dbt, the same in every environment and at parse."""
    return folder / escape(place.tenant) / escape(place.environment) / f"{database_name(place.product)}.duckdb"
