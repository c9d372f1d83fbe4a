"""A catalog service that keeps `serve.duckdb`, and looks often."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a catalog service with a folder for the files."""
    return environment | {
        "FLOE_CATALOG_RECONCILE_SECONDS": "0.5",
        "FLOE_CATALOG_SNAPSHOT_GUARD_SECONDS": "0",
        "FLOE_CATALOG_SERVE_DIR": str(tmp_path / "serve"),
    }


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The file of the product."""
    return tmp_path / "serve" / "default" / "dev" / "shop-orders" / "serve.duckdb"


@pytest.fixture
def reading(served: Path) -> Callable[..., Any]:
    """What a reader of the file gets for a query: rows, or the text of the error."""

    def read(sql: str = "SELECT count(*) FROM main.orders") -> Any:
        try:
            with duckdb.connect(":memory:") as connection:
                connection.execute(f"ATTACH '{served}' AS served (READ_ONLY)")
                connection.execute("USE served")
                return connection.execute(sql).fetchall()
        except duckdb.Error as error:
            return str(error)

    return read
