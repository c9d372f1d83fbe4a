"""The settings of the semantic service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SemanticSettings(BaseSettings):
    """What this service alone needs to know; the variables are `FLOE_SEMANTIC_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FLOE_SEMANTIC_", frozen=True, extra="ignore", env_ignore_empty=True)

    concurrency: int = Field(default=1, ge=1, le=32, description="Artifacts rendered at the same time.")
    cube_token: SecretStr | None = Field(
        default=None, min_length=1, description="Bearer token of Cube; without it only loopback is given bundles."
    )
    cube_home: Path | None = Field(
        default=None,
        description="Folder whose node_modules holds Cube's schema compiler, which then takes every bundle before it "
        "is offered; without it no compiler is asked.",
    )
    node: str = Field(default="node", description="Node's program, version 22 or newer, for Cube's compiler.")
    gate_seconds: float = Field(default=600.0, gt=0, description="How long Cube's compiler may take for a bundle.")
    query_window_seconds: float = Field(
        default=300.0,
        ge=0,
        le=3600,
        description="So long, of queries that are alike only the first and the last are told in the lineage, and how "
        "many they were; 0 tells every query.",
    )
    pseudonym_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Secret for the pseudonyms of callers and row owners in the lineage of queries; without it the "
        "lineage does not tell who asked.",
    )
