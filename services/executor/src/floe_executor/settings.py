"""Settings of the executor, `FLOE_EXECUTOR_*`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ByteSize, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from floe_dbt.child_limits import ChildLimits


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
    spool_bytes: int = Field(
        default=256 * 2**20,
        ge=2**20,
        description="Messages that wait on the local disk for an absent bus take no more; then runs are interrupted.",
    )
    max_runs: int = Field(default=2, ge=1, description="Runs at the same time in one executor.")
    child_memory: ByteSize | None = Field(
        default=None,
        ge=256 << 20,
        description="Memory that a dbt process may take for itself, such as `4GB`; by default there is no limit.",
    )
    child_file_size: ByteSize | None = Field(
        default=None, description="Size of the largest file that a dbt process may write, also of a DuckDB database."
    )
    child_open_files: int | None = Field(default=None, ge=64, description="Files that a dbt process may have open.")
    launcher: Literal["process", "kubernetes"] = Field(
        default="process", description="Where runs work: in this process, or each in a Kubernetes Job of its own."
    )
    tick_seconds: float = Field(default=5.0, gt=0, description="How often waiting runs are looked for.")

    @property
    def child_limits(self) -> ChildLimits:
        """What one dbt process may use."""
        return ChildLimits(self.child_memory, self.child_file_size, self.child_open_files)
