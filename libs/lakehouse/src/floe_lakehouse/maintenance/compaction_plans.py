"""What a compaction would do to a table as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.manifest import FileFormat
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Record

from floe_lakehouse import locations
from floe_lakehouse.errors import UpsertUnsupported
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.lake_folders import is_reachable
from floe_lakehouse.maintenance.bin_packing import PackedFile, pack
from floe_lakehouse.maintenance.live_files import LiveFile, LiveFiles, ManifestReader, live_files
from floe_lakehouse.maintenance.rewrite_commits import load
from floe_lakehouse.maintenance.rewrite_snapshots import unwritable
from floe_lakehouse.maintenance.rewritten_files import RewriteGroup
from floe_lakehouse.table_rows import table_columns

_READING_TRIES: Final = 5
_VOID: Final = "void"


@dataclass(frozen=True, slots=True)
class CompactionOptions:
    """How a table is compacted.

    Attributes:
        target_file_size_bytes: how large files become, roughly; one below three quarters of it is small.
        min_input_files: how many small files of a partition make it worth it; files with deleted rows always are.
    """

    target_file_size_bytes: int = 128 * 2**20
    min_input_files: int = 5


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """What is to be done.

    Attributes:
        table: as it was loaded.
        reader: has read its manifests.
        live: the files of the snapshot that it shows.
        groups: files that become one each.
    """

    table: Table
    reader: ManifestReader
    live: LiveFiles
    groups: tuple[RewriteGroup, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done; deletes that speak of no file are something."""
        return not self.groups and not self.live.dangling()


class Unsupported(Exception):
    """A table cannot be compacted; the message is the reason, in a sentence."""

    def __init__(self, reason: str, snapshot_id: int | None) -> None:
        super().__init__(reason)
        self.snapshot_id = snapshot_id


def plan_compaction(catalog: Catalog, identifier: Identifier, options: CompactionOptions) -> CompactionPlan:
    """Look at the table's current snapshot and choose what is rewritten.

    Raises:
        Unsupported: it cannot be compacted.
        TableMissing: there is no such table.
        CatalogUnreachable: the catalog does not answer.
    """
    table, reader, live = _read(catalog, identifier)
    _refuse_table(table, live)
    files = {path: _packed(file, live, table.metadata) for path, file in live.data.items()}
    packed = pack(files.values(), target_bytes=options.target_file_size_bytes, min_files=options.min_input_files)
    groups = tuple(_group(live, group, table.metadata) for group in packed)
    _refuse_files(table, live, (file for group in groups for file in group.files))
    return CompactionPlan(table, reader, live, groups)


def _read(catalog: Catalog, identifier: Identifier) -> tuple[Table, ManifestReader, LiveFiles]:
    for attempt in range(_READING_TRIES):
        table = load(catalog, identifier)
        reader = ManifestReader(table.io)
        try:
            return table, reader, live_files(table, reader)
        except FileNotFoundError:  # a newer snapshot came, and expiry took this one
            if attempt == _READING_TRIES - 1:
                raise
    raise AssertionError


def _packed(file: LiveFile, live: LiveFiles, metadata: TableMetadata) -> PackedFile:
    return PackedFile(
        path=file.path,
        size_bytes=file.size_bytes,
        rows=file.rows,
        partition=_destination(file, metadata),
        sequence_number=file.sequence_number,
        has_deletes=bool(live.deletes_of(file)),
    )


def _group(live: LiveFiles, packed: Sequence[PackedFile], metadata: TableMetadata) -> RewriteGroup:
    files = tuple(live.data[file.path] for file in packed)
    deletes = {file.path: live.deletes_of(file) for file in files}
    return RewriteGroup(files, deletes, *_destination(files[0], metadata))


def _destination(file: LiveFile, metadata: TableMetadata) -> tuple[int, Record]:
    """The spec and partition that the rows of a file belong to: by the current spec if the file's own values tell.

    They do where its spec has all fields of the current one. Else its rows could belong to many partitions of that, and
    the file stays in its spec.
    """
    current = metadata.spec()
    if file.spec_id == current.spec_id:
        return file.spec_id, file.partition
    own = metadata.specs()[file.spec_id].fields
    places = {(field.source_id, str(field.transform)): place for place, field in enumerate(own)}
    wanted = [(field.source_id, str(field.transform)) for field in current.fields]
    if not all(field in places or field[1] == _VOID for field in wanted):
        return file.spec_id, file.partition
    return current.spec_id, Record(*(None if field[1] == _VOID else file.partition[places[field]] for field in wanted))


def _refuse_table(table: Table, live: LiveFiles) -> None:
    if reason := unwritable(table.metadata, (file.spec_id for file in live.data.values())):
        raise Unsupported(reason, live.snapshot_id)
    if live.equality_deletes:
        raise Unsupported("another engine deleted rows by equality", live.snapshot_id)
    if not is_reachable(table.location()):
        raise Unsupported("the table stands in a store that floe does not rewrite files in", live.snapshot_id)
    names = [field.name.casefold() for field in table.schema().fields]
    if twice := [field.name for field in table.schema().fields if names.count(field.name.casefold()) > 1]:
        raise Unsupported(f"the columns {', '.join(twice)} differ only in case", live.snapshot_id)
    try:
        table_columns(table.schema())
    except UpsertUnsupported as error:
        raise Unsupported(error.message, live.snapshot_id) from error


def _refuse_files(table: Table, live: LiveFiles, files: Iterable[LiveFile]) -> None:
    folder = locations.duckdb_target(table.location().rstrip("/"))
    for file in files:
        for read in (file, *live.deletes_of(file)):
            if read.file_format != FileFormat.PARQUET:
                raise Unsupported(f"the file {read.path} is not Parquet", live.snapshot_id)
            if not locations.duckdb_target(read.path).startswith(f"{folder}/"):
                raise Unsupported(f"the file {read.path} is not under the table's location", live.snapshot_id)
