"""The backfills, in the bucket `floe_runs` under `backfill.<backfill>`, written by compare-and-set.

One that goes on also has a marker under `backfilling.`, so that finding them does not read the history.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from nats.js.errors import InvalidKeyError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from floe_chassis.key_values import forget, keys_below
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import place_key, run_key
from floe_contracts.subjects import escape
from floe_executor.core.backfills import BackfillRecord
from floe_executor.errors import RunChanged

_BACKFILL: Final = "backfill."
_GOING_ON: Final = "backfilling."


@dataclass(frozen=True, slots=True)
class StoredBackfill:
    """A record and the revision it was read at."""

    record: BackfillRecord
    revision: int

    @property
    def key(self) -> str:
        """As the key of a run."""
        return run_key(self.record.place, self.record.backfill)


class BackfillStore:
    """The backfills of all places."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._open = bucket

    async def add(self, record: BackfillRecord) -> StoredBackfill:
        """Add a backfill, or find it if it is there already, and mark it as going on unless it has ended."""
        key = run_key(record.place, record.backfill)
        bucket = await self._open()
        try:
            stored = StoredBackfill(record, await bucket.create(_BACKFILL + key, record.model_dump_json().encode()))
        except KeyWrongLastSequenceError:
            stored = await self._read(key)
        if stored.record.ended_at is None:
            await bucket.put(_GOING_ON + key, b"")
        return stored

    async def find(self, place: Place, backfill: str) -> StoredBackfill | None:
        """The backfill of that id, if there is one."""
        return await self.find_key(f"{place_key(place)}.{escape(backfill)}")

    async def find_key(self, key: str) -> StoredBackfill | None:
        """The backfill of that key, if there is one."""
        try:
            return await self._read(key)
        except (KeyNotFoundError, InvalidKeyError):
            return None

    async def update(self, stored: StoredBackfill, record: BackfillRecord) -> StoredBackfill:
        """Write the next state of a backfill.

        Raises:
            RunChanged: somebody else wrote it since `stored` was read.
        """
        try:
            bucket = await self._open()
            revision = await bucket.update(
                _BACKFILL + stored.key, record.model_dump_json().encode(), last=stored.revision
            )
        except KeyWrongLastSequenceError as error:
            raise RunChanged(f"backfill {record.backfill} was changed by another worker") from error
        return StoredBackfill(record, revision)

    async def pending(self, place: Place | None = None) -> list[StoredBackfill]:
        """The backfills that go on, the one that was asked for first comes first; of all places, or of one."""
        pattern = f"{_GOING_ON}*.*.*.*" if place is None else f"{_GOING_ON}{place_key(place)}.*"
        markers = await keys_below(await self._open(), pattern)
        found = [await self._read(marker.removeprefix(_GOING_ON)) for marker in markers]
        return sorted(found, key=lambda stored: (stored.record.sequence, stored.record.backfill))

    async def settle(self, stored: StoredBackfill) -> None:
        """Take a backfill whose end is told from those that go on."""
        await forget(await self._open(), _GOING_ON + stored.key)

    async def _read(self, key: str) -> StoredBackfill:
        entry = await (await self._open()).get(_BACKFILL + key)
        return StoredBackfill(
            BackfillRecord.model_validate_json(entry.value or b"", extra="ignore"), entry.revision or 0
        )
