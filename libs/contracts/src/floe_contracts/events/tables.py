"""What happens to tables in the catalog."""

from __future__ import annotations

from pydantic import Field

from floe_contracts.events.scopes import EnvironmentEvent
from floe_contracts.subjects import EventKind


class TableCommitted(EnvironmentEvent):
    """A snapshot became the current one of a table."""

    kind = EventKind.TABLE_COMMITTED

    identifier: str = Field(description="Namespace and name in the catalog.")
    table_uuid: str = Field(description="Iceberg's id of the table.")
    snapshot_id: int = Field(description="Iceberg's id of the snapshot: 64 bits, more than a double holds.")
    parent_snapshot_id: int | None = Field(default=None, description="The snapshot that was current before.")
    operation: str = Field(description="append, overwrite, replace or delete, as Iceberg calls it.")
    rows: int = Field(description="Rows of the table in this snapshot.")
    files: int = Field(description="Data files of the snapshot.")
    bytes: int = Field(description="Size of the data files.")
    run_id: str | None = Field(default=None, description="The run that committed it, if floe did.")
    artifact_digest: str | None = Field(default=None, description="The artifact of that run.")

    def detail(self) -> str:
        """The table's identifier."""
        return self.identifier
