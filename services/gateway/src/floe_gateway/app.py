"""The gateway as a service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from floe_chassis.blobs import open_blobs
from floe_chassis.dead_letters import watch_advisories
from floe_chassis.secrets import open_secrets
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_gateway.adapters.bus_announcer import BusAnnouncer
from floe_gateway.adapters.source_store import BlobSourceStore
from floe_gateway.door import front_door
from floe_gateway.lineage.wiring import serve_lineage
from floe_gateway.settings import GatewaySettings, check_exposure
from floe_gateway.specs.endpoints import spec_endpoints
from floe_gateway.specs.intake import Intake

_UNPACKED_AT_ONCE: Final = 4


def create_app(environment: Mapping[str, str]) -> Service:
    """The gateway, wired for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
        GatewayOpen: it would serve other machines without a token.
        SecretMissing: the token of a producer or reader of lineage is nowhere.
        TokenShared: two of them have the same.
    """
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(GatewaySettings, environment)
    check_exposure(settings, chassis.http_host)
    service = Service("gateway", chassis)
    intake = Intake(
        tenant=chassis.tenant,
        store=BlobSourceStore(open_blobs(chassis.blobs_url)),
        announcer=BusAnnouncer(service.bus, settings.publish_seconds),
        room=asyncio.Semaphore(_UNPACKED_AT_ONCE),
        platform_fixed=settings.platform_fixed,
        upload_seconds=settings.upload_seconds,
    )
    secrets = open_secrets(chassis.secret_stores, environment)
    service.route(front_door({**spec_endpoints(intake, settings.token), **serve_lineage(service, settings, secrets)}))
    watch_advisories(service)
    return service
