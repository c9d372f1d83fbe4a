"""The composition of the semantic service."""

from __future__ import annotations

from collections.abc import Mapping

from floe_chassis.blobs import open_blobs
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import SEMANTIC
from floe_contracts.events import ArtifactCompiled
from floe_semantic.handlers import on_compiled
from floe_semantic.settings import SemanticSettings


def create_app(environment: Mapping[str, str]) -> Service:
    """Wire the service from the variables in `environment`.

    Raises:
        SettingInvalid: a variable is missing or wrong.
    """
    settings = load_settings(ChassisSettings, environment)
    own = load_settings(SemanticSettings, environment)
    service = Service("semantic", settings)
    handler = on_compiled(service.bus, open_blobs(settings.blobs_url))
    service.subscribe(SEMANTIC, ArtifactCompiled, handler, concurrency=own.concurrency)
    return service
