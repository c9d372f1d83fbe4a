"""The behaviour suite, for the catalogs that need no server of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from floe_chassis.testing_postgres import PostgresDatabase
from floe_lakehouse.testing.catalog_behaviour import CatalogBehaviour
from floe_lakehouse.testing.rest_server import serving


class TestSqlite(CatalogBehaviour):
    @pytest.fixture
    def properties(self, tmp_path: Path) -> Mapping[str, str]:
        return {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": str(tmp_path / "lake")}


class TestPostgres(CatalogBehaviour):
    @pytest.fixture
    def properties(self, postgres_database: PostgresDatabase, tmp_path: Path) -> Mapping[str, str]:
        return {"type": "sql", "uri": postgres_database.url, "warehouse": str(tmp_path / "lake")}


class TestRest(CatalogBehaviour):
    @pytest.fixture
    def properties(self, tmp_path: Path) -> Iterator[Mapping[str, str]]:
        uri = f"sqlite:///{tmp_path}/rest.db?check_same_thread=false"
        with serving(SqlCatalog("rest", uri=uri, warehouse=(tmp_path / "lake").as_uri())) as server:
            yield server.properties
