"""The rows of a table as they were at a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression
from pyiceberg.expressions.parser import parse
from pyiceberg.table import Table
from pyparsing import ParseBaseException

from floe_lakehouse.arrow_reads import EVERYTHING, open_reader
from floe_lakehouse.errors import RowFilterInvalid
from floe_lakehouse.identifiers import dotted


def read_at(
    table: Table,
    snapshot_id: int | None = None,
    *,
    columns: tuple[str, ...] = (),
    row_filter: BooleanExpression | str | None = None,
    limit: int | None = None,
) -> pa.RecordBatchReader:
    """The rows of a table, with the columns that it had then, in batches that are read as they are asked for.

    Rows that were deleted by then are left out, whether their files were rewritten or not.

    Args:
        table: the table.
        snapshot_id: as they were at this snapshot; None for now.
        columns: only these; none for all.
        row_filter: only the rows of which this holds, an expression or a text (`amount > 10 and day = '2026-01-31'`).
        limit: at most so many rows, whichever come first; None for all.

    Raises:
        SnapshotMissing: the table has no such snapshot.
        RowFilterInvalid: the filter cannot be read, or it or the columns name what the snapshot does not have.
    """
    try:
        condition = parse(row_filter) if isinstance(row_filter, str) else row_filter or EVERYTHING
        reader = open_reader(table, columns=columns, row_filter=condition, snapshot_id=snapshot_id)
    except (ParseBaseException, ValueError, TypeError) as error:
        raise RowFilterInvalid(
            f"{dotted(table.name())} cannot be read so: {error}",
            hint="name columns that the snapshot has, and compare them with values of their types",
        ) from error
    return reader if limit is None else pa.RecordBatchReader.from_batches(reader.schema, _first(reader, limit))


def _first(reader: pa.RecordBatchReader, limit: int) -> Iterator[pa.RecordBatch]:
    left = limit
    while left > 0 and (batch := next(reader, None)) is not None:
        yield batch.slice(0, left)
        left -= len(batch)
