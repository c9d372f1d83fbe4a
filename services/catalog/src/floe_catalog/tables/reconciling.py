"""Telling what nobody told: commits of a process that died before its event, and of writers outside of floe."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import structlog

from floe_catalog.adapters.table_states import TableStates
from floe_catalog.core.namespaces import live_namespace
from floe_catalog.core.ports import Lakehouse
from floe_catalog.tables.products import Product, Products
from floe_catalog.tables.registering import AT_ONCE, Registrar
from floe_catalog.tables.telling import Teller
from floe_chassis.bus import Bus
from floe_chassis.leases import Lease
from floe_chassis.settings import ChassisSettings
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.errors import FloeError
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import place_key

_LEASE: Final = "catalog-tables"

_log = structlog.get_logger(__name__)


class Reconciler:
    """Compares the tables of every product with what was told of them, again and again.

    Each product has a task of its own, so that a catalog which does not answer holds up its own products only; and a
    lease, so that of several replicas one looks at a time.
    """

    def __init__(
        self,
        bus: Bus,
        settings: ChassisSettings,
        *,
        lakehouse: Lakehouse,
        states: TableStates,
        products: Products,
        teller: Teller,
        registrar: Registrar,
        seconds: float,
    ) -> None:
        """Look every `seconds`."""
        self._bus = bus
        self._settings = settings
        self._lakehouse = lakehouse
        self._states = states
        self._products = products
        self._teller = teller
        self._registrar = registrar
        self._seconds = seconds
        self._working: dict[Place, asyncio.Task[None]] = {}
        self._there: dict[Place, frozenset[str]] = {}
        self._named: dict[Place, str] = {}
        self._troubles: dict[Place, str] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        own = asyncio.current_task()
        try:
            # A cancellation that meets the bus's answer is swallowed by `asyncio.wait_for` of Python 3.11.
            while own is not None and not own.cancelling():
                await self._look()
                await asyncio.sleep(self._seconds)
        finally:
            working = list(self._working.values())
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _look(self) -> None:
        try:
            records = await self._products.live()
        except FloeError as error:  # the bus may be away; the next look finds it
            _log.warning("reconciling.failed", error=str(error))
            return
        for record in records:
            if record.place not in self._working:
                task = asyncio.create_task(self._work(record), name=f"reconcile {record.place}")
                self._working[record.place] = task

    async def _work(self, record: CatalogProduct) -> None:
        try:
            lease = await Lease.acquire(self._bus, self._settings, f"{_LEASE}.{place_key(record.place)}")
            if lease is None:
                return
            try:
                product = await self._products.read(record.place, record.artifact_digest)
                await self._name(product, record)
                await self._reconcile(product)
            finally:
                await lease.release()
            self._troubles.pop(record.place, None)
        except Exception as error:  # noqa: BLE001 -- the next look tries again, and others go on
            self._complain(record.place, str(error))
        finally:
            self._working.pop(record.place, None)

    def _complain(self, place: Place, error: str) -> None:
        """Said once: a catalog may be away for days."""
        if self._troubles.get(place) != error:
            self._troubles[place] = error
            _log.warning("reconciling.failed", place=str(place), error=error)

    async def _name(self, product: Product, record: CatalogProduct) -> None:
        """Give the product its namespace, where nobody could when it was compiled."""
        if record.compiled_at is None or self._named.get(product.place) == record.compiled_at:
            return
        compiled_at = datetime.fromisoformat(record.compiled_at)
        namespace = live_namespace(
            product.artifact, product.artifact_digest, place=product.place, compiled_at=compiled_at
        )
        await self._lakehouse.ensure(product.place, product.environment, namespace)
        self._named[product.place] = record.compiled_at

    async def _reconcile(self, product: Product) -> None:
        # A declared table that cannot be made ready hides no other: what came of it is raised when all are told.
        results: list[object] = [*await asyncio.gather(self._registrar.register(product), return_exceptions=True)]
        listed = await self._lakehouse.listed(product.place, product.environment)
        there = frozenset(listed) | {table.identifier for table in product.tables.values() if table.attached}
        before = self._there.get(product.place)
        if before is None:
            states = await self._states.of_product(product.place)
            before = frozenset(state.identifier for state in states if state.table_uuid)
        # Listing is not the last word on a table that is not listed: the teller asks for the table itself.
        looked_at = [each for each in there | before if not self._teller.is_told(product, each, listed.get(each))]
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(identifier: str) -> None:
            async with limit:
                await self._teller.tell(product, identifier)

        results += await asyncio.gather(*map(one, sorted(looked_at)), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        self._there[product.place] = there
