"""Iceberg tables as Arrow, one file after another, in bounded memory.

pyiceberg's own `to_arrow_batch_reader` asks for all files at once and keeps each as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import ArrowScan, _read_all_delete_files, schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.metadata import TableMetadata

from floe_lakehouse.errors import SnapshotMissing
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.table_at_snapshot import metadata_at

EVERYTHING = AlwaysTrue()


def open_reader(
    table: Table,
    *,
    columns: tuple[str, ...] = (),
    row_filter: BooleanExpression = EVERYTHING,
    snapshot_id: int | None = None,
) -> pa.RecordBatchReader:
    """The rows of a table, in batches that are read as they are asked for.

    Args:
        table: the table.
        columns: only these; none for all.
        row_filter: only the rows of which this holds.
        snapshot_id: as they were then; None for now.

    Raises:
        SnapshotMissing: the table has no such snapshot.
        ValueError: the filter or the columns name something that the table does not have.
    """
    metadata = table.metadata
    if snapshot_id is not None:
        snapshot = metadata.snapshot_by_id(snapshot_id)
        if snapshot is None:
            raise SnapshotMissing(
                f"{dotted(table.name())} has no snapshot {snapshot_id}", hint="it may have expired; name a newer one"
            )
        metadata = metadata_at(metadata, snapshot)
    scan = table.scan(row_filter, selected_fields=columns or ("*",), snapshot_id=snapshot_id)
    scan = scan.update(table_metadata=metadata)
    projected = scan.projection()
    schema = schema_to_pyarrow(projected, include_field_ids=False)
    batches = _batches(table.io, metadata, projected, row_filter, scan.plan_files())
    return pa.RecordBatchReader.from_batches(schema, (_as(batch, schema) for batch in batches))


def rows_of(table: Table, task: FileScanTask, columns: tuple[str, ...] = ()) -> pa.RecordBatchReader:
    """The rows of one data file that are still there, in the table's current schema; only some columns, if named."""
    projected = table.schema().select(*columns) if columns else table.schema()
    schema = schema_to_pyarrow(projected, include_field_ids=False)
    batches = _batches(table.io, table.metadata, projected, EVERYTHING, [task])
    return pa.RecordBatchReader.from_batches(schema, (_as(batch, schema) for batch in batches))


def _batches(
    io: FileIO,
    metadata: TableMetadata,
    projected: Schema,
    row_filter: BooleanExpression,
    tasks: Iterable[FileScanTask],
) -> Iterator[pa.RecordBatch]:
    scan = ArrowScan(metadata, io, projected, row_filter)
    for task in tasks:
        yield from scan._record_batches_from_scan_tasks_and_deletes(  # noqa: SLF001 -- the public way keeps all files
            [task], _read_all_delete_files(io, [task])
        )


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """One file says string where another says large_string."""
    return batch if batch.schema.equals(schema) else batch.cast(schema)
