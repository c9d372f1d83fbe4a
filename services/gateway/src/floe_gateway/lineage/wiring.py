"""The room of lineage, put together: who sends, who reads, and what serves them."""

from __future__ import annotations

from floe_chassis.secrets import Secrets
from floe_chassis.service import Service
from floe_gateway.adapters.bus_announcer import BusLineage
from floe_gateway.adapters.standard_facets import facet_problems
from floe_gateway.core.known_callers import with_tokens
from floe_gateway.core.lineage_readers import anybody
from floe_gateway.core.producers import ANYBODY
from floe_gateway.door import Endpoints
from floe_gateway.lineage.endpoints import lineage_endpoints
from floe_gateway.lineage.open_streams import OpenStreams
from floe_gateway.lineage.reading_endpoints import Reading, reading_endpoints
from floe_gateway.lineage.reception import Reception
from floe_gateway.lineage.reception_metrics import ReceptionMetrics
from floe_gateway.settings import GatewaySettings


def serve_lineage(service: Service, settings: GatewaySettings, secrets: Secrets) -> Endpoints:
    """Where lineage is sent and read.

    Raises:
        SecretMissing: the token of a producer or a reader is nowhere.
        TokenShared: two of them have the same.
    """
    tenant, is_open = service.settings.tenant, settings.token is None
    reception = Reception(
        tenant=tenant,
        publisher=BusLineage(service.bus, settings.publish_seconds),
        check_facets=facet_problems,
        body_seconds=settings.upload_seconds,
    )
    producers = with_tokens(settings.lineage_producers, secrets, anybody=ANYBODY if is_open else None)
    reading = Reading(
        bus=service.bus,
        readers=with_tokens(settings.lineage_readers, secrets, anybody=anybody(tenant) if is_open else None),
        streams=OpenStreams(settings.lineage_streams),
        stopping=service.stopping,
        heartbeat=settings.heartbeat_seconds,
    )
    service.on_stop(reading.streams.all_ended)
    return {**lineage_endpoints(reception, producers, ReceptionMetrics()), **reading_endpoints(reading)}
