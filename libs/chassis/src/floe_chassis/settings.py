"""The settings that all services share, and how any settings are read from an environment that is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from floe_chassis.errors import SettingInvalid

S = TypeVar("S", bound=BaseSettings)


class ChassisSettings(BaseSettings):
    """What every service needs to know. Times are in seconds; the variables are `FLOE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="FLOE_", frozen=True, extra="ignore", env_ignore_empty=True)

    nats_url: str = Field(
        default="nats://127.0.0.1:4222",
        repr=False,
        description="Servers of the bus, separated by commas; may hold user and password.",
    )
    nats_seed_file: Path | None = Field(default=None, description="File with the nkey seed of this identity.")
    nats_ca_file: Path | None = Field(default=None, description="Certificate authority, for tls:// servers.")
    tenant: str = "default"
    blobs_url: str | None = Field(default=None, description="Blob store: file:///path, s3://, gs:// or az://.")
    work_dir: Path = Path(".floe/work")
    ack_wait: float = Field(default=30.0, gt=0, description="A message unanswered for so long is delivered again.")
    lease_seconds: float = Field(default=45.0, gt=0, description="A lease that is not renewed ends after this.")
    max_deliver: int = Field(default=5, ge=1, description="Deliveries of one message before it is a dead letter.")
    retry_seconds: float = Field(default=2.0, gt=0, description="First delay of a redelivery; doubles, 60 at most.")
    publish_budget: float = Field(default=30.0, gt=0, description="How long a publish outlasts an absent bus.")
    secret_stores: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("environment", "mounted"),
        min_length=1,
        description="Where secrets are looked up, in this order, separated by commas; plugins may bring more.",
    )
    bus_replicas: int = Field(default=1, ge=1, le=5, description="Copies of each stream in a cluster.")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535, description="0 takes any free port.")
    shutdown_grace: float = Field(default=15.0, gt=0, description="From the stop signal to the end of the process.")
    log_format: Literal["json", "console"] = "json"
    log_file: Path | None = Field(default=None, description="Logs go to this file instead of standard error.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("secret_stores", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only: the environment comes in through `load_settings`, never from the process behind it."""
        return (init_settings,)


class _GivenEnvironment(EnvSettingsSource):
    """Reads variables from a mapping instead of the environment of the process."""

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str]) -> None:
        self._environment = environment
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name if self.case_sensitive else name.lower(): value
            for name, value in self._environment.items()
            if value or not self.env_ignore_empty
        }


def load_settings(cls: type[S], environment: Mapping[str, str]) -> S:
    """Read settings from `environment` alone.

    Args:
        cls: any pydantic-settings model; its prefix and aliases name the variables.
        environment: the variables, usually a copy of `os.environ`.

    Raises:
        SettingInvalid: one or more variables are missing or hold values that do not fit; all are named, and no value
            is repeated, since it may be a secret.
    """
    source = _GivenEnvironment(cls, environment)
    try:
        return cls(_build_sources=((source,), {}))
    except ValidationError as error:
        problems = [f"{_variable(cls, item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
        raise SettingInvalid("; ".join(problems), hint="correct the environment variable") from None
    except SettingsError as error:
        field = next((name for name in cls.model_fields if f'"{name}"' in str(error)), "")
        raise SettingInvalid(f"{_variable(cls, (field,))}: not valid JSON", hint="lists and objects are JSON") from None


def _variable(cls: type[BaseSettings], place: tuple[int | str, ...]) -> str:
    name = str(place[0]) if place else ""
    field = cls.model_fields.get(name)
    prefix = str(cls.model_config.get("env_prefix") or "")
    # An alias is the whole name of the variable, and pydantic reports errors by it.
    return (prefix + name).upper() if field is not None and field.validation_alias is None else name.upper()
