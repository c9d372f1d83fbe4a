"""A snapshot in which other files stand for all that a table had."""

from __future__ import annotations

from functools import cached_property

from pyiceberg.manifest import (
    DataFile,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _OverwriteFiles

from floe_lakehouse.manifest_avro import EntriesWriter, live_entries, manifests_of


class Replacement(_OverwriteFiles):
    """pyiceberg's overwrite for the case that every data file goes: manifests are read once instead of three times."""

    def __init__(self, transaction: Transaction, snapshot_properties: dict[str, str]) -> None:
        metadata = transaction.table_metadata
        super().__init__(
            operation=Operation.OVERWRITE if metadata.current_snapshot() else Operation.APPEND,
            transaction=transaction,
            io=transaction._table.io,  # noqa: SLF001 - a transaction has no public name for it
            snapshot_properties=snapshot_properties,
        )

    @cached_property
    def _manifests_before(self) -> list[ManifestFile]:
        if self._parent_snapshot_id is None:
            return []
        before = self._transaction.table_metadata.snapshot_by_id(self._parent_snapshot_id)
        return manifests_of(self._io, before) if before else []

    def new_manifest_writer(self, spec: PartitionSpec) -> ManifestWriter:
        """What writes a manifest of files of that spec."""
        if self._transaction.table_metadata.format_version != 2:  # another engine's table
            return super().new_manifest_writer(spec)
        return EntriesWriter(spec, self.schema(), self.new_manifest_output(), self._snapshot_id, self._compression)

    def _existing_manifests(self) -> list[ManifestFile]:
        """Manifests of delete files stay, as pyiceberg leaves them: they speak of files that are gone."""
        return [manifest for manifest in self._manifests_before if manifest.content != ManifestContent.DATA]

    def _deleted_entries(self) -> list[ManifestEntry]:
        gone = [
            entry
            for manifest in self._manifests_before
            if manifest.content == ManifestContent.DATA
            for entry in live_entries(self._io, manifest)
        ]
        self._deleted_data_files: set[DataFile] = {entry.data_file for entry in gone}  # the summary counts them
        return [
            ManifestEntry.from_args(
                status=ManifestEntryStatus.DELETED,
                snapshot_id=self._snapshot_id,
                sequence_number=entry.sequence_number,
                file_sequence_number=entry.file_sequence_number,
                data_file=entry.data_file,
            )
            for entry in gone
        ]
