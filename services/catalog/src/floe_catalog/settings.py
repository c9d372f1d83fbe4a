"""The settings of the catalog service."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CatalogSettings(BaseSettings):
    """Where the Iceberg catalog is; the variables are `FLOE_CATALOG_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FLOE_CATALOG_", frozen=True, extra="ignore")

    uri: SecretStr = Field(description="SQLAlchemy URL of the catalog's database, as sqlite:////data/catalog.db.")
    warehouse: str = Field(
        min_length=1, description="Folder or URI under which the tables stand, as file:///data/lake."
    )
