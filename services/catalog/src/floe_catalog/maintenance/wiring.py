"""Has the catalog service maintain tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from floe_catalog.adapters.expiry_journal import ExpiryJournal
from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.maintenance.action_process import ActionProcesses
from floe_catalog.maintenance.clock import MaintenanceClock
from floe_catalog.maintenance.maintenance_telemetry import MaintenanceTelemetry
from floe_catalog.maintenance.work import TableMaintenance
from floe_catalog.wiring import Parts
from floe_chassis.topology import CATALOG_PRODUCTS_BUCKET, SNAPSHOT_PINS_BUCKET
from floe_contracts.maintenance import CompiledMaintenance
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.compiled_catalogs import catalog_properties


def start_maintenance(parts: Parts) -> TableMaintenance:
    """Have the service look which tables are due, while it runs; gives what does the work, for whoever asks for it."""
    processes = ActionProcesses()
    maintenance = TableMaintenance(
        parts.service.bus,
        catalog_of=partial(_catalog_of, parts),
        tell=parts.teller.tell_table,
        pins=SnapshotPins(partial(parts.service.bus.key_value, SNAPSHOT_PINS_BUCKET)),
        journal=ExpiryJournal(partial(parts.service.bus.key_value, CATALOG_PRODUCTS_BUCKET)),
        processes=processes,
        telemetry=MaintenanceTelemetry(),
        guard_seconds=parts.settings.snapshot_guard_seconds,
        clock=_now,
    )
    clock = MaintenanceClock(
        products=parts.records,
        states=parts.states,
        policy_of=partial(_policy_of, parts),
        maintenance=maintenance,
        at_once=parts.settings.maintenance_at_once,
        look_seconds=parts.settings.maintenance_seconds,
        clock=_now,
    )
    parts.service.task("maintenance", clock.run)
    parts.service.on_stop(processes.close)
    return maintenance


async def _catalog_of(parts: Parts, place: Place) -> Mapping[str, str]:
    product = await parts.products.find(place)
    return catalog_properties(product.environment, parts.local, parts.secrets(place.tenant))


async def _policy_of(parts: Parts, place: Place) -> CompiledMaintenance:
    return (await parts.products.find(place)).environment.maintenance


def _now() -> datetime:
    return datetime.now(UTC)
