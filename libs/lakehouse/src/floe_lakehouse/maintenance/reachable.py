"""All files that snapshots reach: manifest lists, manifests, data and delete files, statistics; and a table's metadata.

Manifests are read as streams and of each entry only three values, so memory does not grow with the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Self

from pyiceberg.avro.file import AvroFile
from pyiceberg.avro.resolver import ReadSchemaResolver, SchemaPartnerAccessor
from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestEntryStatus, ManifestFile, read_manifest_list
from pyiceberg.schema import Schema, visit_with_partner
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.typedef import Record
from pyiceberg.types import IcebergType, IntegerType, LongType, NestedField, StringType, StructType

_READ_AT_ONCE: Final = 4
"""Manifests; they are small, and in an object store each costs a round trip."""
# The field ids are those of Iceberg's specification, "Manifests".
_ENTRY: Final = Schema(
    NestedField(0, "status", IntegerType(), required=True),
    NestedField(
        2,
        "data_file",
        StructType(
            NestedField(100, "file_path", StringType(), required=True),
            NestedField(103, "record_count", LongType(), required=True),
            NestedField(104, "file_size_in_bytes", LongType(), required=True),
        ),
        required=True,
    ),
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a table, as the metadata spells its location; its size and rows, where the metadata says them."""

    path: str
    size_bytes: int | None = None
    rows: int | None = None


def reachable_files(
    io: FileIO, metadata: TableMetadata, snapshots: Iterable[Snapshot], *, missing_ok: bool = False
) -> Iterator[StoredFile]:
    """Everything that must stay so that `snapshots` can be read. A file may come more than once.

    Args:
        io: reads manifests.
        metadata: of the table, for its statistics.
        snapshots: of the table.
        missing_ok: whether a manifest list or a manifest that is gone reaches nothing.

    Raises:
        FileNotFoundError: a manifest list or a manifest is gone.
    """
    wanted = list(snapshots)
    manifests = list(manifests_of(io, wanted, missing_ok=missing_ok))
    return chain(
        (StoredFile(one.manifest_list) for one in wanted),
        (StoredFile(one.manifest_path, one.manifest_length) for one in manifests),
        (file for _, files in files_of(io, manifests, missing_ok=missing_ok) for file in files),
        statistics_of(metadata, {one.snapshot_id for one in wanted}),
    )


def manifests_of(io: FileIO, snapshots: Iterable[Snapshot], *, missing_ok: bool = False) -> Iterator[ManifestFile]:
    """The manifests that the manifest lists of snapshots name, those of delete files too, each once.

    Args:
        io: reads the manifest lists.
        snapshots: whose.
        missing_ok: whether a manifest list that is gone names nothing.

    Raises:
        FileNotFoundError: a manifest list is gone.
    """
    seen: set[str] = set()
    for snapshot in snapshots:
        try:
            for manifest in read_manifest_list(io.new_input(snapshot.manifest_list)):
                if manifest.manifest_path not in seen:
                    seen.add(manifest.manifest_path)
                    yield manifest
        except FileNotFoundError:
            if not missing_ok:
                raise


def files_of(
    io: FileIO, manifests: Iterable[ManifestFile], *, missing_ok: bool = False
) -> Iterator[tuple[ManifestFile, list[StoredFile]]]:
    """The data or delete files that live in each of the manifests, a few manifests at a time.

    Args:
        io: reads the manifests.
        manifests: which.
        missing_ok: whether a manifest that is gone names nothing.

    Raises:
        FileNotFoundError: a manifest is gone.
    """

    def read(manifest: ManifestFile) -> list[StoredFile]:
        try:
            return _living(io, manifest.manifest_path)
        except FileNotFoundError:
            if missing_ok:
                return []
            raise

    left = iter(manifests)
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        while some := list(islice(left, _READ_AT_ONCE)):
            yield from zip(some, pool.map(read, some), strict=True)


def statistics_of(metadata: TableMetadata, snapshot_ids: Iterable[int]) -> Iterator[StoredFile]:
    """The statistics files of snapshots, of tables and of partitions."""
    wanted = set(snapshot_ids)
    for file in chain(metadata.statistics, metadata.partition_statistics):
        if file.snapshot_id in wanted:
            yield StoredFile(file.statistics_path, file.file_size_in_bytes)


def metadata_files(table: Table) -> tuple[str, ...]:
    """The table's metadata file, and those before it of which it still knows."""
    return (table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log))


def _living(io: FileIO, path: str) -> list[StoredFile]:
    with _Entries(io.new_input(path)) as entries:
        living = (entry[1] for entry in entries if entry[0] != ManifestEntryStatus.DELETED.value)
        return [StoredFile(path, size_bytes, rows) for path, rows, size_bytes in map(tuple, living)]


class _Entries(AvroFile[Record]):
    """A manifest of which only some fields are read; pyiceberg 0.12 passes over none that has fields inside."""

    def __enter__(self) -> Self:
        """Open the file; everything that is not asked for is passed over in it."""
        wanted: IcebergType = _ENTRY.as_struct()
        super().__enter__()
        resolver = ReadSchemaResolver(self.read_types, self.read_enums)
        self.reader = visit_with_partner(self.schema.as_struct(), wanted, resolver, _PassingOver())  # type: ignore[misc]
        return self


class _PassingOver(SchemaPartnerAccessor):
    """What is asked for inside of something that is not asked for: nothing."""

    def field_partner(self, partner: IcebergType | None, field_id: int, field_name: str) -> IcebergType | None:
        return super().field_partner(partner, field_id, field_name) if partner else None

    def list_element_partner(self, partner_list: IcebergType | None) -> IcebergType | None:
        return super().list_element_partner(partner_list) if partner_list else None

    def map_key_partner(self, partner_map: IcebergType | None) -> IcebergType | None:
        return super().map_key_partner(partner_map) if partner_map else None

    def map_value_partner(self, partner_map: IcebergType | None) -> IcebergType | None:
        return super().map_value_partner(partner_map) if partner_map else None
