"""A snapshot in which other files stand for all that a table had."""

from __future__ import annotations

from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation, Snapshot
from pyiceberg.table.update.snapshot import _OverwriteFiles


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

    @property
    def _before(self) -> Snapshot | None:
        if self._parent_snapshot_id is None:
            return None
        return self._transaction.table_metadata.snapshot_by_id(self._parent_snapshot_id)

    def _existing_manifests(self) -> list[ManifestFile]:
        """Manifests of delete files stay, as pyiceberg leaves them: they speak of files that are gone."""
        manifests = self._before.manifests(self._io) if self._before else []
        return [manifest for manifest in manifests if manifest.content != ManifestContent.DATA]

    def _deleted_entries(self) -> list[ManifestEntry]:
        manifests = self._before.manifests(self._io) if self._before else []
        gone = [
            entry
            for manifest in manifests
            if manifest.content == ManifestContent.DATA
            for entry in manifest.fetch_manifest_entry(self._io, discard_deleted=True)
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
