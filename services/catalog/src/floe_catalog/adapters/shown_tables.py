"""A table of pyiceberg as the service's core sees it."""

from __future__ import annotations

from datetime import UTC, datetime

from pyiceberg.partitioning import PartitionField
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.transforms import IdentityTransform, VoidTransform

from floe_catalog.core.ports import ShownSnapshot, ShownTable
from floe_contracts.events import TableColumn, TableSchema
from floe_lakehouse.pasts import why_not_ours
from floe_lakehouse.snapshots import ARTIFACT_DIGEST, MAINTENANCE, RUN_ID, schema_fields, summary_of


def shown(identifier: str, table: Table) -> ShownTable:
    """What a table shows of itself; reads nothing beside its metadata."""
    metadata = table.metadata
    current = table.current_snapshot()
    return ShownTable(
        identifier=identifier,
        table_uuid=str(metadata.table_uuid),
        location=table.location(),
        metadata_location=table.metadata_location,
        schema=shown_schema(metadata),
        snapshot_id=current.snapshot_id if current else None,
        snapshots={snapshot.snapshot_id: _shown_snapshot(snapshot) for snapshot in metadata.snapshots},
        log=tuple(entry.snapshot_id for entry in metadata.snapshot_log),
        forgets=why_not_ours(table.catalog) is not None,
    )


def shown_schema(metadata: TableMetadata) -> TableSchema:
    """The current columns and partition fields."""
    schema = metadata.schema()
    return TableSchema(
        schema_id=schema.schema_id,
        columns=tuple(
            TableColumn(field_id=field.field_id, name=field.name, type=field.type, required=field.required)
            for field in schema_fields(schema)
        ),
        partition_by=tuple(
            _spelled(field, schema)
            for field in metadata.spec().fields
            if not isinstance(field.transform, VoidTransform)
        ),
    )


def _spelled(field: PartitionField, schema: Schema) -> str:
    """As projects declare it: `region`, `day(ordered_at)`, `bucket[16](id)`."""
    column = schema.find_column_name(field.source_id) or field.name
    return column if isinstance(field.transform, IdentityTransform) else f"{field.transform}({column})"


def _shown_snapshot(snapshot: Snapshot) -> ShownSnapshot:
    told = summary_of(snapshot)
    return ShownSnapshot(
        snapshot_id=snapshot.snapshot_id,
        parent_snapshot_id=snapshot.parent_snapshot_id,
        sequence_number=snapshot.sequence_number or 0,
        operation=snapshot.summary.operation.value if snapshot.summary else "",
        rows=int(told.get("total-records", 0)),
        files=int(told.get("total-data-files", 0)),
        bytes=int(told.get("total-files-size", 0)),
        delete_files=int(told.get("total-delete-files", 0)),
        run_id=told.get(RUN_ID),
        artifact_digest=told.get(ARTIFACT_DIGEST),
        committed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        maintenance=MAINTENANCE in told,
    )
