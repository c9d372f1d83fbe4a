"""The records of runs in the bucket `floe_runs`, written by compare-and-set.

Beside the records, whose keys have four parts, the bucket has under keys of five: `pending.<run>` for a run that has
not ended or whose end is not told, so that finding work does not read the history; `cancel.<run>`, which asks for its
end; `backfill.<backfill>` while it goes on; and `partitions.<place>.<set>`, the keys of dynamic partitions.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from nats.js.errors import InvalidKeyError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from floe_chassis.key_values import entries_below, forget
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import RunRecord, place_key, run_key
from floe_contracts.subjects import escape
from floe_executor.core.queueing import Order, order
from floe_executor.errors import RunChanged

_PENDING: Final = "pending."
_PARTITIONS: Final = "partitions."
_FIRST: Final[Order] = (0, 0, "", "")


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A record and the revision it was read at."""

    record: RunRecord
    revision: int


@dataclass(frozen=True, slots=True)
class PendingRun:
    """A run that has not ended, or whose end is not told: its key, its place's key, its order among the others."""

    key: str
    place: str
    order: Order


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
            await bucket.put(_PENDING + key, json.dumps(order(stored.record)).encode())
        return stored

    async def read(self, key: str) -> StoredRun:
        """Read the run of that key."""
        entry = await (await self._open()).get(key)
        return StoredRun(RunRecord.model_validate_json(entry.value or b"", extra="ignore"), entry.revision or 0)

    async def find(self, place: Place, run_id: str) -> StoredRun | None:
        """A run of a place, if there is one of that id."""
        return await self.find_key(f"{place_key(place)}.{escape(run_id)}") if run_id else None

    async def find_key(self, key: str) -> StoredRun | None:
        """The run of that key, if there is one."""
        try:
            return await self.read(key)
        except (KeyNotFoundError, InvalidKeyError):
            return None

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

    async def waiting(self, place: Place | None = None) -> list[PendingRun]:
        """What has not ended or is not told, in the order of each place; of all places, or of one."""
        pattern = f"{_PENDING}*.*.*.*" if place is None else f"{_PENDING}{place_key(place)}.*"
        found = []
        for entry in await entries_below(await self._open(), pattern):
            key = entry.key.removeprefix(_PENDING)
            found.append(PendingRun(key, key.rpartition(".")[0], _order(entry.value)))
        return sorted(found, key=lambda run: (run.order, run.key))

    async def read_pending(self, run: PendingRun) -> StoredRun | None:
        """The record of a pending run; None if it has none, and then it is pending no more."""
        try:
            return await self.read(run.key)
        except KeyNotFoundError:
            await forget(await self._open(), _PENDING + run.key)
            return None

    async def pending(self, place: Place | None = None) -> AsyncIterator[StoredRun]:
        """The runs that have not ended or whose end is not told yet, in the order of each place."""
        for run in await self.waiting(place):
            if (stored := await self.read_pending(run)) is not None:
                yield stored

    async def is_pending(self, record: RunRecord) -> bool:
        """Whether the run has not ended, or its end may not be told yet."""
        try:
            await (await self._open()).get(_PENDING + run_key(record.place, record.run_id))
        except KeyNotFoundError:
            return False
        return True

    async def settle(self, record: RunRecord) -> None:
        """Take a run whose end is told from the pending ones."""
        await forget(await self._open(), _PENDING + run_key(record.place, record.run_id))

    async def partitions(self, place: Place, name: str) -> tuple[str, ...]:
        """The keys of a set of dynamic partitions, sorted."""
        try:
            entry = await (await self._open()).get(_set_key(place, name))
        except KeyNotFoundError:
            return ()
        return tuple(json.loads(entry.value or b"[]"))

    async def add_partition(self, place: Place, name: str, key: str) -> None:
        """Add a key to a set of dynamic partitions, once.

        Raises:
            RunChanged: others write the set faster than it can be read.
        """
        bucket = await self._open()
        for _ in range(8):
            try:
                entry = await bucket.get(_set_key(place, name))
                keys, revision = json.loads(entry.value or b"[]"), entry.revision
            except KeyNotFoundError:
                keys, revision = [], 0
            if key in keys:
                return
            content = json.dumps(sorted([*keys, key])).encode()
            try:
                await bucket.update(_set_key(place, name), content, last=revision)
            except KeyWrongLastSequenceError:
                continue
            return
        raise RunChanged(f"the partitions {name} of {place} change faster than they can be written")


def _order(content: bytes | None) -> Order:
    try:
        sequence, position, requested_at, run = json.loads(content or b"")
    except ValueError:  # an earlier version of floe wrote no order
        return _FIRST
    return (sequence, position, requested_at, run)


def _set_key(place: Place, name: str) -> str:
    return f"{_PARTITIONS}{place_key(place)}.{escape(name)}"
