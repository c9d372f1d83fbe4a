"""The journals of rollbacks, in the bucket `floe_catalog_products`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nats.js.kv import KeyValue

from floe_catalog.adapters.stored_documents import StoredDocuments
from floe_contracts.openlineage.naming import Place
from floe_contracts.rollbacks import ALL_ROLLBACKS, Rollback, rollback_key


class RollbackJournal:
    """The rollbacks that are not finished, one a product at most."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._documents = StoredDocuments(Rollback, bucket)

    async def find(self, place: Place) -> Rollback | None:
        """The unfinished rollback of a place.

        Raises:
            Unreachable: the bus does not answer.
        """
        return (await self._documents.read(rollback_key(place))).document

    async def all(self) -> list[Rollback]:
        """All that are not finished.

        Raises:
            Unreachable: the bus does not answer.
        """
        return await self._documents.below(ALL_ROLLBACKS)

    async def begin(self, rollback: Rollback) -> bool:
        """Write down what is about to be done; False if another one of the place is not finished.

        Raises:
            Unreachable: the bus does not answer; it may have been written.
        """
        key = rollback_key(rollback.place)
        stored = await self._documents.read(key)
        return stored.document is None and await self._documents.write(key, rollback, stored.revision)

    async def end(self, rollback: Rollback) -> None:
        """Nothing of it is left to do. What whoever came after a lost lease has begun stays.

        Raises:
            Unreachable: the bus does not answer.
        """
        key = rollback_key(rollback.place)
        stored = await self._documents.read(key)
        if stored.document == rollback:
            await self._documents.forget(key, stored.revision)
