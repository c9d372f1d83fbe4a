"""Old snapshots go, and then the files that only they held.

The commit takes snapshots out of the table's metadata; until then nothing is deleted. What may be deleted is found out
on the table as it stands after the commit, so whatever others committed meanwhile keeps its files. Who dies in between
leaves files that nothing reaches: the removal of orphans finds them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.io import FileIO
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    RemovePartitionStatisticsUpdate,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    TableUpdate,
)

from floe_lakehouse.catalogs import reaching
from floe_lakehouse.commit_conflicts import OVERTAKEN, wait_to_retry
from floe_lakehouse.errors import CatalogRequestRefused, MaintenanceConflict
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.maintenance.deletions import delete_files, why_forbidden
from floe_lakehouse.maintenance.lost_references import bring_back, lost, requirements
from floe_lakehouse.maintenance.reachable import StoredFile, files_of, manifests_of, statistics_of
from floe_lakehouse.maintenance.reports import MaintenanceReport, Progress, no_progress
from floe_lakehouse.maintenance.retention import Expiring, ExpiryOptions, expiring
from floe_lakehouse.maintenance.rewrite_commits import load
from floe_lakehouse.pasts import why_not_ours

__all__ = ["ExpiryOptions", "expire_snapshots"]

# What catalogs raise when a snapshot to remove, or a tag, is gone already.
_GONE_ALREADY: Final = (ValueError, CatalogRequestRefused)
_TOO_YOUNG: Final = "no snapshot is old enough"
_NEEDED: Final = "no snapshot may go: those that are old enough are the newest, named by a tag or branch, or in use"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Expired:
    """What was committed: the table before, what left it, and the table after."""

    before: Table
    snapshots: tuple[Snapshot, ...]
    refs: tuple[str, ...]
    after: Table


def expire_snapshots(
    catalog: Catalog,
    identifier: Identifier,
    options: ExpiryOptions,
    *,
    fence: Callable[[], None],
    dry_run: bool = False,
    progress: Progress = no_progress,
    tries: int = 20,
) -> MaintenanceReport:
    """Let old snapshots go, and delete the files that no other snapshot holds.

    May be repeated, and run beside any other work on the table: appends, compaction, tags, rollbacks. The current
    snapshot, those of tags and branches, and pinned ones stay.

    Args:
        catalog: the catalog.
        identifier: the table.
        options: what may go.
        fence: raises when the lease is no longer ours; called before every try to commit.
        dry_run: change nothing, and say what would go.
        progress: is told `(0, files)` before the first file is deleted, then after every hundred.
        tries: how often it commits before it gives up; between two it waits a random moment, at most a second.

    Raises:
        MaintenanceConflict: others committed first, time after time.
        FilesNotDeleted: snapshots went, and the store did not delete some of their files.
        ReferenceLost: a tag was made just then, and could not be brought back; no file was deleted.
        TableMissing: there is no such table.
        CatalogUnreachable: the catalog does not answer; what it had committed is not undone.
    """
    table = load(catalog, identifier)
    if reason := why_not_ours(catalog) or why_forbidden(table.metadata):
        return replace(_nothing(table, reason), outcome="unsupported", dry_run=dry_run)
    if dry_run:
        return _foretold(table, expiring(table.metadata, options, _now_ms()), _why_not(table, options))
    expired = _commit(catalog, identifier, options, fence, tries)
    if expired is None:
        return _nothing(table, _why_not(table, options))
    files = _of_no_use(expired, lambda: load(catalog, identifier))
    progress(0, len(files))
    deleted = delete_files(expired.after.io, files, progress=progress)
    return replace(
        _nothing(expired.before),
        outcome="done",
        snapshot_after=expired.after.metadata.current_snapshot_id,
        snapshots_removed=tuple(one.snapshot_id for one in expired.snapshots),
        refs_removed=expired.refs,
        removed=deleted.files,
        bytes_removed=deleted.size_bytes,
    )


def _why_not(table: Table, options: ExpiryOptions) -> str:
    """The reason for which nothing expires, if so."""
    old = any(one.timestamp_ms < options.older_than_ms for one in table.metadata.snapshots)
    return _NEEDED if old else _TOO_YOUNG


def _foretold(table: Table, choice: Expiring, why_not: str) -> MaintenanceReport:
    if not choice.snapshot_ids and not choice.refs:
        return replace(_nothing(table, why_not), dry_run=True)
    gone = _snapshots(table.metadata, choice.snapshot_ids)
    stay = [one for one in table.metadata.snapshots if one.snapshot_id not in choice.snapshot_ids]
    files = _unreached(table.io, table.metadata, gone, table.metadata, stay)
    return replace(
        _nothing(table),
        outcome="done",
        dry_run=True,
        snapshots_removed=choice.snapshot_ids,
        refs_removed=choice.refs,
        removed=tuple(file.path for file in files),
        bytes_removed=sum(file.size_bytes or 0 for file in files),
    )


def _nothing(table: Table, reason: str | None = None) -> MaintenanceReport:
    current = table.metadata.current_snapshot_id
    return MaintenanceReport(
        action="expiry", outcome="nothing_to_do", reason=reason, snapshot_before=current, snapshot_after=current
    )


def _snapshots(metadata: TableMetadata, snapshot_ids: Iterable[int]) -> tuple[Snapshot, ...]:
    wanted = set(snapshot_ids)
    return tuple(one for one in metadata.snapshots if one.snapshot_id in wanted)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _commit(
    catalog: Catalog, identifier: Identifier, options: ExpiryOptions, fence: Callable[[], None], tries: int
) -> _Expired | None:
    """Take the snapshots that may go out of the table; None if none may."""
    tried: list[tuple[Table, Expiring]] = []  # of tries of which nobody knows whether they arrived
    for attempt in range(tries):
        table = load(catalog, identifier)
        if arrived := _arrived(tried, table):
            return arrived
        choice = expiring(table.metadata, options, _now_ms())
        if not choice.snapshot_ids and not choice.refs:
            return None
        fence()
        try:
            return _committed(table, choice)
        except CommitStateUnknownException as unknown:
            tried.append((table, choice))
            _logger.info("expiry of %s looks whether it arrived: %s", dotted(identifier), unknown)
        except OVERTAKEN as conflict:
            _logger.info("expiry of %s starts over: %s", dotted(identifier), conflict)
        except _GONE_ALREADY:
            if load(catalog, identifier).metadata_location == table.metadata_location:
                raise
        wait_to_retry(attempt)
    raise MaintenanceConflict(
        f"the expiry of {dotted(identifier)} could not be committed: others were faster {tries} times",
        hint="it is tried again with the next maintenance",
    )


def _committed(table: Table, choice: Expiring) -> _Expired:
    """Commit once, and bring back what was tagged in the very moment.

    Raises:
        CommitFailedException: somebody else was faster.
    """
    gone, refs = frozenset(choice.snapshot_ids), frozenset(choice.refs)
    asserted = requirements(table, gone, refs)
    asserted += tuple(
        AssertRefSnapshotId(ref=name, snapshot_id=table.metadata.refs[name].snapshot_id) for name in choice.refs
    )
    with reaching("the catalog"):
        response = table.catalog.commit_table(table, asserted, _updates(table.metadata, choice))
    for name, ref in lost(table, response, gone).items():
        bring_back(table, _snapshots(table.metadata, (ref.snapshot_id,))[0], name, ref)
    after = load(table.catalog, table.name())
    there = {one.snapshot_id for one in after.metadata.snapshots}
    return _Expired(table, _snapshots(table.metadata, gone - there), choice.refs, after)


def _arrived(tried: Sequence[tuple[Table, Expiring]], table: Table) -> _Expired | None:
    """The first of the tries that arrived although nobody said so."""
    there = {one.snapshot_id for one in table.metadata.snapshots}
    for before, choice in tried:
        if choice.snapshot_ids and not there.intersection(choice.snapshot_ids):
            return _Expired(before, _snapshots(before.metadata, choice.snapshot_ids), choice.refs, table)
    return None


def _updates(metadata: TableMetadata, choice: Expiring) -> tuple[TableUpdate, ...]:
    """Catalogs remove tags that point to removed snapshots, and statistics of tables; not those of partitions."""
    statistics = {file.snapshot_id for file in metadata.partition_statistics}.intersection(choice.snapshot_ids)
    updates: list[TableUpdate] = [RemoveSnapshotRefUpdate(ref_name=name) for name in choice.refs]
    updates += [RemovePartitionStatisticsUpdate(snapshot_id=one) for one in sorted(statistics)]
    if choice.snapshot_ids:
        updates.append(RemoveSnapshotsUpdate(snapshot_ids=list(choice.snapshot_ids)))
    return tuple(updates)


def _of_no_use(expired: _Expired, load_again: Callable[[], Table]) -> list[StoredFile]:
    """The files that went with the snapshots."""
    after = expired.after
    while True:
        try:
            return _unreached(
                after.io, expired.before.metadata, expired.snapshots, after.metadata, after.metadata.snapshots
            )
        except FileNotFoundError:  # somebody else expires snapshots too: their files are none of ours
            again = load_again()
            if again.metadata_location == after.metadata_location:
                raise
            after = again


def _unreached(
    io: FileIO,
    before: TableMetadata,
    gone: Iterable[Snapshot],
    after: TableMetadata,
    stay: Iterable[Snapshot],
) -> list[StoredFile]:
    """What only the snapshots that went reach: data and delete files, manifests, manifest lists, statistics.

    What is kept in memory is what goes; what stays passes by. A file that a manifest names stays or goes with it, so
    only manifests that go are candidates' source; those that stay take back what they name too.

    Raises:
        FileNotFoundError: a manifest of a snapshot that stays is gone.
    """
    going, staying = list(gone), list(stay)
    kept = {one.manifest_path: one for one in manifests_of(io, staying)}
    dropped = [one for one in manifests_of(io, going, missing_ok=True) if one.manifest_path not in kept]
    data = {file.path: file for _, files in files_of(io, dropped, missing_ok=True) for file in files}
    if data:
        for _, files in files_of(io, kept.values()):
            for file in files:
                data.pop(file.path, None)
    lists = {one.manifest_list for one in going} - {one.manifest_list for one in staying}
    statistics = {file.path: file for file in statistics_of(before, [one.snapshot_id for one in going])}
    for file in statistics_of(after, [one.snapshot_id for one in staying]):
        statistics.pop(file.path, None)
    return [
        *data.values(),
        *(StoredFile(one.manifest_path, one.manifest_length) for one in dropped),
        *map(StoredFile, sorted(lists)),
        *statistics.values(),
    ]
