"""Arrow batches as Parquet files under a table's location, in bounded memory; they belong to no snapshot yet.

pyiceberg's own `append(reader)` hands batches to a pool as fast as they come, so that a slow disk fills the memory.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO

from floe_lakehouse.staged import StagedFile

GROUP_BYTES: Final = 16 * 2**20
"""Rows are written once so much of them waits in memory: a row group."""
_LARGEST_GROUP_ROWS: Final = 2**20


def write_files(
    io: FileIO, folder: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, file_size_bytes: int
) -> tuple[StagedFile, ...]:
    """Write `batches` as files into `folder`; none for no rows. What was written is removed when anything fails.

    Args:
        io: writes and removes files.
        folder: the URI of the folder.
        schema: the schema of the batches.
        batches: the rows.
        file_size_bytes: where a file ends and the next one begins, roughly.

    Raises:
        Exception: whatever the batches raise.
    """
    locations: list[str] = []
    written: list[StagedFile] = []
    groups = _groups(batches)
    prefix = uuid.uuid4().hex
    try:
        group = next(groups, None)
        while group is not None:
            location = f"{folder}/{prefix}-{len(locations):05}.parquet"
            locations.append(location)
            rows = 0
            with (
                io.new_output(location).create() as stream,
                pq.ParquetWriter(stream, schema, compression="zstd") as writer,
            ):
                while group is not None and stream.tell() < file_size_bytes:
                    writer.write_table(group, row_group_size=_LARGEST_GROUP_ROWS)
                    rows += group.num_rows
                    group = next(groups, None)
            written.append(StagedFile(location, rows, len(io.new_input(location))))
    except BaseException:
        remove(io, locations)
        raise
    return tuple(written)


def remove(io: FileIO, locations: Iterable[str]) -> None:
    """Remove files that may be gone already."""
    for location in locations:
        with suppress(FileNotFoundError):
            io.delete(location)


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches put together until a row group is worth writing; an empty one is left out."""
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _LARGEST_GROUP_ROWS):
            part = batch.slice(start, _LARGEST_GROUP_ROWS)
            waiting.append(part)
            size += part.nbytes
            if size >= GROUP_BYTES:
                yield pa.Table.from_batches(waiting)
                waiting, size = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)
