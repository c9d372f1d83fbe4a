"""The settings of the lineage service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from floe_contracts.platform.services import LineageForwarding
from floe_lineage.adapters.http_backend import ENDPOINT, TIMEOUT_SECONDS
from floe_lineage.plugins import BATCH_HELP, KEEP, Batch, Endpoint, HeaderName


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
    file_max_bytes: int | None = Field(
        default=None, ge=1, description="`file` is put aside before it gets larger; left out, never."
    )
    file_keep: int = Field(default=KEEP, ge=0, description="How many files that were put aside are kept.")
    file_forwarding: LineageForwarding = Field(
        default=LineageForwarding(), description="Which events `file` gets: `forwarding` of platform.yaml, as JSON."
    )
    http_url: HttpUrl | None = Field(default=None, description="Where the backend `http` is.")
    http_endpoint: Endpoint = Field(default=ENDPOINT, description="Path of `http` that takes single events.")
    http_batch: Batch = Field(default="auto", description=BATCH_HELP)
    http_gzip: bool = Field(default=False, description="Whether `http` gets compressed bodies.")
    http_token: SecretStr | None = Field(default=None, description="Bearer token for `http`.")
    http_token_header: HeaderName | None = Field(
        default=None, description="The header that takes the token as it is, where it is no bearer token."
    )
    http_timeout: float = Field(default=TIMEOUT_SECONDS, gt=0, le=600, description="Seconds for a request to `http`.")
    http_forwarding: LineageForwarding = Field(
        default=LineageForwarding(), description="Which events `http` gets, and how fast, as JSON."
    )

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
