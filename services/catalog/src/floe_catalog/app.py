"""The catalog as a service."""

from __future__ import annotations

from collections.abc import Mapping

from floe_catalog.access.wiring import answer_grants
from floe_catalog.maintenance.wiring import start_maintenance
from floe_catalog.requests.wiring import answer_requests
from floe_catalog.serving.wiring import keep_serve_databases
from floe_catalog.tables.wiring import follow_tables
from floe_catalog.wiring import assemble
from floe_chassis.service import Service


def create_app(environment: Mapping[str, str]) -> Service:
    """The catalog service, wired for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
    """
    parts = assemble(environment)
    follow_tables(parts)
    answer_requests(parts, start_maintenance(parts))
    answer_grants(parts)
    keep_serve_databases(parts)
    return parts.service
