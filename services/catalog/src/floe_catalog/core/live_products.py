"""Which artifact the service holds a product to, in each environment: a record and an event make the next record."""

from __future__ import annotations

from datetime import datetime

from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.openlineage.naming import Place


def live(
    before: CatalogProduct | None, place: Place, digest: str, sequence: int, compiled_at: datetime
) -> CatalogProduct | None:
    """The record when an artifact becomes live; None if what stands there is the same or newer."""
    if before is not None and before.sequence >= sequence:
        return None
    return CatalogProduct(
        tenant=place.tenant,
        environment=place.environment,
        product=place.product,
        artifact_digest=digest,
        sequence=sequence,
        compiled_at=compiled_at.isoformat(),
        last_maintenance_tick=before.last_maintenance_tick if before else None,
    )


def retired(before: CatalogProduct | None, sequence: int) -> CatalogProduct | None:
    """The record when the product is gone; None if it is gone already, or came back since."""
    if before is None or before.retired or before.sequence >= sequence:
        return None
    return before.model_copy(update={"retired": True, "sequence": sequence})
