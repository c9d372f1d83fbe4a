"""Keeping each product's `serve.duckdb` up to what its tables show."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

import structlog

from floe_catalog.adapters.serve_databases import ServeDatabases
from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.errors import ProductUnknown
from floe_catalog.tables.products import Products
from floe_contracts.errors import FloeError
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.serving.serve_database import ServedTable

_RETRY_SECONDS: Final = 5.0
_PIN_AGAIN_SECONDS: Final = 120.0
"""A pin lasts for ten minutes."""
_HOLDER: Final = "serve"

_log = structlog.get_logger(__name__)


class ServeKeeper:
    """Writes the files anew: of a product when one of its tables was seen to be another, and of all every so often.

    Each product has a task of its own, so that a catalog which does not answer holds up its own products only. What is
    shown is pinned, and the pins last for some minutes longer than it is shown: a query that began on a former file
    comes to its end.
    """

    def __init__(self, products: Products, databases: ServeDatabases, pins: SnapshotPins, *, seconds: float) -> None:
        """Look at all products every `seconds`."""
        self._products = products
        self._databases = databases
        self._pins = pins
        self._seconds = seconds
        self._marked: set[Place] = set()
        self._woken = asyncio.Event()
        self._working: dict[Place, asyncio.Task[None]] = {}
        self._pinned: dict[Place, dict[tuple[str, int], float]] = {}
        self._troubles: dict[Place, str] = {}

    def mark(self, place: Place) -> None:
        """Look at the tables of a product soon: one of them is another than before."""
        self._marked.add(place)
        self._woken.set()

    async def run(self) -> None:
        """Keep the files until cancelled; `finish` is to follow."""
        own = asyncio.current_task()
        loop = asyncio.get_running_loop()
        coming = loop.time()
        # A cancellation that meets the bus's answer is swallowed by `asyncio.wait_for` of Python 3.11.
        while own is not None and not own.cancelling():
            if loop.time() >= coming:
                await self._mark_all()
                coming = loop.time() + self._seconds
            self._begin()
            try:
                async with asyncio.timeout_at(coming):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def finish(self) -> None:
        """Write what was seen already: a stack that ends with its run leaves the run's tables to its readers."""
        try:
            while self._marked or self._working:
                self._begin()
                await asyncio.gather(*self._working.values(), return_exceptions=True)
        finally:
            for task in self._working.values():
                task.cancel()

    def _begin(self) -> None:
        self._woken.clear()
        for place in self._marked - self._working.keys():
            self._marked.discard(place)
            self._working[place] = asyncio.create_task(self._work(place), name=f"serve {place}")

    async def _mark_all(self) -> None:
        try:
            self._marked.update(record.place for record in await self._products.live())
        except FloeError as error:  # the bus may be away; the next look finds it
            _log.warning("serve.not_looked", error=str(error))

    async def _work(self, place: Place) -> None:
        try:
            product = await self._products.find(place)
            shown = await self._databases.refresh(place, product.environment, product.tables)
            await self._pin(place, shown)
            if self._troubles.pop(place, None):
                _log.info("serve.up_to_date", place=str(place), tables=len(shown))
        except ProductUnknown:  # it was retired meanwhile; what is shown of it stays, as its tables do
            self._pinned.pop(place, None)
        except Exception as error:  # noqa: BLE001 -- it is tried again, and other products go on
            self._complain(place, str(error))
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.mark, place)
        finally:
            self._working.pop(place, None)
            self._woken.set()  # it may have been marked meanwhile

    async def _pin(self, place: Place, shown: tuple[ServedTable, ...]) -> None:
        now, before = time.monotonic(), self._pinned.get(place, {})
        pinned: dict[tuple[str, int], float] = {}
        for table in shown:
            if table.snapshot_id is None or table.refused is not None:
                continue
            snapshot = (table.table_uuid, table.snapshot_id)
            pinned[snapshot] = before.get(snapshot, -math.inf)
            if pinned[snapshot] < now - _PIN_AGAIN_SECONDS:
                await self._pins.renew(*snapshot, holder=_HOLDER)
                pinned[snapshot] = now
        self._pinned[place] = pinned

    def _complain(self, place: Place, error: str) -> None:
        """Said once: a catalog may be away for days."""
        if self._troubles.get(place) != error:
            self._troubles[place] = error
            _log.warning("serve.not_up_to_date", place=str(place), error=error)
