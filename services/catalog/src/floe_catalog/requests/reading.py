"""The rows of a table, as they are or as they were."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import pyarrow as pa
from pyiceberg.table import Table

from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.requests.lake import FoundTable, Lake
from floe_catalog.requests.row_forms import row_form
from floe_catalog.requests.snapshot_entries import entry_of
from floe_chassis.answers import Asked
from floe_contracts.catalog_requests import ReadTable, SnapshotEntry, TableRows
from floe_lakehouse.history.past_snapshots import find_snapshot
from floe_lakehouse.history.reading import read_at

_READERS: Final = 2
"""Tables that are read at the same time: a batch of each is held in memory."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be read."""

    table_uuid: str
    snapshot: SnapshotEntry


class RowReader:
    """Reads rows for whoever asks; the snapshot that is read does not expire meanwhile."""

    def __init__(self, lake: Lake, pins: SnapshotPins) -> None:
        self._lake = lake
        self._pins = pins
        self._turns = asyncio.Semaphore(_READERS)

    async def read_table(self, asked: Asked[ReadTable]) -> TableRows:
        """Send the rows as data, and say what was sent.

        Raises:
            FloeError: what finding the table or the snapshot raises, and what reading it does.
        """
        found = await self._lake.asked_table(asked)
        chosen = await self._lake.look(found, partial(_chosen, asked.request))
        if chosen is None:
            return await self._without_rows(found, asked)
        async with self._turns, self._pins.hold(chosen.table_uuid, chosen.snapshot.snapshot_id):
            limit = asked.request.limit
            reader = await self._lake.look(
                found,
                lambda table: read_at(
                    table,
                    chosen.snapshot.snapshot_id,
                    columns=asked.request.columns,
                    row_filter=asked.request.where,
                    limit=None if limit is None else limit + 1,
                ),
            )
            try:
                rows, complete = await _send(reader, asked)
            finally:
                await asyncio.to_thread(reader.close)
        return TableRows(
            identifier=found.identifier,
            snapshot=chosen.snapshot,
            columns=tuple(reader.schema.names),
            rows=rows,
            complete=complete,
        )

    async def _without_rows(self, found: FoundTable, asked: Asked[ReadTable]) -> TableRows:
        """A table that nothing was ever written to."""
        schema = await self._lake.look(found, lambda table: table.schema().as_arrow())
        if asked.request.columns:
            schema = pa.schema([field for field in schema if field.name in asked.request.columns])
        await _send(pa.RecordBatchReader.from_batches(schema, []), asked)
        return TableRows(identifier=found.identifier, columns=tuple(schema.names), rows=0, complete=True)


def _chosen(request: ReadTable, table: Table) -> Chosen | None:
    snapshot = table.current_snapshot() if request.at is None else find_snapshot(table, request.at)
    if snapshot is None:
        return None
    return Chosen(str(table.metadata.table_uuid), entry_of(table.metadata, snapshot))


async def _send(reader: pa.RecordBatchReader, asked: Asked[ReadTable]) -> tuple[int, bool]:
    """Send what a reader gives, up to the limit: how many rows that were, and whether they are all."""
    form = row_form(asked.request.form, reader.schema)
    batches: Iterator[pa.RecordBatch] = iter(reader)
    left, sent = asked.request.limit, 0
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        taken = batch if left is None else batch.slice(0, left)
        if taken.num_rows:
            await asked.data(await asyncio.to_thread(form.take, taken))
        sent += taken.num_rows
        if left is not None:
            left -= taken.num_rows
            if taken.num_rows < batch.num_rows:
                break
    if end := form.end():
        await asked.data(end)
    return sent, batch is None
