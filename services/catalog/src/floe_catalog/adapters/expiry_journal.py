"""The journals of expiries, in the bucket `floe_catalog_products`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nats.js.kv import KeyValue

from floe_catalog.adapters.stored_documents import StoredDocuments
from floe_contracts.expiry_attempts import ALL_EXPIRY_ATTEMPTS, ExpiryAttempt, expiry_attempt_key
from floe_contracts.openlineage.naming import Place


class ExpiryJournal:
    """The expiries of which nothing is told yet, one a table at most: whoever has the table's lease writes it."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._documents = StoredDocuments(ExpiryAttempt, bucket)

    async def find(self, place: Place, identifier: str) -> ExpiryAttempt | None:
        """The expiry of a table of which nothing is told yet.

        Raises:
            Unreachable: the bus does not answer.
        """
        return (await self._documents.read(expiry_attempt_key(place, identifier))).document

    async def all(self) -> list[ExpiryAttempt]:
        """Those of all tables.

        Raises:
            Unreachable: the bus does not answer.
        """
        return await self._documents.below(ALL_EXPIRY_ATTEMPTS)

    async def begin(self, attempt: ExpiryAttempt) -> None:
        """Write down what is about to be committed.

        Raises:
            RecordChanged: others write it too, time after time.
            Unreachable: the bus does not answer; it may have been written.
        """
        await self._documents.change(expiry_attempt_key(attempt.place, attempt.identifier), lambda _: attempt)

    async def end(self, attempt: ExpiryAttempt) -> None:
        """It is told, or nothing came of it. What somebody else has begun since stays.

        Raises:
            Unreachable: the bus does not answer.
        """
        key = expiry_attempt_key(attempt.place, attempt.identifier)
        stored = await self._documents.read(key)
        if stored.document == attempt:
            await self._documents.forget(key, stored.revision)
