"""What the catalog service needs from the Iceberg catalogs of its environments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from floe_catalog.core.declared_tables import DeclaredTable
from floe_catalog.core.namespaces import ProductNamespace
from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.events import TableSchema
from floe_contracts.openlineage.naming import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSnapshot:
    """One snapshot as the table itself tells of it; `rows` and `bytes` are those of the data files.

    Its sequence number is larger than those of all that were made before; 0 in a table of Iceberg's first format.
    """

    snapshot_id: int
    parent_snapshot_id: int | None
    sequence_number: int
    operation: str
    rows: int
    files: int
    bytes: int
    delete_files: int
    run_id: str | None
    artifact_digest: str | None
    committed_at: str
    maintenance: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTable:
    """A table as the catalog shows it.

    Attributes:
        identifier: namespace and name, dotted.
        table_uuid: the table's identity.
        location: where its files stand.
        metadata_location: its current metadata file: another one for every change.
        schema: columns and partition fields.
        snapshot_id: the current snapshot; None for a table that nothing was written to.
        snapshots: all that it has, by id, on whatever branch.
        log: the ids of those that were the current one, the first one first, as far as the table says.
        forgets: whether its catalog shows the current one only.
    """

    identifier: str
    table_uuid: str
    location: str
    metadata_location: str
    schema: TableSchema
    snapshot_id: int | None
    snapshots: Mapping[int, ShownSnapshot]
    log: tuple[int, ...] = ()
    forgets: bool = False


class Lakehouse(Protocol):
    """The catalogs of all environments; each environment of a tenant has its own.

    Everything raises `CatalogUnreachable` when the catalog does not answer.
    """

    async def ensure(self, place: Place, environment: CompiledEnvironment, namespace: ProductNamespace) -> None:
        """Make the namespace exist; what it says of a newer artifact stays."""
        ...

    async def find(self, place: Place, environment: CompiledEnvironment, identifier: str) -> ShownTable | None:
        """The table, or None if the catalog has none of that name."""
        ...

    async def listed(self, place: Place, environment: CompiledEnvironment) -> Mapping[str, str | None]:
        """All tables below the namespace of a place: identifier -> metadata location, where listing tells it."""
        ...

    async def types(self, compute: str, words: Iterable[str]) -> Mapping[str, str]:
        """The Iceberg types, spelled, of what a compute calls its types; without those that nobody knows."""
        ...

    async def create(self, place: Place, environment: CompiledEnvironment, table: DeclaredTable) -> None:
        """Create a declared table, empty, as its first landing would; one that exists stays as it is.

        Raises:
            UnsupportedColumnType: a type has no Iceberg form.
            PartitionFieldInvalid: a partition field does not fit the columns.
        """
        ...

    async def evolve(self, place: Place, environment: CompiledEnvironment, table: DeclaredTable) -> None:
        """Add and widen columns, and change partition fields, as a landing would; what breaks readers is refused.

        Raises:
            SchemaBroken: readers would break.
            PartitionFieldInvalid: a partition field does not fit the columns.
            TableContended: others change the table, time after time.
        """
        ...

    async def ping(self) -> None:
        """Raise if the catalog of the service's own settings does not answer."""
        ...
