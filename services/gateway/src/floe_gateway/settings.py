"""The settings of the gateway."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from floe_chassis.loopback import is_loopback
from floe_gateway.core.known_callers import read_callers
from floe_gateway.core.lineage_readers import LineageReader, read_reader
from floe_gateway.core.producers import Producer, read_producer
from floe_gateway.errors import GatewayOpen


class GatewaySettings(BaseSettings):
    """Who may submit, and what is taken from a submission; the variables are `FLOE_GATEWAY_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FLOE_GATEWAY_", frozen=True, extra="ignore")

    token: SecretStr | None = Field(
        default=None, min_length=1, description="Bearer token of the callers; without it only loopback is served."
    )
    platform_fixed: bool = Field(
        default=False,
        description="Whether a submitted platform.yaml is ignored, because the compiler has its own.",
    )
    lineage_producers: Annotated[tuple[Producer, ...], NoDecode] = Field(
        default=(),
        description="Who may send lineage, as name:environment, separated by commas; the token of each is the secret "
        "lineage-producer-<name>. Without any, whoever reaches a gateway on loopback that has no token.",
    )
    lineage_readers: Annotated[tuple[LineageReader, ...], NoDecode] = Field(
        default=(),
        description="Who may read lineage, as name:tenant or name:tenant/environment, separated by commas; the token "
        "of each is the secret lineage-reader-<name>. Without any, whoever reaches a gateway on loopback that has no "
        "token, which shows its own tenant.",
    )
    lineage_streams: int = Field(default=256, ge=1, description="How many streams of lineage are served at a time.")
    heartbeat_seconds: float = Field(
        default=15.0, gt=0, description="A stream without events says after so long that it still is there."
    )
    upload_seconds: float = Field(default=60.0, gt=0, description="How long a body may take to arrive.")
    publish_seconds: float = Field(default=10.0, gt=0, description="How long to wait for the bus before answering 503.")

    @field_validator("lineage_producers", mode="before")
    @classmethod
    def _read_producers(cls, value: object) -> object:
        return read_callers(value, read_producer) if isinstance(value, str) else value

    @field_validator("lineage_readers", mode="before")
    @classmethod
    def _read_readers(cls, value: object) -> object:
        return read_callers(value, read_reader) if isinstance(value, str) else value


def check_exposure(settings: GatewaySettings, host: str) -> None:
    """Refuse to listen to other machines without a token.

    Raises:
        GatewayOpen: there is no token, and `host` is not a loopback address.
    """
    if settings.token is None and not is_loopback(host):
        raise GatewayOpen(
            f"without FLOE_GATEWAY_TOKEN the gateway does not listen on {host}",
            hint="set FLOE_GATEWAY_TOKEN, or set FLOE_HTTP_HOST to 127.0.0.1",
        )
