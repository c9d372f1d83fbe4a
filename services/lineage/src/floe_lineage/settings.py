"""The settings of the lineage service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class LineageSettings(BaseSettings):
    """Which backends there are, and where; the variables are `FLOE_LINEAGE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FLOE_LINEAGE_", frozen=True, extra="ignore")

    backends: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("file",),
        description="Backends, separated by commas: file, http, or what plugins bring; none, if platform.yaml has all.",
    )
    platform_file: Path | None = Field(
        default=None, description="A platform.yaml; the backends below observability.lineage are added."
    )
    file: Path = Field(default=Path(".floe/lineage.jsonl"), description="The file of the backend `file`.")
    http_url: HttpUrl | None = Field(default=None, description="Where the backend `http` is, without /api/v1/lineage.")
    http_batch: bool = Field(default=False, description="Whether `http` takes batches (OpenLineage 2.0.2).")
    http_token: SecretStr | None = Field(default=None, description="Bearer token for `http`.")

    @field_validator("backends", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(set(self.backends)) != len(self.backends):
            raise ValueError("a backend is named twice")
        if not self.backends and self.platform_file is None:
            raise ValueError("no backend is named")
        if "http" in self.backends and self.http_url is None:
            raise ValueError("FLOE_LINEAGE_HTTP_URL is needed for the backend http")
        return self
