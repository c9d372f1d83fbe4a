"""Data files of a table in which some rows go: the others are written again, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from floe_lakehouse import locations
from floe_lakehouse.arrow_files import remove, write_files
from floe_lakehouse.arrow_matching import Matching
from floe_lakehouse.arrow_reads import rows_of
from floe_lakehouse.arrow_schemas import landed_batch, landed_schema
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.staged import StagedFile


def rewritten(
    table: Table, matching: Matching, *, file_size_bytes: int
) -> tuple[list[DataFile], tuple[StagedFile, ...]]:
    """The files that hold rows which go, and new files with those of their rows that stay.

    A file is read twice where only a part of it goes, first the columns that decide. One that holds no such row is left
    alone. What was written is removed when anything fails.
    """
    schema = table.schema()
    columns = matching.columns(schema)
    if columns is None:
        return [], ()
    gone: list[DataFile] = []
    written: list[StagedFile] = []
    try:
        for task in table.scan(matching.row_filter()).plan_files():
            before = after = 0
            for rows in _tables(rows_of(table, task, columns)):
                before += rows.num_rows
                after += matching.kept(rows, schema).num_rows
            if after < before:
                gone.append(task.file)
            if 0 < after < before:
                written += _rest(table, task, matching, file_size_bytes)
    except BaseException:
        remove(table.io, [file.location for file in written])
        raise
    return gone, tuple(written)


def _rest(table: Table, task: FileScanTask, matching: Matching, file_size_bytes: int) -> tuple[StagedFile, ...]:
    reader = rows_of(table, task)
    arrow = landed_schema(dotted(table.name()), reader.schema)
    batches = (
        landed_batch(batch, arrow)
        for rows in _tables(reader)
        for batch in matching.kept(rows, table.schema()).to_batches()
    )
    folder = locations.data_folder(table.location())
    return write_files(table.io, folder, arrow, batches, file_size_bytes=file_size_bytes)


def _tables(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    return (pa.Table.from_batches([batch]) for batch in reader)
