"""The files of which a snapshot consists, read from its manifests once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.typedef import Record

from floe_lakehouse.manifest_avro import live_entries

_REMEMBERED_ENTRIES: Final = 16
"""Up to so many a manifest's entries are kept: opening it again costs more than they hold. Others are read again."""
_PATH_FIELD_ID: Final = 2147483546
"""Of the column of a positional delete file that names data files (Iceberg's specification, "Reserved Field IDs")."""


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A data or delete file of a snapshot, without its statistics, which are most of what a manifest says of it.

    Attributes:
        path: its location.
        content: rows, positional deletes or equality deletes.
        file_format: Parquet, or what others write.
        size_bytes: how large it is.
        rows: how many rows, or deletes, it holds.
        spec_id: the partition spec under which it was written.
        partition: its values of that.
        sequence_number: deletes speak of files that are as old as they or older.
        manifest: the location of the manifest that names it.
        names: of positional deletes, the data files that they speak of; None if that is not known.
    """

    path: str
    content: DataFileContent
    file_format: FileFormat
    size_bytes: int
    rows: int
    spec_id: int
    partition: Record
    sequence_number: int
    manifest: str
    names: frozenset[str] | None = None


class ManifestReader:
    """Reads live entries of manifests, and which files deletes speak of; what is small and never changes once."""

    def __init__(self, io: FileIO) -> None:
        self._io = io
        self._remembered: dict[str, list[ManifestEntry]] = {}
        self._listed: tuple[str, list[ManifestFile]] | None = None
        self._names: dict[str, frozenset[str] | None] = {}

    def entries(self, manifest: ManifestFile) -> list[ManifestEntry]:
        """Its live entries, with sequence numbers and snapshot ids as they inherit them."""
        if (known := self._remembered.get(manifest.manifest_path)) is not None:
            return known
        entries = live_entries(self._io, manifest)
        if len(entries) <= _REMEMBERED_ENTRIES:
            self._remembered[manifest.manifest_path] = entries
        return entries

    def names(self, deletes: DataFile, data: Mapping[str, LiveFile]) -> frozenset[str] | None:
        """The data files that positional deletes speak of; None if that is not known.

        Where their bounds are one file of `data` it is that; else the deletes themselves are read.
        """
        only = _only_path(deletes)
        if only is not None and only in data:
            return frozenset((only,))
        if deletes.file_path not in self._names:
            self._names[deletes.file_path] = self._read_names(deletes)
        return self._names[deletes.file_path]

    def _read_names(self, deletes: DataFile) -> frozenset[str] | None:
        if deletes.file_format != FileFormat.PARQUET:
            return None
        with self._io.new_input(deletes.file_path).open() as stream:
            batches = pq.ParquetFile(stream).iter_batches(columns=["file_path"])
            return frozenset(path for batch in batches for path in batch.column(0).unique().to_pylist())

    def manifests(self, snapshot: Snapshot) -> list[ManifestFile]:
        """The manifests of a snapshot that name living files."""
        if self._listed is None or self._listed[0] != snapshot.manifest_list:
            manifests = snapshot.manifests(self._io)
            living = [one for one in manifests if one.has_added_files() or one.has_existing_files()]
            self._listed = snapshot.manifest_list, living
        return self._listed[1]


@dataclass(frozen=True)
class LiveFiles:
    """The files of a snapshot.

    Attributes:
        snapshot_id: the snapshot; None for a table that nothing was written to.
        data: data files, by location.
        deletes: delete files, by location.
        manifests: how many manifests name them.
    """

    snapshot_id: int | None
    data: Mapping[str, LiveFile]
    deletes: Mapping[str, LiveFile]
    manifests: int

    @cached_property
    def equality_deletes(self) -> bool:
        """Whether rows are deleted by what they say, not by where they stand."""
        return any(file.content == DataFileContent.EQUALITY_DELETES for file in self.deletes.values())

    @cached_property
    def _deletes_by_path(self) -> Mapping[str | None, list[LiveFile]]:
        """Delete files by the data files that they speak of; under None those of which that is not known."""
        found: dict[str | None, list[LiveFile]] = defaultdict(list)
        for file in self.deletes.values():
            for path in (None,) if file.names is None else file.names:
                found[path].append(file)
        return found

    def deletes_of(self, file: LiveFile) -> tuple[LiveFile, ...]:
        """The positional delete files that speak of a data file, or may (specification, "Scan Planning")."""
        known = self._deletes_by_path
        return tuple(
            deletes
            for deletes in (*known.get(file.path, ()), *known.get(None, ()))
            if deletes.sequence_number >= file.sequence_number
            and (deletes.spec_id, deletes.partition) == (file.spec_id, file.partition)
        )

    def dangling(self, gone: Iterable[str] = ()) -> tuple[LiveFile, ...]:
        """The positional delete files that speak of no data file, once those in `gone` are gone."""
        going = set(gone)
        needed = {
            deletes.path for file in self.data.values() if file.path not in going for deletes in self.deletes_of(file)
        }
        return tuple(
            file
            for file in self.deletes.values()
            if file.content == DataFileContent.POSITION_DELETES and file.path not in needed
        )


def live_files(table: Table, reader: ManifestReader) -> LiveFiles:
    """The files of the table's current snapshot."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return LiveFiles(None, {}, {}, 0)
    data: dict[str, LiveFile] = {}
    deletes: list[tuple[ManifestEntry, ManifestFile]] = []
    manifests = reader.manifests(snapshot)
    for manifest in manifests:
        for entry in reader.entries(manifest):
            if entry.data_file.content == DataFileContent.DATA:
                data[entry.data_file.file_path] = _live_file(entry, manifest)
            else:
                deletes.append((entry, manifest))
    found = {
        entry.data_file.file_path: _live_file(entry, manifest, _names(entry.data_file, reader, data))
        for entry, manifest in deletes
    }
    return LiveFiles(snapshot.snapshot_id, data, found, len(manifests))


def _names(deletes: DataFile, reader: ManifestReader, data: Mapping[str, LiveFile]) -> frozenset[str] | None:
    return reader.names(deletes, data) if deletes.content == DataFileContent.POSITION_DELETES else None


def _live_file(entry: ManifestEntry, manifest: ManifestFile, names: frozenset[str] | None = None) -> LiveFile:
    file = entry.data_file
    return LiveFile(
        path=file.file_path,
        content=file.content,
        file_format=file.file_format,
        size_bytes=file.file_size_in_bytes,
        rows=file.record_count,
        spec_id=file.spec_id,
        partition=file.partition,
        sequence_number=entry.sequence_number or 0,
        manifest=manifest.manifest_path,
        names=names,
    )


def _only_path(deletes: DataFile) -> str | None:
    """What the bounds of positional deletes say if they are alike; a path, or a part of one."""
    lower = (deletes.lower_bounds or {}).get(_PATH_FIELD_ID)
    upper = (deletes.upper_bounds or {}).get(_PATH_FIELD_ID)
    if lower is None or lower != upper:
        return None
    return lower.decode(errors="replace")
