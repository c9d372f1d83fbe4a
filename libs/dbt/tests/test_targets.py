"""The seven targets as plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from floe_contracts.plugins.conformance import TargetConformance
from floe_contracts.plugins.registry import TARGETS, installed
from floe_dbt.profiles import WAREHOUSES

PASSWORD = {"mode": "password", "user": "floe", "password": {"secretRef": "warehouse-password"}}


def test_every_row_of_the_table_is_a_plugin() -> None:
    assert set(installed(TARGETS)) >= set(WAREHOUSES)


class TestDuckDb(TargetConformance):
    name = "duckdb"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        return {"type": "duckdb", "threads": "3", "memoryLimit": "2GB"}


class TestSnowflake(TargetConformance):
    name = "snowflake"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        return {
            "type": "snowflake",
            "account": "xy12345",
            "database": "analytics",
            "schema": "shop",
            "credentials": PASSWORD,
        }


class TestBigQuery(TargetConformance):
    name = "bigquery"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        return {"type": "bigquery", "project": "shop", "dataset": "orders", "credentials": {"mode": "oauth"}}


class TestRedshift(TargetConformance):
    name = "redshift"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        return {"type": "redshift", "host": "db", "database": "shop", "schema": "orders", "credentials": PASSWORD}


class TestDatabricks(TargetConformance):
    name = "databricks"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        token = {"mode": "token", "token": {"secretRef": "databricks-token"}}
        return {"type": "databricks", "host": "dbc", "httpPath": "/sql", "schema": "shop", "credentials": token}


class TestPostgres(TargetConformance):
    name = "postgres"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        password = {"secretRef": "warehouse-password"}
        return {"type": "postgres", "host": "db", "user": "floe", "password": password, "database": "d", "schema": "s"}


class TestSpark(TargetConformance):
    name = "spark"

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        return {"type": "spark", "schema": "shop", "connection": {"mode": "thrift", "host": "spark", "user": "floe"}}
