"""The settings of the catalog service."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class CatalogSettings(BaseSettings):
    """Where the Iceberg catalog is; the variables are `FLOE_CATALOG_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FLOE_CATALOG_", frozen=True, extra="ignore", env_ignore_empty=True)

    uri: SecretStr = Field(description="SQLAlchemy URL of the catalog's database, as sqlite:////data/catalog.db.")
    warehouse: str = Field(
        min_length=1, description="Folder or URI under which the tables stand, as file:///data/lake."
    )
    secrets_dir: Path = Field(
        default=Path("/var/run/secrets/floe"), description="Folder of mounted secrets, a file for each, by name."
    )
    call_seconds: float = Field(
        default=10.0, gt=0, description="How long a catalog may take to answer a question about one table."
    )
    reconcile_seconds: float = Field(
        default=60.0, gt=0, description="How often all tables are compared with what was told of them."
    )
    maintenance_at_once: int = Field(
        default=2,
        ge=1,
        description="On how many tables a replica works at the same time, each in a process of its own.",
    )
    maintenance_seconds: float = Field(
        default=60.0, gt=0, description="How often it looks which tables are due; ticks of schedules are met besides."
    )
    snapshot_guard_seconds: float = Field(
        default=21_600.0,
        ge=0,
        description="A snapshot that was the current one within so long never expires: a run may have planned from it.",
    )
    serve_dir: Path | None = Field(
        default=None,
        description="Folder for the serve.duckdb of each product, from which Cube and others read; without it, none.",
    )
    polaris_uri: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Root of the Polaris server that the service administers, as https://polaris.example.com.",
    )
    polaris_client_id: str | None = Field(default=None, description="Client id of that server's administrator.")
    polaris_client_secret: SecretStr | None = Field(default=None, description="The administrator's secret.")
    polaris_realm: str | None = Field(default=None, description="The realm of that server, where it has several.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (self.polaris_uri, self.polaris_client_id, self.polaris_client_secret)
        if any(given) and not all(given):
            raise ValueError(
                "POLARIS_URI, POLARIS_CLIENT_ID and POLARIS_CLIENT_SECRET are set together, or none of them"
            )
        return self
