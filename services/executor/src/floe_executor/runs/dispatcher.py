"""Starts the runs that wait: in each place one at a time, or parts of one backfill, under its lease."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from floe_chassis.bus import Bus
from floe_chassis.leases import Lease
from floe_chassis.settings import ChassisSettings
from floe_contracts.errors import FloeError, Permanent
from floe_contracts.runs import run_key
from floe_executor.adapters.state.run_store import RunStore, StoredRun
from floe_executor.clock import now
from floe_executor.core.ports import Launcher, LaunchState
from floe_executor.core.queueing import later
from floe_executor.runs.run_worker import RunWorker
from floe_executor.runs.waiting_runs import PlaceQueue, WaitingRuns
from floe_executor.settings import ExecutorSettings

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Work:
    """What this executor works on in one place, all of it under one lease."""

    lease: Lease
    backfill: str | None
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)


class Dispatcher:
    """Looks for waiting runs when it is woken, at every tick, and when the next attempt of one is due.

    A run whose worker died waits too: its lease is free, and its record says how far it came.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        store: RunStore,
        waiting: WaitingRuns,
        worker: RunWorker,
        settings: ExecutorSettings,
        chassis: ChassisSettings,
        launcher: Launcher | None = None,
    ) -> None:
        """Have runs worked on by `worker` in this process, or by processes that `launcher` starts."""
        self._bus = bus
        self._store = store
        self._waiting = waiting
        self._worker = worker
        self._settings = settings
        self._chassis = chassis
        self._launcher = launcher
        self._woken = asyncio.Event()
        self._working: dict[str, _Work] = {}
        self._troubles: dict[str, int] = {}
        self._paused: dict[str, float] = {}
        self._next: datetime | None = None

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    async def run(self) -> None:
        """Look for work until cancelled; then end what runs."""
        own = asyncio.current_task()
        try:
            # A cancellation that meets the bus's answer is swallowed by `asyncio.wait_for` of Python 3.11.
            while own is not None and not own.cancelling():
                await self._look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._rest())
                self._woken.clear()
        finally:
            tasks = [task for work in self._working.values() for task in work.tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _rest(self) -> float:
        """Seconds until the next look."""
        tick = self._settings.tick_seconds
        return tick if self._next is None else min(tick, max(0.01, (self._next - now()).total_seconds()))

    async def _look(self) -> None:
        self._next = None
        try:
            queues = await self._waiting.places()
        except Exception as error:  # noqa: BLE001  # the next tick tries again; the bus may be away
            log.warning("looking for runs failed", error=str(error))
            return
        for queue in queues:
            try:
                await self._look_at(queue)
            except Exception as error:  # noqa: BLE001  # a run that cannot be read must not keep other places waiting
                log.warning("looking for runs of a place failed", place=queue.place, error=str(error))

    async def _look_at(self, queue: PlaceQueue) -> None:
        work = self._working.get(queue.place)
        busy = work is not None and (work.backfill is None or work.lease.lost.is_set())
        if (busy and not queue.marked) or self._paused.get(queue.place, 0.0) > time.monotonic():
            return
        found, due = await self._waiting.first(queue, now())
        if due.at is not None:
            self._next = due.at if self._next is None else min(self._next, due.at)
        ids = {record.run_id for record in due.runs}
        ready = [one for one in found if one.record.status.terminal or one.record.run_id in ids]
        if busy or not ready or self._working.get(queue.place) is not work:
            return  # the last run under that lease may have ended meanwhile, and the lease with it
        if work is None:
            if self._room() < 1 or (lease := await Lease.acquire(self._bus, self._chassis, queue.place)) is None:
                return
            work = self._working[queue.place] = _Work(lease, ready[0].record.backfill)
        for stored in ready:
            same = work.backfill is not None and stored.record.backfill == work.backfill
            if self._room() > 0 and stored.record.run_id not in work.tasks and (same or not work.tasks):
                self._start(queue, work, stored)
        if not work.tasks:
            await self._leave(queue.place, work)

    def _room(self) -> int:
        return self._settings.max_runs - sum(len(work.tasks) for work in self._working.values())

    def _start(self, queue: PlaceQueue, work: _Work, stored: StoredRun) -> None:
        task = asyncio.create_task(self._work(queue, work, stored), name=f"run {stored.record.run_id}")
        work.tasks[stored.record.run_id] = task

    async def _work(self, queue: PlaceQueue, work: _Work, stored: StoredRun) -> None:
        record = stored.record
        try:
            # It may have gone on elsewhere between the look and the lease.
            stored = await self._store.read(run_key(record.place, record.run_id))
            wanted_to_end = queue.wanted_to_end(stored.record)
            if later(stored.record, now()) is None or wanted_to_end:
                if self._launcher is None or stored.record.status.terminal or wanted_to_end:
                    if self._launcher is not None and wanted_to_end:
                        await self._launcher.end(stored.record)
                    await self._worker.work(stored, work.lease)
                else:
                    await self._launch(self._launcher, queue.place, stored, work.lease)
            self._troubles.pop(queue.place, None)
        except FloeError as error:
            log.warning("a run was interrupted and will be taken up again", run_id=record.run_id, error=str(error))
            self._trouble(queue.place)
        except Exception:
            log.exception("a run was interrupted and will be taken up again", run_id=record.run_id)
            self._trouble(queue.place)
        finally:
            work.tasks.pop(record.run_id, None)
            if not work.tasks:
                await self._leave(queue.place, work)
            self.wake()

    async def _launch(self, launcher: Launcher, place: str, stored: StoredRun, lease: Lease) -> None:
        """See that a process elsewhere makes the next attempt. Nobody works on the run: we have its lease."""
        launch = await launcher.state(stored.record)
        if launch.state is LaunchState.ENDED:
            await launcher.end(stored.record)  # one that could not begin yet must not begin beside the next
            await self._worker.lost(stored, lease, launch.reason or "its process ended before it began")
            return
        if launch.state is LaunchState.ABSENT:
            try:
                await launcher.launch(stored.record)
            except Permanent as error:
                await self._worker.lost(stored, lease, error.message)
                return
        self._paused[place] = time.monotonic() + self._settings.tick_seconds

    async def _leave(self, place: str, work: _Work) -> None:
        if self._working.get(place) is work:
            del self._working[place]
        await work.lease.release()

    def _trouble(self, place: str) -> None:
        """Leave a place alone for a while, longer each time."""
        count = self._troubles[place] = self._troubles.get(place, 0) + 1
        self._paused[place] = time.monotonic() + min(2.0**count, self._settings.tick_seconds)
