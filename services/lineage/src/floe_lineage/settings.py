"""The settings of the lineage service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

BackendName = Literal["file", "http"]


class LineageSettings(BaseSettings):
    """Which backends there are, and where; the variables are `FLOE_LINEAGE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FLOE_LINEAGE_", frozen=True, extra="ignore")

    backends: Annotated[tuple[BackendName, ...], NoDecode] = Field(
        default=("file",), min_length=1, description="Backends, separated by commas: file, http."
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
        if "http" in self.backends and self.http_url is None:
            raise ValueError("FLOE_LINEAGE_HTTP_URL is needed for the backend http")
        return self
