"""Which artifact the catalog service holds a product to, in each environment.

It stands in the bucket `floe_catalog_products` under `<tenant>.<environment>.<product>`, each part escaped: every
replica of the service finds there which catalogs it looks after, whenever it starts.
"""

from __future__ import annotations

from pydantic import Field

from floe_contracts.data import Data, FirstMajor
from floe_contracts.openlineage.naming import Place


class CatalogProduct(Data):
    """A product in one environment."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    tenant: str = Field(description="Whom the product belongs to.")
    environment: str = Field(description="Name of the environment.")
    product: str = Field(description="Name of the product.")
    artifact_digest: str = Field(description="Digest of its newest artifact, which names catalog and storage.")
    sequence: int = Field(description="Place of its event in FLOE_ARTIFACTS: an older event changes nothing.")
    compiled_at: str | None = Field(default=None, description="When its event was published, ISO 8601.")
    last_maintenance_tick: str | None = Field(
        default=None, description="The last tick of the maintenance's schedule that was taken up, ISO 8601."
    )

    retired: bool = Field(
        default=False, description="Whether the product is gone: its tables stay, nobody looks after them."
    )

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.tenant, self.environment, self.product)
