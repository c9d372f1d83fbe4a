"""The settings of the semantic service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SemanticSettings(BaseSettings):
    """What this service alone needs to know; the variables are `FLOE_SEMANTIC_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FLOE_SEMANTIC_", frozen=True, extra="ignore", env_ignore_empty=True)

    concurrency: int = Field(default=1, ge=1, le=32, description="Artifacts rendered at the same time.")
