"""Files in a table's folders that the table does not reach: what failed commits and dead processes left.

A file of a landing that is still at work, or of any other writer, looks just like one. So only files older than a guard
go, by the store's own clock; and the listing is made before the table is read, so that what is committed in between
counts as reached. Nothing outside of the table's own folders for data and metadata is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider

from floe_lakehouse.errors import LakeUnreachable
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.maintenance.deletions import BATCH, Deleted, delete_files, why_forbidden
from floe_lakehouse.maintenance.foreign_tables import ForeignTables, foreign_tables
from floe_lakehouse.maintenance.reachable import StoredFile, metadata_files, reachable_files
from floe_lakehouse.maintenance.reports import MaintenanceReport, Progress, no_progress
from floe_lakehouse.maintenance.rewrite_commits import load
from floe_lakehouse.maintenance.table_listing import ListedFile, can_list, list_files, same_name, stands_under
from floe_lakehouse.pasts import why_not_ours

_VERSION_HINT: Final = "version-hint.text"
"""Written by catalogs that keep tables in folders alone; it is theirs."""


@dataclass(frozen=True, slots=True)
class _Folders:
    """The listing: files that are old enough, and how many there are at all, with their size."""

    old: dict[str, ListedFile]
    files: int
    size_bytes: int


def remove_orphans(
    catalog: Catalog,
    identifier: Identifier,
    older_than_ms: int,
    *,
    fence: Callable[[], None],
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> MaintenanceReport:
    """Delete the files in a table's folders that neither its snapshots nor its metadata log name.

    May be repeated, and run beside any other work on the table, as long as no writer takes longer from writing a file
    to committing it than the guard.

    Args:
        catalog: the catalog.
        identifier: the table.
        older_than_ms: only files written before this moment, in milliseconds since 1970 UTC.
        fence: raises when the lease is no longer ours; called before every hundred files.
        dry_run: change nothing, and say what would go.
        progress: is told `(0, files)` before the first file is deleted, then after every hundred.

    Returns:
        The report; `unsupported` if the store cannot be listed, the folders hold another table's files, or the catalog
        needs files of which the table's metadata do not know.

    Raises:
        FilesNotDeleted: the store did not delete some of them.
        LakeUnreachable: the store does not answer, or does not let its folders be listed.
        TableMissing: there is no such table.
        CatalogUnreachable: the catalog does not answer.
    """
    table = load(catalog, identifier)
    folders = _own_folders(table)
    if reason := why_not_ours(catalog) or _why_not(table, folders):
        return replace(_nothing(table, reason), outcome="unsupported", dry_run=dry_run)
    listing = _listing(table, folders, older_than_ms)
    # Only now: what was committed since the table was listed counts as reached.
    table, orphans, reason = _told_apart(catalog, identifier, listing)
    if reason:
        return replace(_nothing(table, reason), outcome="unsupported", dry_run=dry_run)
    found = _found(table, listing, orphans, dry_run=dry_run)
    if dry_run or not orphans:
        return found
    deleted = _delete(catalog, table, orphans, fence, progress)
    return replace(
        found,
        outcome="done",
        files_after=listing.files - len(deleted.files),
        bytes_after=listing.size_bytes - deleted.size_bytes,
        removed=deleted.files,
        bytes_removed=deleted.size_bytes,
    )


def _own_folders(table: Table) -> tuple[str, ...]:
    """Where the table's data and metadata are written, as far as that is below its location."""
    places = load_location_provider(table.location(), table.properties)
    return tuple(one for one in (places.data_path, places.metadata_path) if stands_under(one, table.location()))


def _why_not(table: Table, folders: tuple[str, ...]) -> str | None:
    if reason := why_forbidden(table.metadata):
        return reason
    if not can_list(table.io):
        return "files of this store cannot be listed"
    if not folders:
        return "the table's data and metadata are written outside of its location"
    return None


def _listing(table: Table, folders: tuple[str, ...], older_than_ms: int) -> _Folders:
    old: dict[str, ListedFile] = {}
    files = size_bytes = 0
    try:
        for folder in folders:
            for file in list_files(table.io, folder):
                files, size_bytes = files + 1, size_bytes + file.size_bytes
                if file.modified_ms < older_than_ms and not file.path.endswith(f"/{_VERSION_HINT}"):
                    old[same_name(file.path)] = file
    except OSError as error:
        raise LakeUnreachable(
            f"the files of {dotted(table.name())} cannot be listed: {error}",
            hint="see whether the store runs, and whether its keys allow to list",
        ) from error
    return _Folders(old, files, size_bytes)


def _told_apart(
    catalog: Catalog, identifier: Identifier, listing: _Folders
) -> tuple[Table, list[ListedFile], str | None]:
    """The table as it is now, the old files that nothing reaches, or why they cannot be told."""
    table = load(catalog, identifier)
    while True:
        foreign = foreign_tables(catalog, table, listing.old.values())
        if foreign.reason:
            return table, [], foreign.reason
        try:
            return table, *_orphans(table, listing.old, foreign)
        except FileNotFoundError:  # expiry took a snapshot of those that were being read
            again = load(catalog, identifier)
            if again.metadata_location == table.metadata_location:
                raise
            table = again


def _orphans(table: Table, old: dict[str, ListedFile], foreign: ForeignTables) -> tuple[list[ListedFile], str | None]:
    orphans = dict(old)
    elsewhere: set[int] = set()  # hashes of the names of files outside of the table's location
    for path in _reached(table, foreign):
        name = same_name(path)
        orphans.pop(name, None)
        if not stands_under(path, table.location()):
            elsewhere.add(hash(PurePosixPath(name).name))
    for name, file in orphans.items():
        if hash(PurePosixPath(name).name) in elsewhere:
            return [], f"{file.path} may be a file that the table knows under another location"
    return sorted(orphans.values(), key=lambda file: file.path), None


def _reached(table: Table, foreign: ForeignTables) -> Iterator[str]:
    yield from metadata_files(table)
    yield from (file.path for file in reachable_files(table.io, table.metadata, table.metadata.snapshots))
    yield from foreign.metadata_files
    for metadata in foreign.metadata:
        yield from (entry.metadata_file for entry in metadata.metadata_log)
        left = reachable_files(table.io, metadata, metadata.snapshots, missing_ok=True)
        yield from (file.path for file in left)


def _found(table: Table, listing: _Folders, orphans: list[ListedFile], *, dry_run: bool) -> MaintenanceReport:
    size_bytes = sum(file.size_bytes for file in orphans)
    return replace(
        _nothing(table, None if orphans else "no file is left over"),
        outcome="done" if orphans else "nothing_to_do",
        dry_run=dry_run,
        files_before=listing.files,
        files_after=listing.files - len(orphans),
        bytes_before=listing.size_bytes,
        bytes_after=listing.size_bytes - size_bytes,
        removed=tuple(file.path for file in orphans),
        bytes_removed=size_bytes,
    )


def _delete(
    catalog: Catalog, table: Table, orphans: list[ListedFile], fence: Callable[[], None], progress: Progress
) -> Deleted:
    """Delete a hundred at a time; before each, see that nothing that was committed meanwhile needs them."""
    gone: list[str] = []
    size_bytes = 0
    needed: set[str] = set()
    progress(0, len(orphans))
    for start in range(0, len(orphans), BATCH):
        fence()
        now = load(catalog, table.name())
        needed |= _newly_reached(table, now)
        table = now
        batch = [file for file in orphans[start : start + BATCH] if same_name(file.path) not in needed]
        deleted = delete_files(
            table.io, [StoredFile(file.path, file.size_bytes) for file in batch], progress=no_progress
        )
        gone += deleted.files
        size_bytes += deleted.size_bytes
        progress(min(start + BATCH, len(orphans)), len(orphans))
    return Deleted(tuple(gone), size_bytes)


def _newly_reached(before: Table, now: Table) -> set[str]:
    if now.metadata_location == before.metadata_location:
        return set()
    known = {one.snapshot_id for one in before.metadata.snapshots}
    fresh = [one for one in now.metadata.snapshots if one.snapshot_id not in known]
    reached: Iterable[StoredFile] = reachable_files(now.io, now.metadata, fresh)
    return {*map(same_name, metadata_files(now)), *(same_name(file.path) for file in reached)}


def _nothing(table: Table, reason: str | None) -> MaintenanceReport:
    current = table.metadata.current_snapshot_id
    return MaintenanceReport(
        action="orphans", outcome="nothing_to_do", reason=reason, snapshot_before=current, snapshot_after=current
    )
