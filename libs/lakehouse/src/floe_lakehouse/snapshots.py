"""Reading back what the catalog holds: tables, their snapshots, and which run made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.manifest import DataFile, ManifestContent
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from floe_lakehouse.catalogs import reaching
from floe_lakehouse.errors import TableMissing
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.tables import find_table

PROPERTY_PREFIX: Final = "floe."
RUN_ID: Final = "floe.run-id"
ATTEMPT: Final = "floe.attempt"
FENCE: Final = "floe.fence"
TENANT: Final = "floe.tenant"
ENVIRONMENT: Final = "floe.environment"
PRODUCT: Final = "floe.product"
ARTIFACT_DIGEST: Final = "floe.artifact-digest"
MODE: Final = "floe.mode"
WATERMARK: Final = "floe.watermark"
WATERMARK_COLUMN: Final = "floe.watermark-column"
LATE_ROWS: Final = "floe.late-rows"
LANDING: Final = "floe.landing"
"""Names, in a snapshot of maintenance, the landing on whose rows it stands: that may expire, or not be shown."""
LANDING_RUN: Final = "floe.landing-run"
"""Names, beside it, the run of that landing, so that the same run does not land again."""
MAINTENANCE: Final = "floe.maintenance"
"""Says that a snapshot holds the rows of the one before it, and which action made it."""


@dataclass(frozen=True, slots=True)
class SchemaField:
    """A top-level column: its Iceberg field id, name, type in Iceberg's spelling, and whether it is never null."""

    field_id: int
    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class SnapshotCommit:
    """What the commit of a snapshot did, by the snapshot itself.

    Attributes:
        operation: in Iceberg's words: `append`, `overwrite`, `replace` or `delete`.
        sequence_number: its number among the commits of the table; None in a table of format version 1.
        summary: figures and marks, as in `added-records`.
    """

    operation: str
    sequence_number: int | None
    summary: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """A table and its current snapshot.

    Attributes:
        identifier: namespace levels, then the name.
        table_uuid: the table's identity, whatever it is called.
        location: the URI under which its files stand.
        metadata_location: the URI of its current metadata file.
        snapshot_id: the current snapshot; None for a table that nothing was written to.
        parent_snapshot_id: the one before it.
        operation: what the snapshot did, in Iceberg's words: `append`, `overwrite`, `delete`.
        committed_at_ms: when, in milliseconds since 1970 UTC.
        rows: how many rows it holds, by its own summary.
        files: how many data files it holds.
        size_bytes: how large these are together.
        properties: the `floe.*` properties of the snapshot.
        fields: the columns of the table's current schema.
    """

    identifier: Identifier
    table_uuid: str
    location: str
    metadata_location: str
    snapshot_id: int | None
    parent_snapshot_id: int | None
    operation: str | None
    committed_at_ms: int | None
    rows: int
    files: int
    size_bytes: int
    properties: Mapping[str, str]
    fields: tuple[SchemaField, ...]


def table_summary(catalog: Catalog, identifier: Identifier) -> TableSummary:
    """What the catalog says about a table; reads no data.

    Raises:
        TableMissing: there is no such table.
        CatalogUnreachable: the catalog does not answer.
    """
    table = find_table(catalog, identifier)
    if table is None:
        raise TableMissing(f"there is no table {dotted(identifier)}", hint="has a run landed it?")
    snapshot = table.current_snapshot()
    numbers = summary_of(snapshot)
    return TableSummary(
        identifier=identifier,
        table_uuid=str(table.metadata.table_uuid),
        location=table.location(),
        metadata_location=table.metadata_location,
        snapshot_id=snapshot.snapshot_id if snapshot else None,
        parent_snapshot_id=snapshot.parent_snapshot_id if snapshot else None,
        operation=snapshot.summary.operation.value if snapshot and snapshot.summary else None,
        committed_at_ms=snapshot.timestamp_ms if snapshot else None,
        rows=int(numbers.get("total-records", 0)),
        files=int(numbers.get("total-data-files", 0)),
        size_bytes=int(numbers.get("total-files-size", 0)),
        properties={key: value for key, value in numbers.items() if key.startswith(PROPERTY_PREFIX)},
        fields=schema_fields(table.schema()),
    )


def list_tables(catalog: Catalog, namespace: Identifier) -> tuple[Identifier, ...]:
    """The tables of a namespace, sorted; none for a namespace that does not exist (nothing was landed in it).

    Raises:
        CatalogUnreachable: the catalog does not answer.
    """
    with reaching("the catalog"):
        try:
            return tuple(sorted(catalog.list_tables(namespace)))
        except NoSuchNamespaceError:
            return ()


def snapshot_of_run(metadata: TableMetadata, run_id: str) -> Snapshot | None:
    """The snapshot that a run landed, if the table stands on it; else one of maintenance that has its rows.

    One that was rolled back is not landed any more, although it can still be read.
    """
    standing_on = list(ancestors_of(metadata.current_snapshot(), metadata))
    landed = (one for mark in (RUN_ID, LANDING_RUN) for one in standing_on if summary_of(one).get(mark) == run_id)
    return next(landed, None)


def newest_fence(metadata: TableMetadata) -> int | None:
    """The highest fence token that ever landed; None for a table that floe has not landed.

    A landing writes its token into the table's properties too, so that it outlives the expiry of its snapshot.
    """
    marked = [metadata.properties, *(summary_of(snapshot) for snapshot in metadata.snapshots)]
    return max((int(properties[FENCE]) for properties in marked if FENCE in properties), default=None)


def foreign_snapshots(metadata: TableMetadata, snapshot: Snapshot) -> tuple[int, ...]:
    """The ids of the snapshots that somebody else than floe put between `snapshot` and floe's landing before it."""
    found: list[int] = []
    parent = snapshot.parent_snapshot_id
    for ancestor in ancestors_of(metadata.snapshot_by_id(parent) if parent is not None else None, metadata):
        properties = summary_of(ancestor)
        if RUN_ID in properties:
            break
        if not any(key.startswith(PROPERTY_PREFIX) for key in properties):
            found.append(ancestor.snapshot_id)
    return tuple(found)


def data_files(table: Table, *snapshots: Snapshot) -> dict[str, DataFile]:
    """The data files that live in any of `snapshots`, by location. Reads each manifest once."""
    manifests = {manifest.manifest_path: manifest for one in snapshots for manifest in one.manifests(table.io)}
    return {
        entry.data_file.file_path: entry.data_file
        for manifest in manifests.values()
        if manifest.content == ManifestContent.DATA
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }


def summary_of(snapshot: Snapshot | None) -> Mapping[str, str]:
    """The summary of a snapshot without its operation; empty when there is none."""
    return snapshot.summary.additional_properties if snapshot and snapshot.summary else {}


def commit_of(snapshot: Snapshot) -> SnapshotCommit | None:
    """What the commit of a snapshot did; None where it does not say so."""
    if snapshot.summary is None:
        return None
    return SnapshotCommit(snapshot.summary.operation.value, snapshot.sequence_number, summary_of(snapshot))


def schema_fields(schema: Schema) -> tuple[SchemaField, ...]:
    """The top-level columns of a schema."""
    return tuple(
        SchemaField(field.field_id, field.name, str(field.field_type), field.required) for field in schema.fields
    )
