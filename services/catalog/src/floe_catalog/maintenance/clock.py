"""Has tables maintained when it is time: after so many commits, and at the ticks of each product's schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from floe_catalog.adapters.catalog_products import CatalogProducts
from floe_catalog.adapters.table_states import TableStates
from floe_catalog.core.maintenance_actions import ActionResult
from floe_catalog.core.maintenance_due import (
    due_work,
    latest_tick,
    maintained_state,
    next_tick,
    pause_after,
    with_tick,
)
from floe_catalog.errors import MaintenanceBusy
from floe_catalog.maintenance.work import TableMaintenance
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.expiry_attempts import ExpiryAttempt
from floe_contracts.maintenance import CompiledMaintenance
from floe_contracts.openlineage.naming import Place

PolicyOf = Callable[[Place], Awaitable[CompiledMaintenance]]

_RETRY: Final = timedelta(seconds=2)

_log = structlog.get_logger("floe.catalog.maintenance")


@dataclass(frozen=True, slots=True)
class _Table:
    """Which table."""

    place: Place
    identifier: str


@dataclass(frozen=True, slots=True)
class _Failed:
    """A table that failed: how often in a row, and until when it is left alone."""

    times: int
    until: datetime


class MaintenanceClock:
    """Looks now and then what is due. Every replica has one; what is due is decided by what is stored alone.

    A tick is taken up by writing it to the product, which one replica does; the work on the tables that it concerns is
    anybody's, each table's under its lease. So whatever dies in the middle, somebody finishes it.
    """

    def __init__(
        self,
        *,
        products: CatalogProducts,
        states: TableStates,
        policy_of: PolicyOf,
        maintenance: TableMaintenance,
        at_once: int,
        look_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        """Work on `at_once` tables at a time, and look every `look_seconds` and at every tick."""
        self._products = products
        self._states = states
        self._policy_of = policy_of
        self._maintenance = maintenance
        self._slots = asyncio.Semaphore(at_once)
        self._pause = timedelta(seconds=look_seconds)
        self._clock = clock
        self._working: dict[_Table, asyncio.Task[None]] = {}
        self._failed: dict[_Table, _Failed] = {}

    async def run(self) -> None:
        """Look until cancelled; the work that is under way then ends between two of its steps."""
        own = asyncio.current_task()
        try:
            # A cancellation that meets the bus's answer is swallowed by `asyncio.wait_for` of Python 3.11.
            while own is not None and not own.cancelling():
                try:
                    coming = await self.look()
                    pause = self._pause if coming is None else min(coming - self._clock(), self._pause)
                except Exception as error:  # noqa: BLE001 -- the bus may be away; what is due then is still due later
                    _log.warning("maintenance.not_looked", error=str(error))
                    pause = _RETRY
                if not own.cancelling():
                    await asyncio.sleep(max(0.0, pause.total_seconds()))
        finally:
            for task in self._working.values():
                task.cancel()
            await self.idle()

    async def look(self) -> datetime | None:
        """Begin the work on all tables that are due; when the next tick comes.

        Raises:
            Unreachable: the bus does not answer.
        """
        at = self._clock()
        await self._finish_expiries()
        coming = []
        for product in await self._products.live():
            try:
                policy = await self._policy_of(product.place)
                tick = next_tick(policy, at)
                await self._begin(await self._ticked(product, policy, at), policy, at)
            except Exception as error:  # noqa: BLE001 -- what one product has wrong is no other product's
                _log.warning("maintenance.product_skipped", place=str(product.place), error=str(error))
                continue
            if tick is not None:
                coming.append(tick)
        return min(coming, default=None)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while working := list(self._working.values()):
            await asyncio.gather(*working, return_exceptions=True)

    async def _finish_expiries(self) -> None:
        for attempt in await self._maintenance.unfinished():
            table = _Table(attempt.place, attempt.identifier)
            if table not in self._working:
                self._start(table, self._finish(attempt), f"tell of {attempt.identifier}")

    def _start(self, table: _Table, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._working[table] = task
        task.add_done_callback(lambda _: self._working.pop(table, None))

    async def _finish(self, attempt: ExpiryAttempt) -> None:
        async with self._slots:
            try:
                await self._maintenance.finish(attempt)
            except Exception as error:  # noqa: BLE001 -- the next look tries again
                _log.warning("expiry.not_told", table=attempt.identifier, error=str(error))

    async def _ticked(self, product: CatalogProduct, policy: CompiledMaintenance, at: datetime) -> CatalogProduct:
        tick = latest_tick(policy, at) if policy.enabled else None
        if tick is None or with_tick(product, tick) is None:
            return product
        return await self._products.change(product.place, partial(with_tick, tick=tick)) or product

    async def _begin(self, product: CatalogProduct, policy: CompiledMaintenance, at: datetime) -> None:
        if not policy.enabled:
            return
        for state in await self._states.of_product(product.place):
            table = _Table(product.place, state.identifier)
            failed = self._failed.get(table)
            if table in self._working or (failed is not None and at < failed.until):
                continue
            if due_work(product, policy, state) is not None:
                self._start(table, self._work(product, policy, table), f"maintain {state.identifier}")

    async def _work(self, product: CatalogProduct, policy: CompiledMaintenance, table: _Table) -> None:
        async with self._slots:
            try:
                # Another replica may have done it while this one waited.
                state = await self._states.find(table.place, table.identifier)
                work = due_work(product, policy, state) if state is not None else None
                if work is not None:
                    await self._ended(table, await self._maintenance.maintain_table(work))
            except MaintenanceBusy:
                return
            except Exception as error:  # noqa: BLE001 -- it is tried again, and no other table waits for it
                self._note_failure(table, str(error))

    async def _ended(self, table: _Table, results: tuple[ActionResult, ...]) -> None:
        for result in results:
            if result.failure is not None and result.failure.transient:
                self._note_failure(table, f"{result.failure.code}: {result.failure.message}")
                return
        self._failed.pop(table, None)
        await self._states.change(table.place, table.identifier, partial(maintained_state, at=self._clock()))

    def _note_failure(self, table: _Table, error: str) -> None:
        before = self._failed.get(table)
        times = before.times + 1 if before else 1
        pause = pause_after(times)
        self._failed[table] = _Failed(times, self._clock() + pause)
        _log.warning(
            "maintenance.failed",
            table=table.identifier,
            error=error,
            again_in_seconds=pause.total_seconds(),
        )
