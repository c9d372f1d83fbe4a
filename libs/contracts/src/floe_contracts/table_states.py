"""What was told of each table last: the catalog service's memory.

It stands in the bucket `floe_tables` under `<tenant>.<environment>.<product>.<identifier>`, each part escaped. The
catalog service writes it by compare-and-set, after the events that it speaks of are stored; anybody may read it.
Whatever the catalog shows beyond it is told next.
"""

from __future__ import annotations

from pydantic import Field

from floe_contracts.data import Data, FirstMajor
from floe_contracts.events.tables import TableDrift, TableSchema
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape


class TableState(Data):
    """A table, as far as events tell of it."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    tenant: str = Field(description="Whom the product belongs to.")
    environment: str = Field(description="Name of the environment.")
    product: str = Field(description="Name of the product.")
    identifier: str = Field(description="Namespace and name in the catalog.")
    table_uuid: str = Field(description="Iceberg's id of the table.")
    snapshot_id: int | None = Field(default=None, description="The snapshot that was told of last.")
    sequence_number: int = Field(
        default=0, description="The largest of Iceberg's sequence numbers of the snapshots that were told of."
    )
    table_schema: TableSchema = Field(description="The columns and partition fields that were told of last.")
    commits_since_maintenance: int = Field(default=0, description="Commits that were told of since then.")
    since: str | None = Field(
        default=None, description="When the first snapshot was committed that was told of, ISO 8601."
    )
    maintained_at: str | None = Field(default=None, description="When maintenance last came to its end, ISO 8601.")
    drift: tuple[TableDrift, ...] = Field(default=(), description="Differences that were told of last.")

    @property
    def place(self) -> Place:
        """Whose table it is."""
        return Place(self.tenant, self.environment, self.product)


def table_state_key(place: Place, identifier: str) -> str:
    """The key of a table's state."""
    return ".".join(escape(name) for name in (place.tenant, place.environment, place.product, identifier))
