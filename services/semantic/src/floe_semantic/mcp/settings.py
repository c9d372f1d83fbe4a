"""The settings of the MCP server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class McpSettings(BaseSettings):
    """What `floe mcp` needs to know; the variables are `FLOE_MCP_<NAME>`, and those of tokens as they are named."""

    model_config = SettingsConfigDict(env_prefix="FLOE_MCP_", frozen=True, extra="ignore", env_ignore_empty=True)

    cube_url: str = Field(
        default="http://127.0.0.1:4000", pattern=r"^https?://", description="Where Cube answers, without /cubejs-api."
    )
    cube_base_path: str = Field(default="/cubejs-api", description="Cube's basePath.")
    cube_api_token: SecretStr | None = Field(
        default=None,
        validation_alias="FLOE_CUBE_API_TOKEN",
        description="The caller's token of Cube, over stdio; over HTTP each caller sends its own.",
    )
    cube_api_token_file: Path | None = Field(
        default=None,
        validation_alias="FLOE_CUBE_API_TOKEN_FILE",
        description="A file with it, read for each call, so that it can be renewed.",
    )
    lineage_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="The gateway that tells lineage; without it, Cube's model alone.",
    )
    lineage_token: SecretStr | None = Field(
        default=None, description="The caller's token of a lineage reader, over stdio."
    )
    lineage_environment: str | None = Field(default=None, description="Whose lineage is asked for.")
    http: str | None = Field(
        default=None, description="HOST:PORT to serve streamable HTTP at; without it, stdin and stdout."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Names with ports that clients may call the server by, separated by commas; `:*` is any port.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins of web pages that may call it, separated by commas."
    )
    row_limit: int = Field(default=1_000, ge=1, le=49_999, description="The most rows of an answer.")
    answer_size: int = Field(default=400_000, ge=1_000, description="The most characters of an answer's rows.")
    query_seconds: float = Field(
        default=50.0, gt=0, description="How long Cube may work on a query; many clients give a tool 60 seconds."
    )
    request_seconds: float = Field(default=30.0, gt=0, description="How long one request to Cube may take.")
    meta_seconds: float = Field(
        default=5.0, ge=0, description="How long what a caller may see is kept for the next call; Cube decides anyway."
    )

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value
