"""The end of a run: written once by compare-and-set, then told; what was written and not told is told again."""

from __future__ import annotations

import json
from datetime import datetime

import structlog

from floe_chassis import fault_points
from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_contracts.events import RunCancelled, RunFailed
from floe_contracts.runs import RunRecord, RunStatus, run_key
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.adapters.state.run_store import RunStore, StoredRun
from floe_executor.adapters.told_events import publish_unless_told
from floe_executor.clock import now
from floe_executor.core import run_states
from floe_executor.errors import RunChanged
from floe_executor.runs.telling import RunTelling
from floe_executor.runs.tellings import Tellings

log = structlog.get_logger(__name__)


class Endings:
    """Ends runs."""

    def __init__(
        self, bus: Bus, blobs: BlobStore, store: RunStore, cancellations: CancellationStore, tellings: Tellings
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._store = store
        self._cancellations = cancellations
        self._tellings = tellings

    async def write(self, stored: StoredRun, outcome: run_states.RunEnded, built: str | None = None) -> StoredRun:
        """Write how a run ended; `built` is the digest of what it has built, for a run that retries it.

        Raises:
            RunChanged: somebody else wrote the record meanwhile.
        """
        digest = await self._blobs.put(outcome.model_dump_json(exclude_none=True).encode())
        record = run_states.ended(stored.record, outcome, digest, now())
        return await self._store.update(stored, record.model_copy(update={"built": built or record.built}))

    async def tell(self, stored: StoredRun, telling: RunTelling | None = None, *, again: bool = False) -> None:
        """Publish how the run ended; asked again after a crash, nothing of it is told twice.

        Args:
            stored: the ended run.
            telling: of the attempt that ended it; None after a crash, and for a run that never began.
            again: whether it may be told already, however long ago.
        """
        record = stored.record
        outcome = run_states.ENDS[record.status].read(json.loads(await self._blobs.get(record.outcome or "")))
        telling = telling or self._tellings.of(record)
        if record.started_at is None:
            telling.counted(record)  # there is no lineage of a run that never began
        elif record.status is RunStatus.COMPLETED:
            await telling.run_ended("COMPLETE", error=None, record=record)
        elif isinstance(outcome, RunCancelled):
            await telling.run_ended("ABORT", error=None, record=record)
        elif isinstance(outcome, RunFailed):
            why = "\n".join(problem.message for problem in outcome.problems)
            await telling.run_ended("FAIL", error=why, record=record)
        await fault_points.reach("after-landing")
        cause = f"{record.run_id}:{record.status}"
        if again:
            since = datetime.fromisoformat(record.requested_at)
            await publish_unless_told(self._bus, outcome, id=cause, since=since)
        else:
            await self._bus.publish(outcome, id=cause)
        await fault_points.reach("after-event")
        if record.status is RunStatus.CANCELLED:
            await self._cancellations.remove(run_key(record.place, record.run_id))
        await self._store.settle(record)
        log.info("run ended", run_id=record.run_id, status=record.status.value)

    async def tell_again(self, stored: StoredRun) -> None:
        """Tell an end that whoever wrote it may not have told, unless that is settled by now."""
        if await self._store.is_pending(stored.record):
            await self.tell(stored, again=True)

    async def add_ended(self, record: RunRecord, outcome: run_states.RunEnded) -> None:
        """Add a run that ends before anybody could begin it, and tell so. May be repeated."""
        digest = await self._blobs.put(outcome.model_dump_json(exclude_none=True).encode())
        await self.tell(await self._store.add(run_states.ended(record, outcome, digest, now())), again=True)

    async def end_waiting(self, stored: StoredRun, outcome: run_states.RunEnded) -> bool:
        """End a run that has not begun; whether it had not. One that somebody began meanwhile is left alone."""
        while stored.record.status is RunStatus.QUEUED:
            try:
                ended = await self.write(stored, outcome)
            except RunChanged:
                stored = await self._store.read(run_key(stored.record.place, stored.record.run_id))
                continue
            await self.tell(ended)
            return True
        return False
