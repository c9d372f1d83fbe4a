"""Has the catalog service answer requests."""

from __future__ import annotations

from functools import partial

from floe_catalog.adapters.rollback_journal import RollbackJournal
from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.maintenance.work import TableMaintenance
from floe_catalog.requests.describing import describe_table, list_snapshots
from floe_catalog.requests.diffing import diff_on_request
from floe_catalog.requests.lake import Lake
from floe_catalog.requests.listing import list_namespaces, list_tables
from floe_catalog.requests.maintaining import maintain_tables
from floe_catalog.requests.naming_snapshots import SnapshotNames
from floe_catalog.requests.reading import RowReader
from floe_catalog.requests.rolling_back import roll_back
from floe_catalog.rollbacks.work import Rollbacks
from floe_catalog.wiring import Parts
from floe_chassis.topology import CATALOG_PRODUCTS_BUCKET, SNAPSHOT_PINS_BUCKET
from floe_contracts.catalog_requests import (
    CHANGE_BRANCH,
    CHANGE_TAG,
    COMPACT_TABLES,
    DESCRIBE_TABLE,
    DIFF_SNAPSHOTS,
    EXPIRE_SNAPSHOTS,
    LIST_NAMESPACES,
    LIST_SNAPSHOTS,
    LIST_TABLES,
    READ_TABLE,
    REMOVE_ORPHANS,
    REWRITE_MANIFESTS,
    ROLL_BACK,
)


def answer_requests(parts: Parts, maintenance: TableMaintenance) -> None:
    """Have the service answer, and finish the rollbacks that a crash left."""
    service, bus = parts.service, parts.service.bus
    lake = Lake(parts.products, parts.calls)
    service.answer(LIST_NAMESPACES, partial(list_namespaces, lake))
    service.answer(LIST_TABLES, partial(list_tables, lake, parts.states))
    service.answer(DESCRIBE_TABLE, partial(describe_table, lake, parts.states))
    service.answer(LIST_SNAPSHOTS, partial(list_snapshots, lake))
    pins = SnapshotPins(partial(bus.key_value, SNAPSHOT_PINS_BUCKET))
    service.answer(DIFF_SNAPSHOTS, partial(diff_on_request, lake, pins))
    service.answer(READ_TABLE, RowReader(lake, pins).read_table)
    names = SnapshotNames(lake, bus)
    service.answer(CHANGE_TAG, names.change_tag)
    service.answer(CHANGE_BRANCH, names.change_branch)
    service.answer(COMPACT_TABLES, partial(maintain_tables, lake, maintenance))
    service.answer(REWRITE_MANIFESTS, partial(maintain_tables, lake, maintenance))
    service.answer(EXPIRE_SNAPSHOTS, partial(maintain_tables, lake, maintenance))
    service.answer(REMOVE_ORPHANS, partial(maintain_tables, lake, maintenance))
    journal = RollbackJournal(partial(bus.key_value, CATALOG_PRODUCTS_BUCKET))
    rollbacks = Rollbacks(bus, journal, parts.products, parts.calls, parts.teller)
    service.answer(ROLL_BACK, partial(roll_back, lake, rollbacks, parts.teller))
    service.task("rollbacks", rollbacks.run)
