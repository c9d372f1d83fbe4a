"""The journal of an expiry: what nobody could tell of it afterwards, as it leaves no snapshot.

It stands in the bucket `floe_catalog_products` under `expiry.<tenant>.<environment>.<product>.<identifier>`, each name
escaped, from before the commit until what came of it is told: whoever finds it there while nobody holds the table's
lease tells it.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from floe_contracts.data import Data, FirstMajor
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import place_key
from floe_contracts.subjects import escape

_PREFIX: Final = "expiry"
ALL_EXPIRY_ATTEMPTS: Final = f"{_PREFIX}.*.*.*.*"
"""The keys of all journals."""


class ExpiryAttempt(Data):
    """An expiry of a table's snapshots that is about to be committed."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    tenant: str = Field(description="Whom the product belongs to.")
    environment: str = Field(description="Name of the environment.")
    product: str = Field(description="Name of the product.")
    identifier: str = Field(description="Namespace and name in the catalog.")
    table_uuid: str = Field(description="Iceberg's id of the table.")
    metadata_location: str = Field(
        description="The table's metadata file before it: what it names and the table lacks is gone."
    )
    cause: str = Field(description="Names why, as the event will.")
    requester: str = Field(description="Who asked, as the event will say.")

    @property
    def place(self) -> Place:
        """Whose table it is."""
        return Place(self.tenant, self.environment, self.product)


def expiry_attempt_key(place: Place, identifier: str) -> str:
    """The key of the journal of a table."""
    return f"{_PREFIX}.{place_key(place)}.{escape(identifier)}"
