"""Settings of the compiler, `FLOE_COMPILER_*`, and of what it fetches from Git, `FLOE_COMPILER_GIT_*`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CompilerSettings(BaseSettings):
    """What the compiler needs beside the settings that all services share."""

    model_config = SettingsConfigDict(env_prefix="FLOE_COMPILER_", frozen=True)

    platform_file: Path | None = Field(
        default=None,
        description="The platform.yaml of this installation. Where it is set, no submission may bring its own.",
    )
    dbt_folder: Path | None = Field(
        default=None, description="Folder of the dbt fork server; services of one process that name the same share it."
    )


class GitSettings(BaseSettings):
    """Which repositories are fetched from, how, and how much of them."""

    model_config = SettingsConfigDict(env_prefix="FLOE_COMPILER_GIT_", frozen=True, env_ignore_empty=True)

    repositories: tuple[str, ...] = Field(
        default=(),
        description="Repositories that may be fetched from: host and path, or globs of them, as a JSON list. "
        "Without any, every push is refused.",
    )
    local: bool = Field(default=False, description="Whether file:// addresses are fetched from.")
    credentials_file: Path | None = Field(
        default=None, description="Credentials for https, as `git credential-store` keeps them."
    )
    ssh_key_file: Path | None = Field(default=None, description="Private key for ssh.")
    known_hosts_file: Path | None = Field(default=None, description="Host keys for ssh; unknown hosts are refused.")
    timeout: float = Field(default=60.0, gt=0, description="Seconds that one call of git may take.")
    max_files: int = Field(default=50_000, ge=1, description="Most files and folders in a commit.")
    max_products: int = Field(default=500, ge=1, description="Most products in a commit.")
    max_bytes: int = Field(default=500_000_000, ge=1, description="Most bytes of a repository's cache on disk.")
