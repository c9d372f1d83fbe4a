"""Starts the runs that wait: one at a time in each place, under its lease."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from floe_chassis.bus import Bus
from floe_chassis.leases import Lease
from floe_chassis.settings import ChassisSettings
from floe_contracts.errors import FloeError
from floe_contracts.runs import place_key
from floe_executor.adapters.run_store import RunStore, StoredRun
from floe_executor.run_worker import RunWorker
from floe_executor.settings import ExecutorSettings

log = structlog.get_logger(__name__)


class Dispatcher:
    """Looks for waiting runs when it is woken and at every tick.

    A run whose worker died waits too: its lease is free, and its record says how far it came.
    """

    def __init__(
        self, bus: Bus, store: RunStore, worker: RunWorker, settings: ExecutorSettings, chassis: ChassisSettings
    ) -> None:
        self._bus = bus
        self._store = store
        self._worker = worker
        self._settings = settings
        self._chassis = chassis
        self._woken = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}

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
                    await asyncio.wait_for(self._woken.wait(), self._settings.tick_seconds)
                self._woken.clear()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _look(self) -> None:
        try:
            async for stored in self._store.pending():
                place = place_key(stored.record.place)
                if place in self._running or len(self._running) >= self._settings.max_runs:
                    continue
                lease = await Lease.acquire(self._bus, self._chassis, place)
                if lease is not None:
                    self._start(place, stored, lease)
        except Exception as error:  # noqa: BLE001  # the next tick tries again; the bus may be away
            log.warning("looking for runs failed", error=str(error))

    def _start(self, place: str, stored: StoredRun, lease: Lease) -> None:
        task = asyncio.create_task(self._work(stored, lease), name=f"run {stored.record.run_id}")
        self._running[place] = task

        def ended(_: asyncio.Task[None]) -> None:
            self._running.pop(place, None)
            self.wake()

        task.add_done_callback(ended)

    async def _work(self, stored: StoredRun, lease: Lease) -> None:
        record = stored.record
        try:
            await self._worker.work(stored, lease)
        except FloeError as error:
            log.warning("a run was interrupted and will be taken up again", run_id=record.run_id, error=str(error))
            await asyncio.sleep(min(2.0**record.attempt, self._settings.tick_seconds))
        except Exception:
            log.exception("a run was interrupted and will be taken up again", run_id=record.run_id)
            await asyncio.sleep(self._settings.tick_seconds)
        finally:
            await lease.release()
