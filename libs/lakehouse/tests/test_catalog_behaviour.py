"""The behaviour suite, for the catalogs that need no server of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from floe_chassis.testing_postgres import PostgresDatabase
from floe_lakehouse.testing.catalog_behaviour import CatalogBehaviour
from floe_lakehouse.testing.rest_server import RestServer


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
    def properties(self, server: RestServer) -> Mapping[str, str]:
        return server.properties
