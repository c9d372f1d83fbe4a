"""Settings of the executor, `FLOE_EXECUTOR_*`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ExecutorSettings(BaseSettings):
    """What the executor needs beside the settings that all services share."""

    model_config = SettingsConfigDict(env_prefix="FLOE_EXECUTOR_", frozen=True)

    warehouse_dir: Path = Field(default=Path(".floe/warehouse"), description="Folder of the products' DuckDB files.")
    catalog_uri: str = Field(default="sqlite:///.floe/catalog.db", description="Database of the Iceberg catalog.")
    catalog_warehouse: str = Field(default="file://.floe/lake", description="Where Iceberg tables live.")
    dagster_home: Path = Field(default=Path(".floe/dagster"), description="Folder of the shared Dagster instance.")
    dbt_folder: Path | None = Field(
        default=None, description="Folder of the dbt fork server; services of one process that name the same share it."
    )
    secrets_dir: Path = Field(
        default=Path("/var/run/secrets/floe"), description="Folder of mounted secrets, a file for each, by name."
    )
    max_attempts: int = Field(default=3, ge=1, description="Attempts of a run whose worker or dbt process dies.")
    max_runs: int = Field(default=2, ge=1, description="Runs at the same time in one executor.")
    tick_seconds: float = Field(default=5.0, gt=0, description="How often waiting runs are looked for.")
