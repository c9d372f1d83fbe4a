"""What differs between two snapshots of a table."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from pyiceberg.table import Table

from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.requests.lake import Lake
from floe_catalog.requests.snapshot_entries import entry_of
from floe_chassis.answers import Asked
from floe_contracts.catalog_requests import ChangedColumn, DiffSnapshots, SnapshotDiff, SnapshotEntry
from floe_contracts.events.tables import TableColumn
from floe_lakehouse.errors import SnapshotMissing
from floe_lakehouse.history.differences import diff_snapshots
from floe_lakehouse.history.past_snapshots import find_snapshot
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.snapshots import SchemaField


@dataclass(frozen=True, slots=True)
class Pair:
    """The two snapshots that are compared."""

    table_uuid: str
    before: SnapshotEntry
    after: SnapshotEntry


async def diff_on_request(lake: Lake, pins: SnapshotPins, asked: Asked[DiffSnapshots]) -> SnapshotDiff:
    """Compare two snapshots by their schemas and files, and by their rows if that is wanted.

    Raises:
        FloeError: what finding the table and the snapshots raises, and what comparing them does.
    """
    found = await lake.asked_table(asked)
    pair = await lake.look(found, partial(_pair, asked.request))
    async with AsyncExitStack() as pinned:
        for snapshot_id in {pair.before.snapshot_id, pair.after.snapshot_id}:
            await pinned.enter_async_context(pins.hold(pair.table_uuid, snapshot_id))
        table = await lake.look(found, lambda table: table)
        differences = await asyncio.to_thread(
            diff_snapshots, table, pair.before.snapshot_id, pair.after.snapshot_id, exact=asked.request.rows
        )
    return SnapshotDiff(
        identifier=found.identifier,
        before=pair.before,
        after=pair.after,
        columns_added=_columns(differences.fields_added),
        columns_removed=_columns(differences.fields_removed),
        columns_changed=tuple(
            ChangedColumn(before=_column(change.before), after=_column(change.after))
            for change in differences.fields_changed
        ),
        files_added=differences.files_added,
        files_removed=differences.files_removed,
        rows_in_added_files=differences.rows_in_added_files,
        rows_in_removed_files=differences.rows_in_removed_files,
        rows_added=differences.rows_added,
        rows_removed=differences.rows_removed,
    )


def _pair(request: DiffSnapshots, table: Table) -> Pair:
    metadata = table.metadata
    after = table.current_snapshot() if request.after is None else find_snapshot(table, request.after)
    if after is None:
        raise SnapshotMissing(f"{dotted(table.name())} has no snapshots yet", hint="has a run landed it?")
    parent = after.parent_snapshot_id
    if request.before is not None:
        before = find_snapshot(table, request.before)
    elif parent is not None and (known := metadata.snapshot_by_id(parent)) is not None:
        before = known
    else:
        raise SnapshotMissing(
            f"what was before snapshot {after.snapshot_id} of {dotted(table.name())} has expired, or never was",
            hint="name the first snapshot too",
        )
    return Pair(str(metadata.table_uuid), entry_of(metadata, before), entry_of(metadata, after))


def _columns(fields: Iterable[SchemaField]) -> tuple[TableColumn, ...]:
    return tuple(_column(field) for field in fields)


def _column(field: SchemaField) -> TableColumn:
    return TableColumn(field_id=field.field_id, name=field.name, type=field.type, required=field.required)
