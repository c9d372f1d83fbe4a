"""Settings of the compiler, `FLOE_COMPILER_*`."""

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
