"""The gateway as a service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from floe_chassis.blobs import open_blobs
from floe_chassis.dead_letters import watch_advisories
from floe_chassis.secrets import open_secrets
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_gateway.adapters.bus_announcer import BusAnnouncer, BusLineage
from floe_gateway.adapters.source_store import BlobSourceStore
from floe_gateway.adapters.standard_facets import facet_problems
from floe_gateway.core.producers import KnownProducer, secret_of
from floe_gateway.door import front_door
from floe_gateway.lineage.endpoints import lineage_endpoints
from floe_gateway.lineage.reception import Reception
from floe_gateway.lineage.reception_metrics import ReceptionMetrics
from floe_gateway.settings import GatewaySettings, check_exposure
from floe_gateway.specs.endpoints import spec_endpoints
from floe_gateway.specs.intake import Intake

_UNPACKED_AT_ONCE: Final = 4


def create_app(environment: Mapping[str, str]) -> Service:
    """The gateway, wired for `environment`.

    Raises:
        SettingInvalid: a setting is missing or wrong.
        GatewayOpen: it would serve other machines without a token.
        SecretMissing: the token of a producer is nowhere.
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
    reception = Reception(
        tenant=chassis.tenant,
        publisher=BusLineage(service.bus, settings.publish_seconds),
        check_facets=facet_problems,
        body_seconds=settings.upload_seconds,
    )
    secrets = open_secrets(chassis.secret_stores, environment)
    known = [KnownProducer(each, SecretStr(secrets(secret_of(each)))) for each in settings.lineage_producers]
    service.route(
        front_door(
            {
                **spec_endpoints(intake, settings.token),
                **lineage_endpoints(reception, known, ReceptionMetrics(), closed=settings.token is not None),
            }
        )
    )
    watch_advisories(service)
    return service
