"""The tables' family, put together."""

from __future__ import annotations

from floe_catalog.handlers import subscribe
from floe_catalog.tables.following import Following
from floe_catalog.tables.landed import Landed
from floe_catalog.tables.reconciling import Reconciler
from floe_catalog.tables.registering import Registrar
from floe_catalog.wiring import Parts


def follow_tables(parts: Parts) -> None:
    """Have the service follow artifacts and runs, and look for what nobody told."""
    service = parts.service
    registrar = Registrar(service.bus, parts.lakehouse, parts.teller)
    subscribe(
        service,
        Following(parts.lakehouse, parts.records, parts.products, registrar),
        Landed(parts.products, parts.teller),
    )
    reconciler = Reconciler(
        service.bus,
        parts.chassis,
        lakehouse=parts.lakehouse,
        states=parts.states,
        products=parts.products,
        teller=parts.teller,
        registrar=registrar,
        seconds=parts.settings.reconcile_seconds,
    )
    service.task("reconciler", reconciler.run)
