"""What a table is, and which snapshots it has."""

from __future__ import annotations

from pyiceberg.table import Table

from floe_catalog.adapters.shown_tables import shown_schema
from floe_catalog.adapters.table_states import TableStates
from floe_catalog.requests.lake import FoundTable, Lake
from floe_catalog.requests.snapshot_entries import current_entry, snapshot_entry
from floe_chassis.answers import Asked
from floe_contracts.catalog_requests import DescribeTable, ListSnapshots, SnapshotList, TableDescription
from floe_contracts.table_states import TableState
from floe_lakehouse.history.past_snapshots import snapshots_of


async def describe_table(lake: Lake, states: TableStates, asked: Asked[DescribeTable]) -> TableDescription:
    """All that is known of a table without reading its data."""
    found = await lake.asked_table(asked)
    state = await states.find(found.place, found.identifier)
    return await lake.look(found, lambda table: _description(found, table, state))


async def list_snapshots(lake: Lake, asked: Asked[ListSnapshots]) -> SnapshotList:
    """The snapshots of a table, the newest first."""
    found = await lake.asked_table(asked)

    def listed(table: Table) -> SnapshotList:
        snapshots = snapshots_of(table)
        return SnapshotList(
            identifier=found.identifier,
            current_snapshot_id=table.metadata.current_snapshot_id,
            total=len(snapshots),
            snapshots=tuple(snapshot_entry(one) for one in snapshots[: asked.request.limit]),
        )

    return await lake.look(found, listed)


def _description(found: FoundTable, table: Table, state: TableState | None) -> TableDescription:
    metadata = table.metadata
    return TableDescription(
        identifier=found.identifier,
        product=found.place.product,
        table_uuid=str(metadata.table_uuid),
        location=table.location(),
        format_version=metadata.format_version,
        table_schema=shown_schema(metadata),
        properties=dict(metadata.properties),
        snapshot=current_entry(table),
        snapshots=len(metadata.snapshots),
        drift=state.drift if state else (),
        commits_since_maintenance=state.commits_since_maintenance if state else 0,
        maintained_at=state.maintained_at if state else None,
        maintenance=found.product.environment.maintenance,
    )
