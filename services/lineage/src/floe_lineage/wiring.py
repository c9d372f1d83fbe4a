"""What the lineage service is made of, put together once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from floe_chassis.secrets import Secrets, open_secrets
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_lineage.settings import LineageSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """A lineage service that is not started yet, and what its rooms share.

    Attributes:
        service: reads, answers and works.
        chassis: settings that all services share.
        settings: its own.
        secrets: tells the secrets that platform.yaml names.
    """

    service: Service
    chassis: ChassisSettings
    settings: LineageSettings
    secrets: Secrets


def assemble(environment: Mapping[str, str]) -> Parts:
    """The parts, for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
        PluginUnknown: a kind of secret store is not installed.
    """
    settings = load_settings(LineageSettings, environment)
    chassis = load_settings(ChassisSettings, environment)
    return Parts(Service("lineage", chassis), chassis, settings, open_secrets(chassis.secret_stores, environment))
