"""Who reads which snapshot, in the bucket `floe_snapshot_pins`: expiry leaves these snapshots alone.

A pin is a key `<table uuid>.<snapshot>.<holder>`. The bucket forgets what is not renewed, so a holder that died holds
nothing for long.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from nats.errors import Error as NatsError
from nats.js.kv import KeyValue

from floe_chassis.key_values import entries_below, forget
from floe_contracts.errors import Unreachable
from floe_contracts.subjects import escape

_RENEWALS: Final = 4
_LONGEST_PAUSE_SECONDS: Final = 60.0

_log = structlog.get_logger("floe.catalog.pins")


class SnapshotPins:
    """The pins of all tables."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._open = bucket

    @asynccontextmanager
    async def hold(
        self, table_uuid: str, snapshot_id: int, *, holder: str | None = None, note: str = ""
    ) -> AsyncIterator[None]:
        """Keep a snapshot from expiring while the block runs.

        Pin first, then load the table, and see whether it has the snapshot still: a pin of what is gone brings nothing
        back.

        Args:
            table_uuid: the table's identity.
            snapshot_id: the snapshot.
            holder: who holds it; left out, a name that nobody else has.
            note: what a holder of the same name is to find, should this one not come to its end; the pin then stays
                until the bucket forgets it.

        Raises:
            Unreachable: the bus does not answer.
        """
        key = f"{_below(table_uuid)}.{snapshot_id}.{escape(holder or uuid.uuid4().hex)}"
        bucket = await self._open()
        content = note.encode()
        await _put(bucket, key, content)
        renewing = asyncio.create_task(_renew(bucket, key, content), name=f"pin {key}")
        ended = False
        try:
            yield
            ended = True
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            if ended or not note:
                with suppress(NatsError, OSError, TimeoutError):  # it ends by itself
                    await forget(bucket, key)

    async def renew(self, table_uuid: str, snapshot_id: int, *, holder: str) -> None:
        """Keep a snapshot from expiring until the bucket forgets it, unless it is renewed before.

        Raises:
            Unreachable: the bus does not answer.
        """
        await _put(await self._open(), f"{_below(table_uuid)}.{snapshot_id}.{escape(holder)}", b"")

    async def pinned(self, table_uuid: str) -> frozenset[int]:
        """The snapshots of a table that somebody holds.

        Raises:
            Unreachable: the bus does not answer.
        """
        entries = await entries_below(await self._open(), f"{_below(table_uuid)}.*.*")
        return frozenset(_snapshot(entry.key) for entry in entries)

    async def notes(self, table_uuid: str, holder: str) -> Mapping[int, str]:
        """What holders of this name have noted: snapshot -> note.

        Raises:
            Unreachable: the bus does not answer.
        """
        entries = await entries_below(await self._open(), f"{_below(table_uuid)}.*.{escape(holder)}")
        return {_snapshot(entry.key): (entry.value or b"").decode() for entry in entries}


def _below(table_uuid: str) -> str:
    return escape(table_uuid)


def _snapshot(key: str) -> int:
    return int(key.split(".")[1])


async def _put(bucket: KeyValue, key: str, content: bytes) -> None:
    try:
        await bucket.put(key, content)
    except (NatsError, OSError, TimeoutError) as error:
        raise Unreachable(f"a snapshot cannot be pinned: {error or 'no answer'}") from error


async def _renew(bucket: KeyValue, key: str, content: bytes) -> None:
    pause = min(((await bucket.status()).ttl or _LONGEST_PAUSE_SECONDS) / _RENEWALS, _LONGEST_PAUSE_SECONDS)
    # Python 3.11 can lose a cancellation that meets the bus's answer; then it is asked for here.
    task = asyncio.current_task()
    while task is None or not task.cancelling():
        await asyncio.sleep(pause)
        try:
            await _put(bucket, key, content)
        except Unreachable as error:  # as long as the bus is away nobody can look at pins, and so nothing expires
            _log.warning("pin.not_renewed", key=key, error=str(error))
