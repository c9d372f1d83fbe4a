"""The seven targets that floe brings, as plugins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic import BaseModel

from floe_contracts.platform.computes import (
    BigQueryCompute,
    DatabricksCompute,
    DuckDbCompute,
    PostgresCompute,
    RedshiftCompute,
    SnowflakeCompute,
    SparkCompute,
)
from floe_contracts.plugins.metadata import API_VERSION, PluginMetadata
from floe_contracts.plugins.targets import Warehouse
from floe_dbt.profiles.table import WAREHOUSES


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table of warehouses; its name is that of its dbt adapter."""

    adapter: str
    options: type[BaseModel]
    description: str

    @property
    def metadata(self) -> PluginMetadata:
        """Who it is."""
        return PluginMetadata(self.adapter, "1.0.0", API_VERSION, self.description)

    @property
    def warehouse(self) -> Warehouse:
        """How its properties stand in profiles.yml."""
        return WAREHOUSES[self.adapter]


DuckDbTarget: Final = partial(Target, "duckdb", DuckDbCompute, "DuckDB in the worker.")
SnowflakeTarget: Final = partial(Target, "snowflake", SnowflakeCompute, "Snowflake.")
BigQueryTarget: Final = partial(Target, "bigquery", BigQueryCompute, "Google BigQuery.")
RedshiftTarget: Final = partial(Target, "redshift", RedshiftCompute, "Amazon Redshift.")
DatabricksTarget: Final = partial(Target, "databricks", DatabricksCompute, "Databricks.")
PostgresTarget: Final = partial(Target, "postgres", PostgresCompute, "PostgreSQL.")
SparkTarget: Final = partial(Target, "spark", SparkCompute, "Apache Spark.")
