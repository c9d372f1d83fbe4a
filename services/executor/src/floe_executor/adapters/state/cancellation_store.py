"""Who asked for the end of which run, in the bucket `floe_runs` under `cancel.<run>`: a mark beside the record.

A record is written by the worker of its run alone; a mark does not disturb that. The mark of a run that nobody knows
yet waits for it, as long as its request may be on its way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from floe_chassis.key_values import forget, keys_below
from floe_contracts.events import CancellationRequested
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import RunRecord, place_key, run_key
from floe_contracts.subjects import escape

_CANCEL: Final = "cancel."
_KEPT_SECONDS: Final = 30 * 24 * 3600.0
"""As long as FLOE_RUNS keeps requests."""


class CancellationStore:
    """The marks of all places."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._open = bucket

    async def add(self, request: CancellationRequested) -> None:
        """Mark a run or a backfill; the first one who asked for it stays the one."""
        place = Place(request.tenant, request.environment, request.product)
        key = f"{_CANCEL}{place_key(place)}.{escape(request.run_id)}"
        try:
            await (await self._open()).create(key, request.model_dump_json().encode(), msg_ttl=_KEPT_SECONDS)
        except KeyWrongLastSequenceError:
            return

    async def find(self, record: RunRecord) -> CancellationRequested | None:
        """The mark of a run, or of the backfill that it is a part of."""
        found = await self.read(run_key(record.place, record.run_id))
        if found is None and record.backfill is not None:
            found = await self.read(run_key(record.place, record.backfill))
        return found

    async def read(self, key: str) -> CancellationRequested | None:
        """The mark of the run or backfill of that key."""
        try:
            entry = await (await self._open()).get(_CANCEL + key)
        except KeyNotFoundError:
            return None
        return CancellationRequested.model_validate_json(entry.value or b"", extra="ignore")

    async def keys(self) -> frozenset[str]:
        """The keys of all runs and backfills that are marked."""
        marked = await keys_below(await self._open(), f"{_CANCEL}*.*.*.*")
        return frozenset(key.removeprefix(_CANCEL) for key in marked)

    async def remove(self, key: str) -> None:
        """Forget the mark of a run or backfill that has ended."""
        await forget(await self._open(), _CANCEL + key)
