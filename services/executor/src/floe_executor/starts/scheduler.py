"""Asks for the runs of schedules: one a tick, however many executors there are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

import structlog
from cronsim import CronSimError

from floe_chassis.bus import Bus
from floe_contracts.live_products import LiveProduct
from floe_contracts.schedule_ticks import next_tick
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.core.starts.requests import schedule_request, schedule_request_id
from floe_executor.core.starts.ticks import due_ticks

log = structlog.get_logger(__name__)
LONGEST_SLEEP: Final = timedelta(minutes=1)
"""What another executor made live is seen no later."""
_RETRY: Final = timedelta(seconds=2)


class Scheduler:
    """Sleeps until the next tick of anything that is live, or until it is woken.

    Every executor has one, and each asks for every tick that it sees, by an id that names the tick: it becomes one run.
    The tick is written down once its request is stored, so that none is lost by a crash between the two.
    """

    def __init__(
        self,
        bus: Bus,
        live_products: LiveProducts,
        clock: Callable[[], datetime],
        restore: Callable[[], Awaitable[None]],
    ) -> None:
        """`restore` brings back what is live where the bucket was lost."""
        self._bus = bus
        self._products = live_products
        self._clock = clock
        self._restore = restore
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now."""
        self._woken.set()

    async def run(self) -> None:
        """Look at every tick until cancelled."""
        own = asyncio.current_task()
        # A cancellation that meets the bus's answer is swallowed by `asyncio.wait_for` of Python 3.11.
        while own is not None and not own.cancelling():
            self._woken.clear()
            try:
                coming = await self.look()
                pause = LONGEST_SLEEP if coming is None else min(coming - self._clock(), LONGEST_SLEEP)
            except Exception as error:  # noqa: BLE001  # the bus may be away; the ticks are caught up then
                log.warning("looking for ticks failed", error=str(error))
                pause = _RETRY
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), max(0.0, pause.total_seconds()))

    async def look(self) -> datetime | None:
        """Ask for the runs of all ticks that are due; when the next tick comes.

        Raises:
            Unreachable: the bus does not answer.
            LiveProductChanged: another executor is faster, again and again.
        """
        at = self._clock()
        await self._restore()
        coming = []
        for product in await self._products.live():
            try:
                await self._ask(product, at)
                tick = next_tick(product.schedule, at) if product.schedule else None
            except (CronSimError, ZoneInfoNotFoundError) as error:  # a newer floe may know what this one does not
                log.warning("a schedule cannot be read", place=str(product.place), error=str(error))
                continue
            if tick is not None:
                coming.append(tick)
        return min(coming, default=None)

    async def _ask(self, product: LiveProduct, at: datetime) -> None:
        ticks = due_ticks(product, at)
        if not ticks:
            return
        for tick in ticks:
            await self._bus.publish(schedule_request(product, tick), id=schedule_request_id(product, tick))
        last = ticks[-1].isoformat()

        def ticked(now: LiveProduct | None) -> LiveProduct | None:
            if now is None or (now.last_tick is not None and now.last_tick >= last):
                return None
            return now.model_copy(update={"last_tick": last})

        await self._products.change(product.place, ticked)
