"""A snapshot with the same rows as the one before it, in other files or named by other manifests.

pyiceberg 0.12 has no `replace` operation, writes no manifests of delete files, and writes whatever is added under the
table's current partition spec. Its producer of snapshots is used for all the rest; its parts are private, so the
version is pinned, and the tests read the result with two other readers too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from pyiceberg.exceptions import ValidationException
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    ManifestWriterV2,
)
from pyiceberg.table import TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import (
    Operation,
    Snapshot,
    SnapshotSummaryCollector,
    Summary,
    update_snapshot_summaries,
)
from pyiceberg.table.update import AssertTableUUID, UpdatesAndRequirements
from pyiceberg.table.update.snapshot import _SnapshotProducer
from pyiceberg.utils.properties import property_as_int

from floe_lakehouse.maintenance.live_files import ManifestReader

_NEWEST_FORMAT: Final = 2
_NO_PROPERTIES: Final[dict[str, str]] = {}


class RewriteSnapshot(_SnapshotProducer["RewriteSnapshot"]):
    """Replaces files by others, and manifests by fewer, on exactly the snapshot that the transaction began with.

    Entries of files that stay keep their snapshot ids and sequence numbers, as the specification wants it.

    Args:
        transaction: on the table as it was loaded.
        reader: has read the table's manifests before.
        added: files that come; each under its own partition spec.
        gone: locations of files that go, data and delete files.
        manifests: locations of the manifests that are written again; those that name a file in `gone` must be among
            them.
        properties: what the snapshot's summary says besides the figures.
    """

    def __init__(
        self,
        transaction: Transaction,
        reader: ManifestReader,
        *,
        added: Sequence[DataFile],
        gone: Iterable[str],
        manifests: Iterable[str],
        properties: Mapping[str, str],
    ) -> None:
        super().__init__(
            operation=Operation.REPLACE,
            transaction=transaction,
            io=transaction._table.io,  # noqa: SLF001 - a transaction has no public name for it
            snapshot_properties=dict(properties),
        )
        self._reader = reader
        self._added_data_files = list(added)
        self._gone = frozenset(gone)
        self._rewritten = frozenset(manifests)
        self._target_bytes = _number(
            transaction.table_metadata,
            TableProperties.MANIFEST_TARGET_SIZE_BYTES,
            TableProperties.MANIFEST_TARGET_SIZE_BYTES_DEFAULT,
        )

    def changes(self) -> UpdatesAndRequirements:
        """Write the manifests, and say what is to be committed.

        The transaction is left out of it: it would try again by itself where the table's properties allow it.

        Raises:
            ValidationException: a file that goes is not in the table.
        """
        updates, requirements = self._commit()
        return updates, (*requirements, AssertTableUUID(uuid=self._transaction.table_metadata.table_uuid))

    def discard(self) -> None:
        """Remove the manifests, of a commit that is known to have failed."""
        self._clean_all_uncommitted()

    def _manifests(self) -> list[ManifestFile]:
        added = [
            ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED,
                snapshot_id=self._snapshot_id,
                sequence_number=None,
                file_sequence_number=None,
                data_file=file,
            )
            for file in self._added_data_files
        ]
        deleted = self._deleted_entries()
        self._deleted_data_files = {entry.data_file for entry in deleted}
        if len(deleted) != len(self._gone):
            raise ValidationException("a file that was rewritten is not in the table any more")
        return [*self._written(added), *self._existing_manifests(), *self._written(deleted)]

    def _existing_manifests(self) -> list[ManifestFile]:
        """The manifests that stay, and new ones with what stays of the others."""
        kept = [one for one in self._before() if one.manifest_path not in self._rewritten]
        staying = (
            _with_status(entry, ManifestEntryStatus.EXISTING, entry.snapshot_id)
            for entry in self._rewritten_entries()
            if entry.data_file.file_path not in self._gone
        )
        return [*self._written(staying), *kept]

    def _deleted_entries(self) -> list[ManifestEntry]:
        return [
            _with_status(entry, ManifestEntryStatus.DELETED, self._snapshot_id)
            for entry in self._rewritten_entries()
            if entry.data_file.file_path in self._gone
        ]

    def _before(self) -> list[ManifestFile]:
        snapshot = self._parent()
        return self._reader.manifests(snapshot) if snapshot else []

    def _parent(self) -> Snapshot | None:
        if self._parent_snapshot_id is None:
            return None
        return self._transaction.table_metadata.snapshot_by_id(self._parent_snapshot_id)

    def _rewritten_entries(self) -> Iterable[ManifestEntry]:
        for manifest in self._before():
            if manifest.manifest_path in self._rewritten:
                yield from self._reader.entries(manifest)

    def _written(self, entries: Iterable[ManifestEntry]) -> list[ManifestFile]:
        """Entries in manifests of their own kind and spec, each of about the table's target size."""
        done: list[ManifestFile] = []
        writing: dict[tuple[ManifestContent, int], tuple[ExitStack, ManifestWriter]] = {}
        for entry in entries:
            rows = entry.data_file.content == DataFileContent.DATA
            kind = (ManifestContent.DATA if rows else ManifestContent.DELETES, entry.data_file.spec_id)
            if kind not in writing:
                closing = ExitStack()
                writing[kind] = closing, closing.enter_context(self._writer(*kind))
            closing, writer = writing[kind]
            writer.add_entry(entry)
            if writer.tell() >= self._target_bytes:
                closing.close()
                done.append(writer.to_manifest_file())
                del writing[kind]
        for closing, writer in writing.values():
            closing.close()
            done.append(writer.to_manifest_file())
        return done

    def _writer(self, content: ManifestContent, spec_id: int) -> ManifestWriter:
        spec = self.spec(spec_id)
        if content == ManifestContent.DATA:
            return self.new_manifest_writer(spec)
        return _DeletesWriter(spec, self.schema(), self.new_manifest_output(), self._snapshot_id, self._compression)

    def _summary(self, snapshot_properties: dict[str, str] = _NO_PROPERTIES) -> Summary:
        metadata = self._transaction.table_metadata
        specs, schema = metadata.specs(), metadata.schema()
        limit = _number(
            metadata,
            TableProperties.WRITE_PARTITION_SUMMARY_LIMIT,
            TableProperties.WRITE_PARTITION_SUMMARY_LIMIT_DEFAULT,
        )
        collected = SnapshotSummaryCollector(limit)
        for file in self._added_data_files:
            collected.add_file(file, schema, specs[file.spec_id])
        for file in self._deleted_data_files:
            collected.remove_file(file, schema, specs[file.spec_id])
        before = self._parent()
        # pyiceberg knows how totals follow from an overwrite; those of a replacement follow in the same way.
        told = update_snapshot_summaries(
            Summary(operation=Operation.OVERWRITE, **collected.build(), **snapshot_properties),
            before.summary if before else None,
        )
        return Summary(operation=Operation.REPLACE, **told.additional_properties)


def unwritable(metadata: TableMetadata, spec_ids: Iterable[int]) -> str | None:
    """Why snapshots of a table with files of these partition specs cannot be written, in a sentence; None if they can.

    pyiceberg 0.12 writes the formats 1 and 2, and no spec by a column that the table has no longer.
    """
    if metadata.format_version > _NEWEST_FORMAT:
        return f"the table has Iceberg's format {metadata.format_version}"
    known = set(metadata.schema().field_ids)
    specs = metadata.specs()
    if any(field.source_id not in known for spec_id in set(spec_ids) for field in specs[spec_id].fields):
        return "files are parted by a column that the table has no longer"
    return None


class _DeletesWriter(ManifestWriterV2):
    """Writes manifests of delete files."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def _number(metadata: TableMetadata, name: str, default: int) -> int:
    value = property_as_int(metadata.properties, name, default)
    return default if value is None else value


def _with_status(entry: ManifestEntry, status: ManifestEntryStatus, snapshot_id: int | None) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=status,
        snapshot_id=snapshot_id,
        sequence_number=entry.sequence_number,
        file_sequence_number=entry.file_sequence_number,
        data_file=entry.data_file,
    )
