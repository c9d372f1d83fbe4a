"""The records of runs in the bucket `floe_runs`, written by compare-and-set.

A run that has not ended also has a marker under `pending.`, so that finding work does not read the history.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from floe_chassis.key_values import keys_below
from floe_contracts.runs import RunRecord, run_key
from floe_executor.errors import RunChanged

_PENDING: Final = "pending."


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A record and the revision it was read at."""

    record: RunRecord
    revision: int


class RunStore:
    """The runs of all places."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._open = bucket

    async def add(self, record: RunRecord) -> StoredRun:
        """Add a run, or find it if it is there already, and mark it as pending unless it has ended."""
        key = run_key(record.place, record.run_id)
        bucket = await self._open()
        try:
            revision = await bucket.create(key, record.model_dump_json().encode())
            stored = StoredRun(record, revision)
        except KeyWrongLastSequenceError:
            stored = await self.read(key)
        if not stored.record.status.terminal:
            await bucket.put(_PENDING + key, b"")
        return stored

    async def read(self, key: str) -> StoredRun:
        """Read the run of that key."""
        entry = await (await self._open()).get(key)
        return StoredRun(RunRecord.model_validate_json(entry.value or b"", extra="ignore"), entry.revision or 0)

    async def update(self, stored: StoredRun, record: RunRecord) -> StoredRun:
        """Write the next state of a run.

        Raises:
            RunChanged: somebody else wrote it since `stored` was read.
        """
        key = run_key(record.place, record.run_id)
        try:
            bucket = await self._open()
            revision = await bucket.update(key, record.model_dump_json().encode(), last=stored.revision)
        except KeyWrongLastSequenceError as error:
            if (now := await self.read(key)).record == record:
                return now
            raise RunChanged(f"run {record.run_id} was changed by another worker") from error
        return StoredRun(record, revision)

    async def pending(self) -> AsyncIterator[StoredRun]:
        """The runs that have not ended or whose end is not told yet, oldest request first."""
        bucket = await self._open()
        found = []
        for marker in await keys_below(bucket, f"{_PENDING}>"):
            try:
                found.append(await self.read(marker.removeprefix(_PENDING)))
            except KeyNotFoundError:
                await bucket.purge(marker)
        for stored in sorted(found, key=lambda run: (run.record.requested_at, run.record.run_id)):
            yield stored

    async def settle(self, record: RunRecord) -> None:
        """Take a run whose end is told from the pending ones."""
        await (await self._open()).purge(_PENDING + run_key(record.place, record.run_id))
