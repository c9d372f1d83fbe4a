"""Snapshots as answers tell of them."""

from __future__ import annotations

from datetime import UTC, datetime

from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot

from floe_contracts.catalog_requests import SnapshotEntry
from floe_lakehouse.history.past_snapshots import PastSnapshot, past_snapshot

_MILLISECONDS = 1000


def snapshot_entry(past: PastSnapshot) -> SnapshotEntry:
    """One snapshot of a table. What the table does not say of it is not known; nothing is counted for it."""
    committed_at = datetime.fromtimestamp(past.committed_at_ms / _MILLISECONDS, UTC)
    return SnapshotEntry(
        snapshot_id=past.snapshot_id,
        parent_snapshot_id=past.parent_snapshot_id,
        committed_at=committed_at.isoformat(timespec="milliseconds"),
        operation=past.operation or "",
        rows=past.rows,
        files=past.files,
        bytes=past.size_bytes,
        run_id=past.run_id,
        artifact_digest=past.artifact_digest,
        maintenance=past.maintenance is not None,
        tags=past.tags,
        branches=past.branches,
    )


def entry_of(metadata: TableMetadata, snapshot: Snapshot) -> SnapshotEntry:
    """One snapshot of a table."""
    return snapshot_entry(past_snapshot(metadata, snapshot))


def current_entry(table: Table) -> SnapshotEntry | None:
    """The current snapshot of a table, if it has one."""
    current = table.current_snapshot()
    return None if current is None else entry_of(table.metadata, current)
