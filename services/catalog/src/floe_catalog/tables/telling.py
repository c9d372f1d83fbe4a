"""Telling what happened to a table: its events are stored, then it is written down that they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

from floe_catalog.adapters.table_states import TableStates
from floe_catalog.core.drift import MISSING_TABLE, table_drift
from floe_catalog.core.ports import Lakehouse, ShownTable
from floe_catalog.core.table_changes import Changes, Told, checked, nothing_known, table_changes, without_drift
from floe_catalog.errors import RecordChanged
from floe_catalog.tables.products import Product, Products
from floe_chassis.bus import Bus
from floe_chassis.fault_points import reach
from floe_contracts.cloudevents import Attributes
from floe_contracts.events import TableDrift
from floe_contracts.openlineage.naming import Place

_TRIES: Final = 8


class Teller:
    """Tells of tables.

    May be asked by anybody, as often as they like, and from several replicas at once: what has been told is not told
    again, and two that tell the same at the same time use the same message ids.
    """

    def __init__(self, bus: Bus, lakehouse: Lakehouse, states: TableStates, products: Products) -> None:
        self._bus = bus
        self._lakehouse = lakehouse
        self._states = states
        self._products = products
        self._busy: WeakValueDictionary[tuple[Place, str], asyncio.Lock] = WeakValueDictionary()
        self._seen: dict[tuple[Place, str], tuple[str, str]] = {}
        self._changed: list[Callable[[Place], None]] = []

    def on_change(self, changed: Callable[[Place], None]) -> None:
        """Call `changed` with a product's place whenever one of its tables is seen to be another than before."""
        self._changed.append(changed)

    async def tell_table(self, place: Place, identifier: str, *, cause: Attributes | None = None) -> None:
        """Tell what is new of a table of a product that is looked after. For whoever has changed the table.

        Raises:
            ProductUnknown: the product is not looked after.
            RecordChanged: others tell of it too, time after time.
            CatalogUnreachable: the catalog does not answer.
            Unreachable: the bus or the blob store does not answer.
        """
        await self.tell(await self._products.find(place), identifier, cause=cause)

    async def tell(
        self, product: Product, identifier: str, *, cause: Attributes | None = None, built: bool = False
    ) -> ShownTable | None:
        """Tell what is new of a table, and how it differs from what the product declares.

        Args:
            product: whose table it is; its artifact says in which catalog, and what is declared.
            identifier: the table, dotted.
            cause: attributes of the event that led to this.
            built: whether the table has to be there, as a run says that it built it.

        Returns:
            The table as it is now; None if there is none.
        """
        async with self._busy.setdefault((product.place, identifier), asyncio.Lock()):
            for _ in range(_TRIES):
                told = await self._states.told(product.place, identifier)
                shown = await self._lakehouse.find(product.place, product.environment, identifier)
                changes = _compared(product, identifier, told, shown, built=built)
                if changes.tellings:
                    await reach("before-table-events")
                for telling in changes.tellings:
                    await self._bus.publish(telling.event, id=telling.id, cause=cause)
                if changes.tellings:
                    await reach("after-table-events")
                if await self._write_down(product.place, identifier, told, changes):
                    self._remember(product, identifier, shown)
                    return shown
        raise RecordChanged(f"what is told of {identifier} changes faster than it can be written down")

    def is_told(self, product: Product, identifier: str, metadata_location: str | None) -> bool:
        """Whether this very state of a table has been told here, and compared with this artifact."""
        seen = self._seen.get((product.place, identifier))
        return metadata_location is not None and seen == (metadata_location, product.artifact_digest)

    async def _write_down(self, place: Place, identifier: str, told: Told, changes: Changes) -> bool:
        state = changes.state
        if state is None or state == told.state:
            return True
        if not state.table_uuid and not state.drift:
            return told.state is None or await self._states.forget(place, identifier, told.revision)
        return await self._states.write(state, told.revision)

    def _remember(self, product: Product, identifier: str, shown: ShownTable | None) -> None:
        before = self._seen.pop((product.place, identifier), None)
        if shown is not None:
            self._seen[product.place, identifier] = (shown.metadata_location, product.artifact_digest)
        if before != self._seen.get((product.place, identifier)):
            for changed in self._changed:
                changed(product.place)


def _compared(product: Product, identifier: str, told: Told, shown: ShownTable | None, *, built: bool) -> Changes:
    changes = table_changes(product.place, identifier, told, shown)
    declared = product.tables.get(identifier)
    if declared is None or not declared.columns:
        return without_drift(changes)
    drift: tuple[TableDrift, ...]
    if shown is not None:
        drift = table_drift(declared, shown.schema, product.types)
    elif built or told.state is not None:  # before any run has built it, it is not missed
        drift = MISSING_TABLE
    else:
        return changes
    changes = nothing_known(product.place, identifier, changes)
    return checked(changes, told, declared.unique_id, product.artifact_digest, drift)
