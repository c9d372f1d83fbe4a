"""The journal of a rollback of a product's tables.

It stands in the bucket `floe_catalog_products` under `rollback.<tenant>.<environment>.<product>`, each name escaped,
from before the first table is touched until the last one is done: whoever finds it there while nobody holds the
product's lease finishes it.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from floe_contracts.data import Data, FirstMajor
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import place_key

_PREFIX: Final = "rollback"
ALL_ROLLBACKS: Final = f"{_PREFIX}.*.*.*"
"""The keys of all journals."""


class TableRollback(Data):
    """One table of a rollback. Once the current snapshot is neither of the two, the table is somebody else's matter."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    table_uuid: str = Field(description="Iceberg's id of the table.")
    before: int = Field(description="The snapshot that was current when it was asked.")
    after: int = Field(description="The snapshot that becomes the current one.")


class Rollback(Data):
    """A rollback of some tables of a product."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    tenant: str = Field(description="Whom the product belongs to.")
    environment: str = Field(description="Name of the environment.")
    product: str = Field(description="Name of the product.")
    cause: str = Field(description="Id of the request.")
    requester: str = Field(description="Who asked.")
    to: str = Field(description="What was asked for, as in run:<id>.")
    asked_at: str = Field(description="When, ISO 8601.")
    tables: tuple[TableRollback, ...] = Field(description="What becomes of each table.")

    @property
    def place(self) -> Place:
        """Whose tables they are."""
        return Place(self.tenant, self.environment, self.product)


def rollback_key(place: Place) -> str:
    """The key of the journal of a place."""
    return f"{_PREFIX}.{place_key(place)}"
