"""Telling of the tables that a run says it has landed, once the tables themselves bear that out."""

from __future__ import annotations

import asyncio
from typing import Final

from floe_catalog.core.claims import Contradiction, Missing, Objection, objection, outside
from floe_catalog.errors import ClaimWrong, SnapshotNotThere
from floe_catalog.tables.products import Product, Products
from floe_catalog.tables.telling import Teller
from floe_contracts.cloudevents import Received
from floe_contracts.events import LandedTable, RunCompleted
from floe_contracts.openlineage.naming import Place

_AT_ONCE: Final = 8
"""Tables of one run that are told of at the same time."""
_BUILT: Final = frozenset({"success", "warned"})


class Landed:
    """The subscriber of completed runs."""

    def __init__(self, products: Products, teller: Teller) -> None:
        self._products = products
        self._teller = teller

    async def completed(self, received: Received[RunCompleted]) -> None:
        """Tell what is new of every table that the run has landed, or should have.

        What the tables show is told even where the run says something else.

        Raises:
            SnapshotNotThere: a snapshot is not there yet.
            ClaimWrong: a table contradicts what the run says.
            EnvironmentUnknown: the artifact of the run does not have its environment.
            CatalogUnreachable: the catalog does not answer.
            BlobMissing: the artifact is not in the blob store.
            Unreachable: the bus or the blob store does not answer.
        """
        run = received.event
        place = Place(run.tenant, run.environment, run.product)
        # Where the run has landed is what its own artifact says, whatever was compiled since.
        built = await self._products.read(place, run.artifact_digest)
        product = await self._products.declared_now(built)
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(claim: LandedTable) -> Objection | None:
            if not built.owns(claim.identifier):
                return outside(run, claim)
            async with limit:
                shown = await self._teller.tell(product, claim.identifier, cause=received.attributes)
            declared = built.tables.get(claim.identifier)
            return objection(run, claim, shown, attached=declared is not None and declared.attached)

        found = await asyncio.gather(*map(one, run.tables), return_exceptions=True)
        await asyncio.gather(*(self._teller.tell(product, each, built=True) for each in _absent(built, run)))
        if failed := [each for each in found if isinstance(each, BaseException)]:
            raise failed[0]
        if missing := [each.sentence for each in found if isinstance(each, Missing)]:
            raise SnapshotNotThere("; ".join(missing))
        if wrong := [each.sentence for each in found if isinstance(each, Contradiction)]:
            raise ClaimWrong(wrong)


def _absent(product: Product, run: RunCompleted) -> list[str]:
    """The tables that the run built and does not say that it landed."""
    built = {outcome.unique_id for outcome in run.nodes if outcome.status in _BUILT}
    landed = {claim.identifier for claim in run.tables}
    return [
        identifier
        for identifier, table in product.tables.items()
        if table.columns and table.unique_id in built and identifier not in landed
    ]
