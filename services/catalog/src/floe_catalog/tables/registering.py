"""Declared tables made ready in the catalog ahead of a run."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from floe_catalog.adapters.run_leases import is_running
from floe_catalog.core.declared_tables import DeclaredTable
from floe_catalog.core.drift import table_drift
from floe_catalog.core.ports import Lakehouse
from floe_catalog.tables.products import Product
from floe_catalog.tables.telling import Teller
from floe_chassis.bus import Bus
from floe_contracts.errors import Permanent
from floe_contracts.openlineage.naming import Place

AT_ONCE: Final = 4
"""Tables of one product that are looked at at the same time."""
_EVOLVED: Final = frozenset({"missing_column", "type", "partition"})
"""Differences that evolving a table may mend."""

_log = structlog.get_logger(__name__)


class Registrar:
    """Creates and evolves the tables whose columns and types a project declares and dbt enforces.

    No table is evolved while a run of its product is at work: rows that it has staged with the columns of before might
    not fit any more. That run evolves its tables itself when it lands them, or the reconciler does later.
    """

    def __init__(self, bus: Bus, lakehouse: Lakehouse, teller: Teller) -> None:
        self._bus = bus
        self._lakehouse = lakehouse
        self._teller = teller
        self._ready: dict[Place, str] = {}

    async def register(self, product: Product) -> bool:
        """Make all declared tables of a product ready, tell of them, and compare them with what is declared.

        Does nothing for an artifact with which it came to an end before.

        Returns:
            Whether nothing is left to do. A table that cannot become what is declared leaves nothing: it is told of.

        Raises:
            FloeError: of one of the tables; the others are made ready all the same.
        """
        if self._ready.get(product.place) == product.artifact_digest:
            return True
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(table: DeclaredTable) -> bool:
            async with limit:
                return await self._register(product, table)

        declared = [table for table in product.tables.values() if table.columns]
        results = await asyncio.gather(*map(one, declared), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if ready := all(results):
            self._ready[product.place] = product.artifact_digest
        return ready

    async def _register(self, product: Product, table: DeclaredTable) -> bool:
        ready = True
        if table.registered and all(word in product.types for word in table.words):
            try:
                ready = await self._make_ready(product, table)
            except Permanent as error:  # it stays as it is; the difference is told
                _log.warning("table.not_made_ready", identifier=table.identifier, error=str(error))
        await self._teller.tell(product, table.identifier)
        return ready

    async def _make_ready(self, product: Product, table: DeclaredTable) -> bool:
        place, environment = product.place, product.environment
        shown = await self._lakehouse.find(place, environment, table.identifier)
        if shown is None:
            await self._lakehouse.create(place, environment, table)
            return True
        if not any(each.kind in _EVOLVED for each in table_drift(table, shown.schema, product.types)):
            return True
        if await is_running(self._bus, place):
            return False
        await self._lakehouse.evolve(place, environment, table)
        return True
