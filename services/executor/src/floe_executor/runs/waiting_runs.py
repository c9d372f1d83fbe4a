"""One look at all that waits: the runs and backfills of each place, and the ends that somebody asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from floe_contracts.errors import FloeError
from floe_contracts.runs import RunRecord, RunStatus, run_key
from floe_executor.adapters.state.backfill_store import BackfillStore, StoredBackfill
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.adapters.state.run_store import PendingRun, RunStore, StoredRun
from floe_executor.core import run_states
from floe_executor.core.ports import Launcher
from floe_executor.core.queueing import Due, due
from floe_executor.errors import RunChanged
from floe_executor.runs.backfill_runs import BackfillRuns
from floe_executor.runs.endings import Endings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PlaceQueue:
    """What waits in one place.

    Attributes:
        place: its key.
        runs: in their order; those that have ended are not told yet.
        backfills: that go on.
        marked: keys of the runs and backfills that somebody wants to end.
    """

    place: str
    runs: tuple[PendingRun, ...]
    backfills: tuple[StoredBackfill, ...]
    marked: frozenset[str]

    def wanted_to_end(self, record: RunRecord) -> bool:
        """Whether somebody asked for the end of a run, or of its backfill."""
        keys = {run_key(record.place, record.run_id)}
        if record.backfill is not None:
            keys.add(run_key(record.place, record.backfill))
        return bool(keys & self.marked)

    @property
    def parallel(self) -> int:
        """The most runs that may work here at once."""
        return max((backfill.record.parallel for backfill in self.backfills), default=1)


class WaitingRuns:
    """Looks at what waits, and does what needs no lease: takes backfills further, ends what was not begun."""

    def __init__(
        self,
        store: RunStore,
        backfill_store: BackfillStore,
        marks: CancellationStore,
        backfill_runs: BackfillRuns,
        endings: Endings,
        launcher: Launcher | None = None,
    ) -> None:
        self._store = store
        self._backfills = backfill_store
        self._marks = marks
        self._backfill_runs = backfill_runs
        self._endings = endings
        self._launcher = launcher

    async def places(self) -> list[PlaceQueue]:
        """Every place where something waits, after its backfills were taken further."""
        marked = await self._marks.keys()
        waiting, backfills = await self._store.waiting(), await self._backfills.pending()
        if backfills:
            await self._advance(backfills, waiting, marked)
            waiting, backfills = await self._store.waiting(), await self._backfills.pending()
        if marked:
            await self._forget(marked, waiting, backfills)
        runs: defaultdict[str, list[PendingRun]] = defaultdict(list)
        for run in waiting:
            runs[run.place].append(run)
        going_on: defaultdict[str, list[StoredBackfill]] = defaultdict(list)
        for backfill in backfills:
            going_on[_place(backfill.key)].append(backfill)
        marks: defaultdict[str, set[str]] = defaultdict(set)
        for key in marked:
            marks[_place(key)].add(key)
        return [
            PlaceQueue(place, tuple(found), tuple(going_on[place]), frozenset(marks[place]))
            for place, found in runs.items()
        ]

    async def first(self, queue: PlaceQueue, now: datetime) -> tuple[list[StoredRun], Due]:
        """The runs at the head of a place, and what of them may work now.

        What has not begun and need not be is ended here. Runs that ended, and whose lineage may be open, are among the
        first: they are to be told under the lease.
        """
        found: list[StoredRun] = []
        most = len(queue.runs) if queue.marked else queue.parallel
        for run in queue.runs:
            stored = await self._store.read_pending(run)
            if stored is not None and not await self._ended(stored, queue):
                found.append(stored)
            if sum(not one.record.status.terminal for one in found) >= most:
                break
        alive = [one.record for one in found if not one.record.status.terminal]
        return found, due(alive, [one.record for one in queue.backfills], now, queue.wanted_to_end)

    async def _ended(self, stored: StoredRun, queue: PlaceQueue) -> bool:
        """Whether the run is done with, as it never began."""
        record = stored.record
        if record.status.terminal and record.started_at is None:
            await self._endings.tell_again(stored)
            return True
        if record.status is RunStatus.QUEUED and queue.wanted_to_end(record):
            mark = await self._marks.find(record)
            if mark is not None:
                outcome = run_states.cancelled_before_start(record, mark.requester, mark.reason)
                ended = await self._endings.end_waiting(stored, outcome)
                if ended and self._launcher is not None:
                    await self._end_processes(self._launcher, record)
                return ended
        return False

    async def _end_processes(self, launcher: Launcher, record: RunRecord) -> None:
        try:
            await launcher.end(record)
        except FloeError as error:  # a process that begins all the same finds that nothing is to be done
            log.warning("the process of a run may be left", run_id=record.run_id, error=str(error))

    async def _advance(
        self, backfills: Sequence[StoredBackfill], waiting: Sequence[PendingRun], marked: frozenset[str]
    ) -> None:
        for stored in backfills:
            own = [run for run in waiting if run.place == _place(stored.key)]
            try:
                await self._backfill_runs.advance(stored, own, cancelled=stored.key in marked)
            except RunChanged:
                continue  # another executor was faster
            except FloeError as error:
                log.warning("a backfill waits", backfill=stored.record.backfill, error=str(error))
            except Exception:  # one that nobody foresaw must not keep all others from building
                log.exception("a backfill waits", backfill=stored.record.backfill)

    async def _forget(
        self, marked: frozenset[str], waiting: Sequence[PendingRun], backfills: Sequence[StoredBackfill]
    ) -> None:
        """Drop the marks of what ended before they were heeded; one of a run that nobody knows yet stays."""
        for key in marked - {run.key for run in waiting} - {backfill.key for backfill in backfills}:
            run, backfill = await self._store.find_key(key), await self._backfills.find_key(key)
            if (run and run.record.status.terminal) or (backfill and backfill.record.ended_at):
                await self._marks.remove(key)


def _place(key: str) -> str:
    return key.rpartition(".")[0]
