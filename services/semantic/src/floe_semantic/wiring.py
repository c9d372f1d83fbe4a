"""What the semantic service is made of, put together once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_semantic.settings import SemanticSettings


@dataclass(frozen=True, slots=True)
class Parts:
    """A semantic service that is not started yet, and what its rooms share.

    Attributes:
        service: reads, answers and works.
        chassis: settings that all services share.
        settings: its own.
        blobs: where artifacts' parts and bundles are.
    """

    service: Service
    chassis: ChassisSettings
    settings: SemanticSettings
    blobs: BlobStore


def assemble(environment: Mapping[str, str]) -> Parts:
    """The parts, for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
    """
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(SemanticSettings, environment)
    return Parts(Service("semantic", chassis), chassis, settings, open_blobs(chassis.blobs_url))
