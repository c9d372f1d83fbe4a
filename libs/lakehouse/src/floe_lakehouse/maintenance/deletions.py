"""Deleting many files of a table, a few at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from pyiceberg.io import FileIO
from pyiceberg.table.metadata import TableMetadata

from floe_lakehouse.errors import FilesNotDeleted
from floe_lakehouse.maintenance.reachable import StoredFile
from floe_lakehouse.maintenance.reports import Progress

_AT_ONCE: Final = 4
BATCH: Final = 100
"""So many files are deleted between two words of progress."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The files that were there and are gone now, and their size as far as it is known."""

    files: tuple[str, ...]
    size_bytes: int


def why_forbidden(metadata: TableMetadata) -> str | None:
    """Why no file of a table may be deleted, in a sentence; None if they may (property `gc.enabled`)."""
    if metadata.properties.get("gc.enabled", "true").lower() == "false":
        return "the table's property gc.enabled is false: other tables may use its files"
    return None


def delete_files(io: FileIO, files: Sequence[StoredFile], *, progress: Progress) -> Deleted:
    """Delete files; one that is gone already is passed over.

    Args:
        io: of the table.
        files: which; nothing may need them.
        progress: is told after every batch, from this thread; what it raises stops the work.

    Raises:
        FilesNotDeleted: the store did not delete some of them. All others are gone.
    """
    gone: list[StoredFile] = []
    refused: list[tuple[str, OSError]] = []

    def delete(file: StoredFile) -> OSError | None:
        try:
            io.delete(file.path)
        except OSError as error:
            return error
        return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            for file, error in zip(batch, pool.map(delete, batch), strict=True):
                if error is None:
                    gone.append(file)
                elif not isinstance(error, FileNotFoundError):
                    refused.append((file.path, error))
            progress(min(start + BATCH, len(files)), len(files))
    if refused:
        path, reason = refused[0]
        raise FilesNotDeleted(
            f"{len(refused)} of {len(files)} files were not deleted, the first is {path}: {reason}",
            hint="nothing needs them; the removal of orphans finds them again",
        )
    return Deleted(tuple(file.path for file in gone), sum(file.size_bytes or 0 for file in gone))
