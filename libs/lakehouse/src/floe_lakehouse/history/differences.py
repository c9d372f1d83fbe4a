"""What differs between two snapshots of a table: columns, files, rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from pyiceberg.manifest import ManifestContent, ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from floe_lakehouse.arrow_reads import open_reader
from floe_lakehouse.duckdb_files import DEFAULT_ENGINE, Engine, open_closed
from floe_lakehouse.errors import SnapshotMissing
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.maintenance.reachable import files_of, manifests_of
from floe_lakehouse.snapshots import SchemaField, schema_fields, summary_of
from floe_lakehouse.sql_text import quoted
from floe_lakehouse.table_at_snapshot import schema_at

_COUNT: Final = "floe_times"


@dataclass(frozen=True, slots=True)
class ChangedField:
    """A column, by its field id, that has another name, type or obligation."""

    before: SchemaField
    after: SchemaField


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDifference:
    """What the second snapshot has that the first has not, and the other way round.

    Attributes:
        before: the id of the first.
        after: the id of the second.
        fields_added: columns that only the second has.
        fields_removed: columns that only the first has.
        fields_changed: columns of both that differ.
        rows_before: rows of the first by its own account; None if it does not say.
        rows_after: rows of the second.
        files_added: data files that only the second has.
        files_removed: data files that only the first has.
        rows_in_added_files: rows in the first of these, deleted ones too.
        rows_in_removed_files: rows in the second of these.
        rows_added: rows that only the second has, counted as often as they stand there, in the columns of both; None
            unless they were compared.
        rows_removed: rows that only the first has.
    """

    before: int
    after: int
    fields_added: tuple[SchemaField, ...]
    fields_removed: tuple[SchemaField, ...]
    fields_changed: tuple[ChangedField, ...]
    rows_before: int | None
    rows_after: int | None
    files_added: int
    files_removed: int
    rows_in_added_files: int
    rows_in_removed_files: int
    rows_added: int | None = None
    rows_removed: int | None = None


def diff_snapshots(
    table: Table, before_id: int, after_id: int, *, exact: bool = False, engine: Engine = DEFAULT_ENGINE
) -> SnapshotDifference:
    """Compare two snapshots by their schemas and manifests.

    Args:
        table: the table.
        before_id: the first snapshot.
        after_id: the second; it need not be the later one.
        exact: compare the rows too, which reads both as a whole.
        engine: what comparing may take.

    Raises:
        SnapshotMissing: the table has no such snapshot.
    """
    before, after = _snapshot(table, before_id), _snapshot(table, after_id)
    old, new = ({field.field_id: field for field in _fields(table, one)} for one in (before, after))
    gone, come = _data_files(table, before, after)
    removed, added = _row_differences(table, before, after, engine) if exact else (None, None)
    return SnapshotDifference(
        before=before_id,
        after=after_id,
        fields_added=tuple(field for key, field in new.items() if key not in old),
        fields_removed=tuple(field for key, field in old.items() if key not in new),
        fields_changed=tuple(
            ChangedField(old[key], field) for key, field in new.items() if key in old and old[key] != field
        ),
        rows_before=_rows(before),
        rows_after=_rows(after),
        files_added=len(come),
        files_removed=len(gone),
        rows_in_added_files=sum(come.values()),
        rows_in_removed_files=sum(gone.values()),
        rows_added=added,
        rows_removed=removed,
    )


def _snapshot(table: Table, snapshot_id: int) -> Snapshot:
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise SnapshotMissing(
            f"{dotted(table.name())} has no snapshot {snapshot_id}", hint="it may have expired; name a newer one"
        )
    return snapshot


def _fields(table: Table, snapshot: Snapshot) -> tuple[SchemaField, ...]:
    return schema_fields(schema_at(table.metadata, snapshot))


def _rows(snapshot: Snapshot) -> int | None:
    told = summary_of(snapshot).get("total-records")
    return int(told) if told is not None else None


def _data_files(table: Table, before: Snapshot, after: Snapshot) -> tuple[dict[str, int], dict[str, int]]:
    """The data files that only one of the snapshots has, with their rows. Manifests that both have are not read."""
    manifests = [{one.manifest_path: one for one in manifests_of(table.io, [snapshot])} for snapshot in (before, after)]
    old, new = manifests
    gone = _rows_of(table, (manifest for path, manifest in old.items() if path not in new))
    come = _rows_of(table, (manifest for path, manifest in new.items() if path not in old))
    return (
        {path: rows for path, rows in gone.items() if path not in come},
        {path: rows for path, rows in come.items() if path not in gone},
    )


def _rows_of(table: Table, manifests: Iterable[ManifestFile]) -> dict[str, int]:
    wanted = (one for one in manifests if one.content == ManifestContent.DATA)
    return {file.path: file.rows or 0 for _, files in files_of(table.io, wanted) for file in files}


def _row_differences(table: Table, before: Snapshot, after: Snapshot, engine: Engine) -> tuple[int, int]:
    """How many rows only the first has, and how many only the second, in the columns of both."""
    old, new = ({field.field_id: field.name for field in _fields(table, one)} for one in (before, after))
    both = [key for key in new if key in old]
    if not both:
        return _rows(before) or 0, _rows(after) or 0
    with open_closed((), engine) as connection:
        sides = []
        for snapshot, names, times in ((before, old, -1), (after, new, 1)):
            reader: pa.RecordBatchReader = open_reader(
                table, columns=tuple(names[key] for key in both), snapshot_id=snapshot.snapshot_id
            )
            connection.register(f"side_{snapshot.snapshot_id}_{'after' if times > 0 else 'before'}", reader)
            named = ", ".join(f"{quoted(names[key])} AS {quoted(f'column_{key}')}" for key in both)
            relation = f"side_{snapshot.snapshot_id}_{'after' if times > 0 else 'before'}"
            sides.append(f"SELECT {named}, {times} AS {_COUNT} FROM {relation}")  # noqa: S608 - names are quoted
        grouped = f"SELECT sum({_COUNT}) AS times FROM ({' UNION ALL '.join(sides)}) GROUP BY ALL"  # noqa: S608
        found = connection.execute(
            "SELECT coalesce(-sum(times) FILTER (WHERE times < 0), 0), "  # noqa: S608 - as above
            f"coalesce(sum(times) FILTER (WHERE times > 0), 0) FROM ({grouped})"
        ).fetchall()
    return int(found[0][0]), int(found[0][1])
