"""What was told of tables, in the bucket `floe_tables`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from nats.js.kv import KeyValue

from floe_catalog.adapters.stored_documents import StoredDocuments
from floe_catalog.core.table_changes import Told
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import place_key
from floe_contracts.table_states import TableState, table_state_key

Change: TypeAlias = Callable[[TableState | None], TableState | None]


class TableStates:
    """The service's memory of tables."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._documents = StoredDocuments(TableState, bucket)

    async def find(self, place: Place, identifier: str) -> TableState | None:
        """What was told of a table last.

        Raises:
            Unreachable: the bus does not answer.
        """
        return (await self.told(place, identifier)).state

    async def told(self, place: Place, identifier: str) -> Told:
        """The same, with the revision under which it is stored."""
        stored = await self._documents.read(table_state_key(place, identifier))
        return Told(stored.document, stored.revision)

    async def of_product(self, place: Place) -> tuple[TableState, ...]:
        """What was told of all tables of a product, in the order of their keys.

        Raises:
            Unreachable: the bus does not answer.
        """
        return tuple(await self._documents.below(f"{place_key(place)}.*"))

    async def write(self, state: TableState, last: int) -> bool:
        """Write a state over the revision `last`; False if another one stands there by now.

        Raises:
            Unreachable: the bus does not answer; it may have been written.
        """
        return await self._documents.write(table_state_key(state.place, state.identifier), state, last)

    async def forget(self, place: Place, identifier: str, last: int) -> bool:
        """Have nothing be known of a table that is gone; False if another state than the revision `last` stands there.

        Raises:
            Unreachable: the bus does not answer; it may have been forgotten.
        """
        return await self._documents.forget(table_state_key(place, identifier), last)

    async def change(self, place: Place, identifier: str, change: Change) -> TableState | None:
        """Write what `change` makes of a table's state; asked again when somebody else was faster, None leaves it.

        Returns:
            What stands there now.

        Raises:
            RecordChanged: others were faster, time after time.
            Unreachable: the bus does not answer.
        """
        return await self._documents.change(table_state_key(place, identifier), change)
