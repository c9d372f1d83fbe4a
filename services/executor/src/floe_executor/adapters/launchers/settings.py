"""Settings of the Kubernetes launcher, `FLOE_EXECUTOR_KUBERNETES_*`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
Name = Annotated[str, Field(pattern=_NAME)]
Quantity = Annotated[str, Field(pattern=_QUANTITY)]


def _split(value: object) -> object:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[Name, ...], NoDecode, BeforeValidator(_split)]


class KubernetesSettings(BaseSettings):
    """What a Job is made of. Everything that floe itself is told stands in config maps and secrets, named here."""

    model_config = SettingsConfigDict(
        env_prefix="FLOE_EXECUTOR_KUBERNETES_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    namespace: Name = Field(default="floe", description="Namespace of the Jobs.")
    image: str = Field(min_length=1, description="Image of the executor, best by its digest.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: Names = Field(default=(), description="Secrets for the image's registry, comma-separated.")
    service_account: Name = Field(
        default="floe-run", description="Service account of the Jobs; its token is not mounted."
    )
    config_maps: Names = Field(default=(), description="Config maps with `FLOE_*` variables for the Jobs.")
    secrets: Names = Field(default=(), description="Secrets with `FLOE_*` variables for the Jobs.")
    seed_secret: Name | None = Field(default=None, description="Secret whose key `seed` is the nkey seed for the bus.")
    mounted_secret: Name | None = Field(
        default=None, description="Secret that is mounted where FLOE_EXECUTOR_SECRETS_DIR looks: a file for each."
    )
    volume_claim: Name | None = Field(
        default=None,
        description="Claim that is mounted at /data: DuckDB files, and blobs and tables on disk.",
    )
    cpu_request: Quantity = Field(default="500m", description="Processor time that a Job is scheduled by.")
    memory_request: Quantity = Field(default="1Gi", description="Memory that a Job is scheduled by.")
    memory_limit: Quantity = Field(default="2Gi", description="Memory above which a Job is killed.")
    scratch_size: Quantity = Field(default="4Gi", description="Disk for sources, builds and temporary files of a Job.")
    user: int = Field(default=10001, ge=1, description="User and group that a Job runs as.")
    start_seconds: float = Field(
        default=300.0, gt=0, description="A Job that has not begun after this has failed: no node, no image, no quota."
    )
    longest_seconds: int = Field(
        default=86_400, ge=60, description="A Job is ended after this, if its product sets no timeout."
    )
    keep_seconds: int = Field(default=3600, ge=0, description="An ended Job is kept so long, for its log.")
    grace_seconds: int = Field(default=30, ge=1, description="From the stop signal to the end of a Job.")
    kubeconfig: Path | None = Field(
        default=None, description="File that says where the cluster is; by default the cluster that this runs in."
    )
    request_seconds: float = Field(default=10.0, gt=0, description="How long the cluster may take for an answer.")
