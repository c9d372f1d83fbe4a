"""What is known of datasets and jobs, in the buckets `floe_lineage_datasets` and `floe_lineage_jobs`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import APIError, KeyWrongLastSequenceError
from nats.js.kv import KV_OP
from pydantic import ValidationError

from floe_chassis.bus import Bus
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import LINEAGE_DATASETS_BUCKET, LINEAGE_JOBS_BUCKET
from floe_contracts.errors import ContractError, Unreachable
from floe_contracts.lineage_states import DatasetState, JobState, LineageState, lineage_state_key
from floe_lineage.errors import RecordTaken

_BUCKETS: Final[dict[type[LineageState], str]] = {
    DatasetState: LINEAGE_DATASETS_BUCKET,
    JobState: LINEAGE_JOBS_BUCKET,
}
_LARGE: Final[dict[type[LineageState], tuple[dict[str, Any], ...]]] = {
    DatasetState: ({"declarations": (), "symlinks": ()}, {"fields": ()}),
    # Without the columns nothing must say what they were found out from: the next event finds them out anew.
    JobState: ({"open_runs": ()}, {"columns": (), "columns_key": None}, {"inputs": (), "outputs": ()}),
}
"""What stands in a record instead of what it can do without, the dearest last."""
_AT_ONCE: Final = 64
_ROOM: Final = 4096
"""Bytes of a message that are not its value: subject and headers."""
_NAMED: Final = 200
"""So many characters of a name stand in a line of the log."""
_log = structlog.get_logger("floe.lineage")


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it is stored."""

    model: type[LineageState]
    key: str
    value: bytes

    def read(self) -> LineageState:
        """What it says.

        Raises:
            ContractError: it is of another major version, or none.
        """
        try:
            return self.model.model_validate_json(self.value, extra="ignore")
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the record"
            raise ContractError(f"{self.key} is no {self.model.__name__}: {place}: {first['msg']}") from error


class GraphBuckets:
    """The records. There is one writer: a second one is told apart by the revisions."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._revisions: dict[tuple[str, str], int] = {}

    async def load(self) -> AsyncIterator[StoredRecord]:
        """All records, as they stand.

        Raises:
            Unreachable: the bus does not answer.
        """
        self._revisions = {}
        for model, bucket in _BUCKETS.items():
            try:
                async for message in read_stream(self._bus.js, f"KV_{bucket}", f"$KV.{bucket}.>"):
                    key = message.subject.removeprefix(f"$KV.{bucket}.")
                    # That a record was deleted is a revision, too: the next one is written over it.
                    self._revisions[bucket, key] = message.metadata.sequence.stream
                    if (message.headers or {}).get(KV_OP):
                        continue
                    yield StoredRecord(model, key, message.data)
            except (NatsError, OSError, TimeoutError) as error:
                raise Unreachable(f"the bucket {bucket} cannot be read: {error or 'no answer'}") from error

    async def write(self, states: Iterable[LineageState]) -> None:
        """Write records over those that were read or written last; one that is too large at its least stays as it was.

        Raises:
            Unreachable: the bus does not answer; some may have been written.
            RecordTaken: somebody else has written one of them.
        """
        turns = asyncio.Semaphore(_AT_ONCE)

        async def put(state: LineageState) -> None:
            async with turns:
                await self._put(state)

        results = await asyncio.gather(*map(put, states), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _put(self, state: LineageState) -> None:
        name = _BUCKETS[type(state)]
        bucket = await self._bus.key_value(name)
        key = lineage_state_key(state.tenant, state.id)
        value = _fitting(state, self._bus.size_limit() - _ROOM)
        if value is None:
            return
        try:
            revision = await bucket.update(key, value, last=self._revisions.get((name, key), 0))
            self._revisions[name, key] = revision
        except KeyWrongLastSequenceError as error:
            raise RecordTaken(f"{state.name}: somebody else writes what is known of it") from error
        except (NatsError, OSError, TimeoutError) as error:
            reason = error.description if isinstance(error, APIError) else str(error)
            raise Unreachable(f"what is known of {state.name} cannot be written: {reason or 'no answer'}") from error


def _fitting(state: LineageState, limit: int) -> bytes | None:
    """A record as it is stored: without what makes it larger than a message may be; None where that is not enough."""
    left_out: dict[str, Any] = {}
    for instead in ({}, *_LARGE[type(state)]):
        left_out |= instead
        value = state.model_copy(update=left_out).model_dump_json(exclude_none=True).encode()
        if len(value) <= limit:
            break
    else:
        _log.warning("graph.record_not_stored", name=state.name[:_NAMED], bytes=len(value))
        return None
    if left_out:
        _log.warning("graph.record_too_large", name=state.name[:_NAMED], left_out=sorted(left_out))
    return value
