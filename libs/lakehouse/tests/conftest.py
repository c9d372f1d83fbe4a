from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import duckdb
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog

from floe_chassis.testing_postgres import PostgresDatabase
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.duckdb_files import DEFAULT_ENGINE, DuckDBTable, Engine
from floe_lakehouse.landing import LandedTable, switch_table
from floe_lakehouse.staged import LandingRequest, StagedTable
from floe_lakehouse.staging import stage_table
from floe_lakehouse.testing.other_engine import duckdb_with_catalog
from floe_lakehouse.testing.rest_server import RestServer, serving

ORDERS = ("acme", "dev", "shop", "orders")


class Stage(Protocol):
    """Makes a DuckDB file whose table (or view) holds the rows of a query, and stages it."""

    def __call__(
        self, query: str, run_id: str = "run-1", attempt: int = 1, kind: str = "table", **changes: Any
    ) -> StagedTable: ...


class Switch(Protocol):
    """Switches with a fence that always holds."""

    def __call__(
        self,
        staged: StagedTable,
        sequence: int = 1,
        fence: Callable[[], None] = ...,
        tries: int = 20,
        engine: Engine = ...,
        **properties: str,
    ) -> LandedTable: ...


@pytest.fixture
def properties(tmp_path: Path) -> dict[str, str]:
    return {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog/floe.db", "warehouse": str(tmp_path / "warehouse")}


@pytest.fixture
def catalog(properties: dict[str, str]) -> Catalog:
    return open_catalog(properties)


@pytest.fixture
def served(tmp_path: Path) -> SqlCatalog:
    """What a REST server of a test serves."""
    uri = f"sqlite:///{tmp_path}/rest.db?check_same_thread=false"
    return SqlCatalog("rest", uri=uri, warehouse=(tmp_path / "warehouse").as_uri())


@pytest.fixture
def server(served: SqlCatalog) -> Iterator[RestServer]:
    with serving(served) as running:
        yield running


@pytest.fixture
def client(server: RestServer) -> Catalog:
    """The server's catalog as pyiceberg's own client has it."""
    return load_catalog("client", **server.properties)


@pytest.fixture
def other_engine(server: RestServer) -> Iterator[duckdb.DuckDBPyConnection]:
    """The server's catalog as DuckDB has it."""
    with duckdb_with_catalog(server.url, server.client_id, server.client_secret) as connection:
        yield connection


@pytest.fixture(params=["sqlite", "postgres", "rest"])
def every_catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Catalog:
    """A catalog of each kind that needs nothing from outside."""
    warehouse = tmp_path / "warehouse"
    match request.param:
        case "sqlite":
            return open_catalog({"type": "sql", "uri": f"sqlite:///{tmp_path}/floe.db", "warehouse": str(warehouse)})
        case "postgres":
            database: PostgresDatabase = request.getfixturevalue("postgres_database")
            uri = database.url.replace("postgresql://", "postgresql+psycopg2://")
            return open_catalog({"type": "sql", "uri": uri, "warehouse": str(warehouse)})
        case _:
            return cast("Catalog", request.getfixturevalue("client"))


@pytest.fixture
def identifier() -> tuple[str, ...]:
    return ORDERS


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a DuckDB file by running statements, and closes it, as dbt does."""
    numbers = itertools.count()

    def run(statements: str) -> Path:
        database = tmp_path / f"built_{next(numbers)}.duckdb"
        with duckdb.connect(database) as connection:
            connection.execute(statements)
        return database

    return run


@pytest.fixture
def stage(catalog: Catalog, build: Callable[[str], Path]) -> Stage:
    def run(query: str, run_id: str = "run-1", attempt: int = 1, kind: str = "table", **changes: Any) -> StagedTable:
        source = DuckDBTable(
            changes.pop("database", None) or build(f"create {kind} main.orders as {query}"),
            "main",
            changes.pop("table", "orders"),
            changes.pop("engine", DEFAULT_ENGINE),
        )
        request = {"identifier": ORDERS, **changes}
        return stage_table(catalog, LandingRequest(source=source, run_id=run_id, attempt=attempt, **request))

    return run


@pytest.fixture
def switch(catalog: Catalog) -> Switch:
    def run(
        staged: StagedTable,
        sequence: int = 1,
        fence: Callable[[], None] = lambda: None,
        tries: int = 20,
        engine: Engine = DEFAULT_ENGINE,
        **properties: str,
    ) -> LandedTable:
        return switch_table(
            catalog, staged, sequence=sequence, properties=properties, fence=fence, tries=tries, engine=engine
        )

    return run


@pytest.fixture
def read(catalog: Catalog) -> Callable[[], list[dict[str, Any]]]:
    """The rows of the landed table, as pyiceberg reads them."""
    return lambda: catalog.load_table(ORDERS).scan().to_arrow().to_pylist()


@pytest.fixture
def files_under(tmp_path: Path) -> Callable[[str], list[str]]:
    """The names of the files under the warehouse that match a pattern."""
    return lambda pattern: sorted(path.name for path in (tmp_path / "warehouse").rglob(pattern) if path.is_file())
