"""What happens to tables in the catalog."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from floe_contracts.data import Data
from floe_contracts.events.scopes import EnvironmentEvent
from floe_contracts.subjects import EventKind

DriftKind = Literal["missing_table", "missing_column", "extra_column", "type", "nullability", "partition"]
MaintenanceAction = Literal["compaction", "manifests", "expiry", "orphans", "rollback", "tag", "branch"]
MaintenanceOutcome = Literal["done", "nothing_to_do", "unsupported", "failed"]


class TableEvent(EnvironmentEvent):
    """Something happened to one table."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    table_uuid: str = Field(description="Iceberg's id of the table.")

    def detail(self) -> str:
        """The table's identifier."""
        return self.identifier


class TableColumn(Data):
    """A top-level column of a table."""

    field_id: int = Field(description="Iceberg's id of the column.")
    name: str = Field(description="Name of the column.")
    type: str = Field(description="Iceberg's type, as in decimal(10, 2).")
    required: bool = Field(description="Whether it is never null.")


class TableSchema(Data):
    """Columns and partition fields of a table."""

    schema_id: int = Field(description="Iceberg's id of the schema.")
    columns: tuple[TableColumn, ...] = Field(description="The columns, in order.")
    partition_by: tuple[str, ...] = Field(default=(), description="The partition fields, as in day(ordered_at).")


class TableCreated(TableEvent):
    """A table came into the catalog."""

    kind = EventKind.TABLE_CREATED

    location: str = Field(description="Where its files stand.")
    table_schema: TableSchema = Field(description="Columns and partition fields that it came with.")


class TableCommitted(TableEvent):
    """A snapshot became the current one of a table."""

    kind = EventKind.TABLE_COMMITTED

    snapshot_id: int = Field(description="Iceberg's id of the snapshot: 64 bits, more than a double holds.")
    parent_snapshot_id: int | None = Field(default=None, description="The snapshot that was current before.")
    operation: str = Field(description="append, overwrite, replace or delete, as Iceberg calls it.")
    rows: int = Field(description="Rows of the data files, by the snapshot's own summary.")
    files: int = Field(description="Data files of the snapshot.")
    bytes: int = Field(description="Size of the data files.")
    delete_files: int = Field(
        default=0, description="Files beside them that say which rows are gone; `rows` counts those still."
    )
    run_id: str | None = Field(default=None, description="The run that committed it, if floe did.")
    artifact_digest: str | None = Field(default=None, description="The artifact of that run.")
    committed_at: str | None = Field(default=None, description="When, by the table's own account, ISO 8601.")
    maintenance: bool = Field(
        default=False, description="Whether it only puts the same rows into other files, as a compaction does."
    )


class TableSchemaChanged(TableEvent):
    """A table has other columns or partition fields than before."""

    kind = EventKind.TABLE_SCHEMA_CHANGED

    before: TableSchema = Field(description="What was told of last.")
    after: TableSchema = Field(description="What there is now.")


class TableMaintained(TableEvent):
    """Somebody put a table in order, or tried to."""

    kind = EventKind.TABLE_MAINTAINED

    action: MaintenanceAction = Field(description="What was to be done.")
    outcome: MaintenanceOutcome = Field(description="What came of it.")
    reason: str | None = Field(default=None, description="Why nothing was done, or why it failed, in a sentence.")
    requester: str = Field(description="Who asked: `commits`, `schedule`, or a person.")
    snapshot_before: int | None = Field(default=None, description="The current snapshot when it began.")
    snapshot_after: int | None = Field(default=None, description="The current snapshot when it was done.")
    files_before: int = Field(default=0, description="Files that went into it, or that were looked at.")
    files_after: int = Field(default=0, description="Files that came out of it, or that stay.")
    bytes_before: int = Field(default=0, description="Size of the first.")
    bytes_after: int = Field(default=0, description="Size of the second.")
    snapshots_removed: int = Field(default=0, description="Snapshots that are gone.")
    files_removed: int = Field(default=0, description="Files that are gone from the storage.")
    bytes_removed: int = Field(default=0, description="How much of the storage that made free.")
    seconds: float = Field(default=0, description="How long it took.")


class TableDropped(TableEvent):
    """A table that was there is there no longer."""

    kind = EventKind.TABLE_DROPPED

    last_snapshot_id: int | None = Field(default=None, description="The snapshot that was told of last.")


class TableDrift(Data):
    """One difference between a table and what the project declares of it."""

    kind: DriftKind = Field(description="What differs.")
    column: str | None = Field(default=None, description="The column, where it is one.")
    declared: str | None = Field(default=None, description="What the project declares.")
    found: str | None = Field(default=None, description="What there is.")


class TableChecked(TableEvent):
    """A table was compared with what the project declares of it, and the outcome is another one than last time."""

    kind = EventKind.TABLE_CHECKED

    artifact_digest: str = Field(description="The artifact that declares it.")
    unique_id: str = Field(description="dbt's id of the node.")
    drift: tuple[TableDrift, ...] = Field(description="All differences; empty once there are none any more.")
