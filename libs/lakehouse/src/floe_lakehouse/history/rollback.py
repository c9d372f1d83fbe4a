"""A table back at a snapshot that it once stood at: its rows, and its columns with them.

Iceberg moves the name of the main branch and nothing else. The table would keep the schema and the name mapping of now,
under which older files read as null, or not at all; so those go back in the same commit. What was committed since stays
readable by its id until it expires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pyiceberg.catalog import Catalog
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, TableProperties
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Snapshot, ancestors_of
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER_ID
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    AssertTableUUID,
    SetCurrentSchemaUpdate,
    SetDefaultSortOrderUpdate,
    SetDefaultSpecUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
)

from floe_lakehouse.errors import RollbackRefused, SnapshotMissing
from floe_lakehouse.history.reference_commits import ReferenceChange, change_references
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.maintenance.rewrite_commits import load
from floe_lakehouse.pasts import why_not_ours
from floe_lakehouse.snapshots import summary_of
from floe_lakehouse.table_at_snapshot import name_mapping_at, schema_at


def rollback_table(
    catalog: Catalog,
    identifier: Identifier,
    snapshot_id: int,
    *,
    expected_snapshot_id: int | None = None,
    fence: Callable[[], None],
    dry_run: bool = False,
) -> MaintenanceReport:
    """Make a former snapshot the current one, in one commit.

    May be repeated: a table that stands there already is left alone. A rollback can be undone by another, forward, to
    the snapshot at which the table stood.

    Args:
        catalog: the catalog.
        identifier: the table.
        snapshot_id: the snapshot. It was once the table's current one: on another branch it never was the table.
        expected_snapshot_id: the current snapshot that the caller has seen; None for whatever is found first.
        fence: raises when the lease is no longer ours; called before every try to commit.
        dry_run: change nothing, and say what would be.

    Returns:
        The report; `unsupported` where the catalog shows the current snapshot only.

    Raises:
        SnapshotMissing: the table has no such snapshot.
        RollbackRefused: it was never the current one, or the table has changed since the caller looked.
        MaintenanceConflict: others changed something else of the table first, time after time.
        TableMissing: there is no such table.
        CatalogUnreachable: the catalog does not answer; the commit may have arrived.
    """
    if reason := why_not_ours(catalog):
        return MaintenanceReport(action="rollback", outcome="unsupported", reason=reason, dry_run=dry_run)
    expected = expected_snapshot_id

    def decide(table: Table) -> ReferenceChange | None:
        nonlocal expected
        target = _target(table, snapshot_id)
        current = table.metadata.current_snapshot_id
        if current == snapshot_id:
            return None
        expected = current if expected is None else expected
        if current != expected:
            raise RollbackRefused(
                f"{dotted(identifier)} stands at snapshot {current}, not at {expected} any more",
                hint="look at its snapshots again: what was committed meanwhile would be gone",
            )
        return ReferenceChange(
            (
                AssertTableUUID(uuid=table.metadata.table_uuid),
                AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=current),
            ),
            tuple(_updates(table.metadata, target)),
        )

    if dry_run:
        table = load(catalog, identifier)
        return _report(table, snapshot_id, changed=decide(table) is not None, dry_run=True)
    table, changed = change_references(catalog, identifier, decide, fence=fence)
    return _report(table, snapshot_id, changed=changed)


def was_current(metadata: TableMetadata, snapshot_id: int) -> bool:
    """Whether a snapshot is, or once was, the table's current one, as far as the table knows."""
    return any(entry.snapshot_id == snapshot_id for entry in metadata.snapshot_log) or any(
        one.snapshot_id == snapshot_id for one in ancestors_of(metadata.current_snapshot(), metadata)
    )


def _target(table: Table, snapshot_id: int) -> Snapshot:
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise SnapshotMissing(
            f"{dotted(table.name())} has no snapshot {snapshot_id}", hint="it may have expired; name a newer one"
        )
    if not was_current(table.metadata, snapshot_id):
        raise RollbackRefused(
            f"{dotted(table.name())} never stood at snapshot {snapshot_id}: it belongs to a branch",
            hint="name a snapshot of the main branch",
        )
    return snapshot


def _updates(metadata: TableMetadata, target: Snapshot) -> Iterator[TableUpdate]:
    schema = schema_at(metadata, target)
    if schema.schema_id != metadata.current_schema_id:
        yield SetCurrentSchemaUpdate(schema_id=schema.schema_id)
        spec = _fitting_spec(metadata, schema)
        if spec.spec_id != metadata.default_spec_id:
            yield SetDefaultSpecUpdate(spec_id=spec.spec_id)
        fields = set(schema.field_ids)
        if not {field.source_id for field in metadata.sort_order().fields} <= fields:
            yield SetDefaultSortOrderUpdate(sort_order_id=UNSORTED_SORT_ORDER_ID)
        if metadata.name_mapping() is not None:
            mapping = name_mapping_at(metadata, schema).model_dump_json()
            yield SetPropertiesUpdate(updates={TableProperties.DEFAULT_NAME_MAPPING: mapping})
    main = metadata.refs.get(MAIN_BRANCH)
    yield SetSnapshotRefUpdate(
        ref_name=MAIN_BRANCH,
        type=SnapshotRefType.BRANCH,
        snapshot_id=target.snapshot_id,
        max_ref_age_ms=main.max_ref_age_ms if main else None,
        max_snapshot_age_ms=main.max_snapshot_age_ms if main else None,
        min_snapshots_to_keep=main.min_snapshots_to_keep if main else None,
    )


def _fitting_spec(metadata: TableMetadata, schema: Schema) -> PartitionSpec:
    """The table's partition fields, if the schema has their columns; else the newest that it has."""
    fields = set(schema.field_ids)
    newest_first = sorted(metadata.partition_specs, key=lambda spec: -spec.spec_id)
    fitting = (
        spec for spec in (metadata.spec(), *newest_first) if {field.source_id for field in spec.fields} <= fields
    )
    return next(fitting, metadata.spec())


def _report(table: Table, snapshot_id: int, *, changed: bool, dry_run: bool = False) -> MaintenanceReport:
    before = summary_of(table.current_snapshot())
    after = summary_of(table.metadata.snapshot_by_id(snapshot_id))
    return MaintenanceReport(
        action="rollback",
        outcome="done" if changed else "nothing_to_do",
        reason=None if changed else "the table stands at this snapshot",
        dry_run=dry_run,
        snapshot_before=table.metadata.current_snapshot_id,
        snapshot_after=snapshot_id,
        files_before=int(before.get("total-data-files", 0)),
        files_after=int(after.get("total-data-files", 0)),
        bytes_before=int(before.get("total-files-size", 0)),
        bytes_after=int(after.get("total-files-size", 0)),
    )
