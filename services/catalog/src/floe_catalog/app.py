"""The catalog as a service."""

from __future__ import annotations

from collections.abc import Mapping

from floe_catalog.adapters.iceberg import IcebergLakehouse
from floe_catalog.handlers import on_compiled, on_completed
from floe_catalog.settings import CatalogSettings
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import CATALOG, CATALOG_RUNS
from floe_contracts.events import ArtifactCompiled, RunCompleted


def create_app(environment: Mapping[str, str]) -> Service:
    """The catalog service, wired for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
    """
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(CatalogSettings, environment)
    lakehouse = IcebergLakehouse(
        {"type": "sql", "uri": settings.uri.get_secret_value(), "warehouse": settings.warehouse}
    )
    service = Service("catalog", chassis)
    service.subscribe(CATALOG, ArtifactCompiled, on_compiled(lakehouse))
    service.subscribe(CATALOG_RUNS, RunCompleted, on_completed(lakehouse, service.bus))
    service.check("catalog", lakehouse.ping)
    return service
