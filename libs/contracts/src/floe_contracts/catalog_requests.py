"""What the catalog service can be asked (see `floe_contracts.requests`), and what it answers.

A table is named by its identifier in the catalog, `acme.dev.shop.marts.orders`, or by any tail of it that names no
other table, such as `marts.orders` or `orders`. A snapshot is named by its id, a tag, a branch, an ISO time (what was
current then), or `run:<id>` (what that run left).
"""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from floe_contracts.catalog_access import GRANTS
from floe_contracts.data import Data
from floe_contracts.events.tables import MaintenanceAction, TableColumn, TableDrift, TableSchema
from floe_contracts.maintenance import MOST_DAYS, CompiledMaintenance
from floe_contracts.requests import Answer, Operation, Request, RequestProblem

RUN: Final = "run:"
"""What the id of a run stands behind, where a snapshot is named by it."""
_SERVICE: Final = "catalog"
_PRODUCT: Final = "Only of this product; left out, of all in the environment."
_DRY_RUN: Final = "Say what would be done, and change nothing."
_AT: Final = "A snapshot's id, a tag, a branch, an ISO time, or run:<id>; left out, the current one."
_UNANSWERED: Final = "Products that could not be asked in full, as their catalog is away; none where one is named."


class Unanswered(Data):
    """A product that could not be asked; what there is of others is answered all the same."""

    product: str = Field(description="The product.")
    problem: RequestProblem = Field(description="Why.")


class SnapshotEntry(Data):
    """A snapshot of a table."""

    snapshot_id: int = Field(description="Iceberg's id: 64 bits, more than a double holds.")
    parent_snapshot_id: int | None = Field(default=None, description="The one before it, as far as it is known.")
    committed_at: str = Field(description="When, by the table's own account, ISO 8601.")
    operation: str = Field(description="append, overwrite, replace or delete, as Iceberg calls it.")
    rows: int | None = Field(default=None, description="Rows of the table in this snapshot.")
    files: int | None = Field(default=None, description="Data files of the snapshot.")
    bytes: int | None = Field(default=None, description="Size of the data files.")
    run_id: str | None = Field(default=None, description="The run that committed it, if floe did.")
    artifact_digest: str | None = Field(default=None, description="The artifact of that run.")
    maintenance: bool = Field(default=False, description="Whether it has the rows of the one before in other files.")
    tags: tuple[str, ...] = Field(default=(), description="Tags that point to it.")
    branches: tuple[str, ...] = Field(default=(), description="Branches whose newest it is.")


class ListNamespaces(Request):
    """Which namespaces there are."""

    product: str | None = Field(default=None, description=_PRODUCT)


class NamespaceEntry(Data):
    """A namespace of the catalog."""

    namespace: str = Field(description="Its levels, joined by dots.")
    product: str = Field(description="The product that it belongs to.")
    tables: int = Field(description="Tables that stand right in it.")
    properties: dict[str, str] = Field(default_factory=dict, description="What the catalog says of it.")


class NamespaceList(Answer):
    """The namespaces, by name."""

    namespaces: tuple[NamespaceEntry, ...] = Field(description="All of them.")
    unanswered: tuple[Unanswered, ...] = Field(default=(), description=_UNANSWERED)


class ListTables(Request):
    """Which tables there are."""

    product: str | None = Field(default=None, description=_PRODUCT)


class TableEntry(Data):
    """A table, in one line."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    product: str = Field(description="The product that it belongs to.")
    snapshot: SnapshotEntry | None = Field(default=None, description="The current snapshot, if it has one.")
    drift: int = Field(default=0, description="Differences from what the project declares, when last compared.")


class TableList(Answer):
    """The tables, by name."""

    tables: tuple[TableEntry, ...] = Field(description="All of them.")
    unanswered: tuple[Unanswered, ...] = Field(default=(), description=_UNANSWERED)


class TableRequest(Request):
    """Something about one table."""

    table: str = Field(description="Its identifier, or a tail of it that names no other table.")
    product: str | None = Field(default=None, description=_PRODUCT)


class DescribeTable(TableRequest):
    """What a table is."""


class TableDescription(Answer):
    """A table, in full."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    product: str = Field(description="The product that it belongs to.")
    table_uuid: str = Field(description="Iceberg's id of the table.")
    location: str = Field(description="Where its files stand.")
    format_version: int = Field(description="Version of Iceberg's table format.")
    table_schema: TableSchema = Field(description="Columns and partition fields.")
    properties: dict[str, str] = Field(default_factory=dict, description="Properties of the table.")
    snapshot: SnapshotEntry | None = Field(default=None, description="The current snapshot, if it has one.")
    snapshots: int = Field(description="Snapshots that can be read.")
    drift: tuple[TableDrift, ...] = Field(default=(), description="Differences from what the project declares.")
    commits_since_maintenance: int = Field(default=0, description="Commits since maintenance came to its end.")
    maintained_at: str | None = Field(default=None, description="When that was, ISO 8601.")
    maintenance: CompiledMaintenance = Field(description="How and when it is maintained.")


class ListSnapshots(TableRequest):
    """Which snapshots a table has."""

    limit: int = Field(default=100, ge=1, le=100_000, description="The newest ones.")


class SnapshotList(Answer):
    """The snapshots of a table, the newest first."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    current_snapshot_id: int | None = Field(default=None, description="The one that readers see.")
    total: int = Field(description="How many there are, shown or not.")
    snapshots: tuple[SnapshotEntry, ...] = Field(description="The newest first.")


class DiffSnapshots(TableRequest):
    """What differs between two snapshots."""

    before: str | None = Field(default=None, description="The first; left out, the parent of the second.")
    after: str | None = Field(default=None, description=_AT)
    rows: bool = Field(default=False, description="Compare the rows too, which reads both as a whole.")


class ChangedColumn(Data):
    """A column that is not what it was."""

    before: TableColumn = Field(description="What it was.")
    after: TableColumn = Field(description="What it is.")


class SnapshotDiff(Answer):
    """What differs between two snapshots of a table."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    before: SnapshotEntry = Field(description="The first.")
    after: SnapshotEntry = Field(description="The second.")
    columns_added: tuple[TableColumn, ...] = Field(default=(), description="Columns that only the second has.")
    columns_removed: tuple[TableColumn, ...] = Field(default=(), description="Columns that only the first has.")
    columns_changed: tuple[ChangedColumn, ...] = Field(default=(), description="Columns of another name or type.")
    files_added: int = Field(description="Data files that only the second has.")
    files_removed: int = Field(description="Data files that only the first has.")
    rows_in_added_files: int = Field(description="Rows in the first of these.")
    rows_in_removed_files: int = Field(description="Rows in the second of these.")
    rows_added: int | None = Field(
        default=None, description="Rows that only the second has, in the columns of both; null: they were not compared."
    )
    rows_removed: int | None = Field(default=None, description="Rows that only the first has, likewise.")


class ReadTable(TableRequest):
    """The rows of a table, as data beside the answer."""

    at: str | None = Field(default=None, description=_AT)
    columns: tuple[str, ...] = Field(default=(), description="Only these columns; empty, all.")
    where: str | None = Field(default=None, description="Only rows for which this holds, as in amount > 10.")
    limit: int | None = Field(default=100, ge=1, description="At most so many rows; null, all.")
    form: Literal["json", "arrow"] = Field(
        default="json", description="JSON: one object a line; Arrow: a stream in Arrow's IPC format."
    )


class TableRows(Answer):
    """What came as data."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    snapshot: SnapshotEntry | None = Field(default=None, description="What was read; null if the table is empty.")
    columns: tuple[str, ...] = Field(description="Names of the columns, in order.")
    rows: int = Field(description="How many came.")
    complete: bool = Field(description="Whether there are no more.")


class ChangeTag(TableRequest):
    """Name a snapshot for good, or take the name away."""

    name: str = Field(min_length=1, description="Name of the tag.")
    at: str | None = Field(default=None, description=_AT)
    remove: bool = Field(default=False, description="Take the tag away.")


class ChangeBranch(TableRequest):
    """Begin a branch at a snapshot, or take a branch away."""

    name: str = Field(min_length=1, description="Name of the branch.")
    at: str | None = Field(default=None, description=_AT)
    remove: bool = Field(default=False, description="Take the branch away.")


class ReferenceChanged(Answer):
    """A tag or branch is as it was asked."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    name: str = Field(description="Name of the tag or branch.")
    before: int | None = Field(default=None, description="The snapshot that it pointed to; null: there was none such.")
    after: int | None = Field(default=None, description="The snapshot that it points to; null: it is gone.")


class MaintenanceResult(Data):
    """What an action came to on one table."""

    identifier: str = Field(description="Namespace and name in the catalog.")
    action: MaintenanceAction = Field(description="What was to be done.")
    outcome: Literal["done", "nothing_to_do", "unsupported", "failed"] = Field(description="What came of it.")
    reason: str | None = Field(default=None, description="Why nothing was done, or why it failed, in a sentence.")
    dry_run: bool = Field(default=False, description="Nothing was changed; the figures say what would be.")
    snapshot_before: int | None = Field(default=None, description="The current snapshot when it began.")
    snapshot_after: int | None = Field(default=None, description="The current snapshot when it ended.")
    files_before: int = Field(default=0, description="Files that went into it, or that were looked at.")
    files_after: int = Field(default=0, description="Files that came out of it, or that stay.")
    bytes_before: int = Field(default=0, description="Size of the first.")
    bytes_after: int = Field(default=0, description="Size of the second.")
    snapshots_removed: tuple[int, ...] = Field(default=(), description="Snapshots that are gone.")
    files_removed: int = Field(default=0, description="Files that are gone from the storage.")
    bytes_removed: int = Field(default=0, description="How much of the storage that made free.")
    removed: tuple[str, ...] = Field(default=(), description="The first of these files, at most a thousand.")
    seconds: float = Field(default=0, description="How long it took.")


class MaintenanceRequest(Request):
    """Put tables in order now."""

    table: str | None = Field(default=None, description="The table; left out, all of them.")
    product: str | None = Field(default=None, description=_PRODUCT)
    dry_run: bool = Field(default=False, description=_DRY_RUN)


class CompactTables(MaintenanceRequest):
    """Make few large files of many small ones; what is left out is as the product's policies say."""

    target_file_size_mb: int | None = Field(default=None, ge=1, description="How large files become, in MB.")
    min_input_files: int | None = Field(default=None, ge=2, description="How many small ones are worth it.")


class RewriteManifests(MaintenanceRequest):
    """Make few manifests of many; what is left out is as the product's policies say."""

    min_manifests: int | None = Field(default=None, ge=2, description="How many are worth it.")


class ExpireSnapshots(MaintenanceRequest):
    """Let old snapshots go, and the files that only they hold; what is left out is as the product's policies say."""

    max_age_days: float | None = Field(default=None, ge=0, le=MOST_DAYS, description="How old a snapshot may be.")
    min_snapshots: int | None = Field(default=None, ge=1, description="How many of the newest stay in any case.")


class RemoveOrphans(MaintenanceRequest):
    """Remove files that no snapshot holds; what is left out is as the product's policies say."""

    min_age_days: float | None = Field(
        default=None,
        ge=1,
        le=MOST_DAYS,
        description="How old a file is before it counts: a run may be about to commit younger ones.",
    )


class MaintenanceResults(Answer):
    """What the action came to, table by table."""

    results: tuple[MaintenanceResult, ...] = Field(description="One for each table, by name.")
    unanswered: tuple[Unanswered, ...] = Field(default=(), description=_UNANSWERED)


class RollBack(Request):
    """Make a former snapshot the current one: of a table, or of every table that a run landed."""

    table: str | None = Field(default=None, description="The table; left out, all tables of the run.")
    product: str | None = Field(default=None, description=_PRODUCT)
    to: str = Field(min_length=1, description="A snapshot's id, a tag, an ISO time, or run:<id>.")
    dry_run: bool = Field(default=False, description=_DRY_RUN)

    @property
    def run_id(self) -> str | None:
        """The run that is wanted back, if it is one."""
        return self.to.removeprefix(RUN) if self.to.startswith(RUN) else None

    @model_validator(mode="after")
    def _names_tables(self) -> Self:
        if self.table is None and not self.run_id:
            raise ValueError("name a table, or a run, as in run:<id>: every table has snapshots of its own")
        return self


LIST_NAMESPACES: Final = Operation(_SERVICE, "list-namespaces", ListNamespaces, NamespaceList)
LIST_TABLES: Final = Operation(_SERVICE, "list-tables", ListTables, TableList)
DESCRIBE_TABLE: Final = Operation(_SERVICE, "describe-table", DescribeTable, TableDescription)
LIST_SNAPSHOTS: Final = Operation(_SERVICE, "list-snapshots", ListSnapshots, SnapshotList)
DIFF_SNAPSHOTS: Final = Operation(_SERVICE, "diff-snapshots", DiffSnapshots, SnapshotDiff)
READ_TABLE: Final = Operation(_SERVICE, "read-table", ReadTable, TableRows)
CHANGE_TAG: Final = Operation(_SERVICE, "change-tag", ChangeTag, ReferenceChanged)
CHANGE_BRANCH: Final = Operation(_SERVICE, "change-branch", ChangeBranch, ReferenceChanged)
COMPACT_TABLES: Final = Operation(_SERVICE, "compact-tables", CompactTables, MaintenanceResults)
REWRITE_MANIFESTS: Final = Operation(_SERVICE, "rewrite-manifests", RewriteManifests, MaintenanceResults)
EXPIRE_SNAPSHOTS: Final = Operation(_SERVICE, "expire-snapshots", ExpireSnapshots, MaintenanceResults)
REMOVE_ORPHANS: Final = Operation(_SERVICE, "remove-orphans", RemoveOrphans, MaintenanceResults)
ROLL_BACK: Final = Operation(_SERVICE, "roll-back", RollBack, MaintenanceResults)

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    LIST_NAMESPACES,
    LIST_TABLES,
    DESCRIBE_TABLE,
    LIST_SNAPSHOTS,
    DIFF_SNAPSHOTS,
    READ_TABLE,
    CHANGE_TAG,
    CHANGE_BRANCH,
    ROLL_BACK,
    COMPACT_TABLES,
    REWRITE_MANIFESTS,
    EXPIRE_SNAPSHOTS,
    REMOVE_ORPHANS,
    GRANTS,
)
"""All that the catalog service can be asked."""
