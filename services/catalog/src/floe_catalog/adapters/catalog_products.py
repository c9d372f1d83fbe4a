"""Which artifacts the service holds products to, in the bucket `floe_catalog_products`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from nats.js.kv import KeyValue

from floe_catalog.adapters.stored_documents import StoredDocuments
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import place_key
from floe_contracts.subjects import escape

Change: TypeAlias = Callable[[CatalogProduct | None], CatalogProduct | None]


class CatalogProducts:
    """The products that the service looks after."""

    def __init__(self, bucket: Callable[[], Awaitable[KeyValue]]) -> None:
        """Work on the bucket that `bucket` opens."""
        self._documents = StoredDocuments(CatalogProduct, bucket)

    async def find(self, place: Place) -> CatalogProduct | None:
        """The product at a place; None if there is none, or it is retired."""
        record = (await self._documents.read(place_key(place))).document
        return None if record is None or record.retired else record

    async def live(self, *, tenant: str | None = None, product: str | None = None) -> tuple[CatalogProduct, ...]:
        """All that are not retired, in every environment; a name narrows it down.

        Raises:
            Unreachable: the bus does not answer.
        """
        return tuple(record for record in await self.recorded(tenant=tenant, product=product) if not record.retired)

    async def recorded(self, *, tenant: str | None = None, product: str | None = None) -> tuple[CatalogProduct, ...]:
        """As `live`, and those too that are retired."""
        pattern = ".".join("*" if name is None else escape(name) for name in (tenant, None, product))
        return tuple(await self._documents.below(pattern))

    async def change(self, place: Place, change: Change) -> CatalogProduct | None:
        """Write what `change` makes of the record of a place, a retired one too; None leaves it.

        Returns:
            What stands there now.

        Raises:
            RecordChanged: others were faster, time after time.
            Unreachable: the bus does not answer.
        """
        return await self._documents.change(place_key(place), change)
