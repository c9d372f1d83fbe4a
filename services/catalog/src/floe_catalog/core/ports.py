"""What the catalog service needs from the Iceberg catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from floe_catalog.core.namespaces import ProductNamespace
from floe_lakehouse.identifiers import Identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSnapshot:
    """One snapshot as the table itself tells of it; `bytes` are those of the data files."""

    snapshot_id: int
    parent_snapshot_id: int | None
    operation: str
    rows: int
    files: int
    bytes: int
    run_id: str | None
    artifact_digest: str | None


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table of the catalog, and the snapshot that was asked for, if the table has it."""

    table_uuid: str
    snapshot: FoundSnapshot | None


class Lakehouse(Protocol):
    """The catalog of all environments."""

    async def ensure(self, namespace: ProductNamespace) -> None:
        """Make the namespace exist; what it says of a newer artifact stays."""
        ...

    async def find(self, identifier: Identifier, snapshot_id: int) -> FoundTable | None:
        """The table, or None if the catalog has none of that name."""
        ...

    async def ping(self) -> None:
        """Raise if the catalog does not answer."""
        ...
