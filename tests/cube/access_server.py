"""A Cube with floe's cube.js that serves the product of the access tests, and what its callers must never be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from access_oracle import Caller, actions  # found by the path that conftest.py adds
from access_product import CLAIM, COLUMNS, OWNER_COLUMN, ROWS, bundle, statements
from bundle_server import served_cube
from cube_client import CubeAnswer, CubeClient
from cube_home import CubeHome
from cube_server import CubeServer


def duckdb_settings(folder: Path) -> dict[str, str]:
    """A warehouse in a new file, and what Cube is told to find it."""
    path = folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        for statement in statements():
            connection.execute(statement)
    return {"CUBEJS_DB_TYPE": "duckdb", "CUBEJS_DB_DUCKDB_DATABASE_PATH": str(path)}


@contextmanager
def shop_cube(
    home: CubeHome, folder: Path, environment: str, settings: Mapping[str, str | None]
) -> Iterator[CubeServer]:
    """One that serves the bundle of `environment` over the warehouse that `settings` name."""
    made = bundle(environment)
    quiet = {"CUBEJS_LOG_LEVEL": "error", **settings}
    with served_cube(home, folder, made.files, roles=made.roles, claims=made.claims, environment=quiet) as (cube, _):
        yield cube


def client_of(cube: CubeServer, caller: Caller) -> CubeClient:
    """The caller with a token that says who he is."""
    return cube.client({CLAIM: caller.owner, "roles": sorted(caller.roles)})


def secrets_of(environment: str, caller: Caller) -> set[str]:
    """The values of all columns that `caller` may not see, spelled as answers spell them."""
    found = set()
    for table, columns in COLUMNS.items():
        owner = next(index for index, (name, _, _) in enumerate(columns) if name == OWNER_COLUMN)
        for index, (name, _, classification) in enumerate(columns):
            if classification is None and name != OWNER_COLUMN:
                continue
            hidden = bool(actions(environment, f"{table}.{name}", caller.roles))
            found |= {str(row[index]) for row in ROWS[table] if row[index] and hidden and len(str(row[index])) > 2}
            if table != "stores" and name in ("note", "memo", "email"):
                found |= {str(row[index]) for row in ROWS[table] if row[owner] != caller.owner}
    return found


def told(answer: CubeAnswer, secrets: set[str]) -> set[str]:
    """The secrets that an answer gives away: texts anywhere in it, numbers as values."""
    values = list(_values(answer.body))
    return {secret for secret in secrets if any(_says(value, secret) for value in values)}


def _values(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield str(name)
            yield from _values(value)
    elif isinstance(document, list):
        for value in document:
            yield from _values(value)
    else:
        yield str(document)


def _says(value: str, secret: str) -> bool:
    return value in (secret, f"{secret}.0") if secret.isdigit() else secret in value
