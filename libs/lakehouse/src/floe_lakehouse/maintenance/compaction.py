"""Compaction: small files of a table become large ones, and deleted rows leave theirs.

The files of one snapshot are grouped, each group is written again as one file, and a commit puts the new files where
the old ones were, while everything else of the table stays as it is by then. So rows that others append meanwhile
survive. Where others removed or changed what was read, the new file of that group is thrown away and it is planned
again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from floe_lakehouse.duckdb_files import DEFAULT_ENGINE, Engine, open_closed
from floe_lakehouse.errors import CopyFailed, MaintenanceConflict, StagedFileMissing
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.maintenance.compaction_outcomes import Tally, came_to, foreseen, without_effect
from floe_lakehouse.maintenance.compaction_plans import CompactionOptions, CompactionPlan, Unsupported, plan_compaction
from floe_lakehouse.maintenance.live_files import LiveFiles, live_files
from floe_lakehouse.maintenance.reports import MaintenanceReport, Progress, no_progress
from floe_lakehouse.maintenance.rewrite_commits import CommitTries, Rewriting, commit_rewrite, load
from floe_lakehouse.maintenance.rewritten_files import FilesUnreadable, RewriteGroup, rewrite_group
from floe_lakehouse.staged_copy import copying, remove_files

__all__ = ["CompactionOptions", "compact_table"]

_COMMIT_BYTES: Final = 4 * 2**30
"""So much is rewritten before it is committed: what a conflict or a crash can cost."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Written:
    """A group, and the file with its rows; None if there are none."""

    group: RewriteGroup
    file: DataFile | None


def compact_table(
    catalog: Catalog,
    identifier: Identifier,
    options: CompactionOptions,
    *,
    engine: Engine = DEFAULT_ENGINE,
    fence: Callable[[], None],
    dry_run: bool = False,
    progress: Progress = no_progress,
    tries: int = 20,
) -> MaintenanceReport:
    """Make few files of many, and apply the deletes that other engines left beside files; the table's rows stay.

    Each partition is looked at by itself. Files of an older partition spec come into the current one where their own
    values say into which partition of it; else they stay in theirs, and are put together there. Time travel to
    snapshots before stays as it was, so no file is removed from the storage: that is what expiry does.

    Safe at any moment and from any number of processes: a commit holds only if the files that it replaces are in the
    table by then, with the same deletes. When the process dies, rewritten files that no commit holds stay behind as
    orphans.

    Args:
        catalog: the catalog.
        identifier: the table.
        options: how large files become, and how many small ones are worth it.
        engine: what DuckDB may take; rows need not fit in memory.
        fence: raises when the lease is no longer ours; called before every try to commit.
        dry_run: only say what would be done: `bytes_after` then is what goes in.
        progress: told of bytes, once after planning and after each group; what it raises ends the compaction, and what
            was not committed is removed.
        tries: how often it commits or plans again before it gives up.

    Returns:
        What was done. `files_before` counts data files and delete files that left the table, `files_after` those that
        came.

    Raises:
        TableMissing: there is no such table.
        MaintenanceConflict: others changed the same files, time after time, and nothing was done.
        RowsMiscounted: files do not hold the rows that the table says they do.
        CopyFailed: DuckDB could not read or write.
        LakeUnreachable: the store does not answer.
        CatalogUnreachable: the catalog does not answer.
    """
    try:
        plan = plan_compaction(catalog, identifier, options)
    except Unsupported as unsupported:
        return without_effect(unsupported.snapshot_id, "unsupported", str(unsupported), dry_run=dry_run)
    tally = Tally(plan.live.snapshot_id)
    if plan.is_empty:
        return without_effect(tally.snapshot_id, "nothing_to_do", "there are too few small files", dry_run=dry_run)
    if dry_run:
        return foreseen(plan)
    before = tally.snapshot_id
    compaction = _Compaction(catalog, identifier, engine, fence, progress, tries, tally)
    for _ in range(tries):
        if compaction.carry_out(plan):
            break
        try:
            plan = plan_compaction(catalog, identifier, options)
        except Unsupported as unsupported:
            tally.unreadable.append(str(unsupported))
            break
    else:
        if not tally.files_before:
            raise MaintenanceConflict(
                f"{dotted(identifier)} was not compacted: others changed the same files {tries} times",
                hint="it is tried again with the next maintenance",
            )
    return came_to(tally, before)


@dataclass(frozen=True, slots=True)
class _Compaction:
    """A compaction at work: see `compact_table`."""

    catalog: Catalog
    identifier: Identifier
    engine: Engine
    fence: Callable[[], None]
    progress: Progress
    tries: int
    tally: Tally

    def carry_out(self, plan: CompactionPlan) -> bool:
        """Rewrite and commit what is planned; say whether all of it holds, or others overtook a part."""
        total = self.tally.bytes_rewritten + sum(group.size_bytes for group in plan.groups)
        self.progress(self.tally.bytes_rewritten, total)
        whole = True
        for groups in _portions(plan.groups):
            made = CommitTries()
            written: list[_Written] = []
            try:
                whole &= self._rewrite(plan, groups, written, total)
                held = self._commit(plan, written, made)
            except BaseException:
                if not made.unknown:
                    _remove(plan.table, written)
                raise
            if not made.unknown:
                _remove(plan.table, [one for one in written if not any(one is other for other in held)])
            whole &= len(held) == len(written)
        return whole

    def _rewrite(
        self, plan: CompactionPlan, groups: tuple[RewriteGroup, ...], written: list[_Written], total: int
    ) -> bool:
        """Write the groups' files, one by one; say whether none was overtaken."""
        if not groups:
            return True
        whole = True
        lake = Lake(plan.table.location(), plan.table.io.properties)
        # Each file is read once: kept in memory, many would fill all that the engine may take.
        with copying(dotted(self.identifier)), open_closed([lake], self.engine, keep_read=False) as connection:
            for group in groups:
                try:
                    written.append(_Written(group, self._rewrite_one(connection, plan, group)))
                except FilesUnreadable as unreadable:
                    self.tally.unreadable.append(str(unreadable))
                except _Overtaken:
                    whole = False
                self.tally.bytes_rewritten += group.size_bytes
                self.progress(self.tally.bytes_rewritten, total)
        return whole

    def _rewrite_one(
        self, connection: duckdb.DuckDBPyConnection, plan: CompactionPlan, group: RewriteGroup
    ) -> DataFile | None:
        try:
            with copying(dotted(self.identifier)):
                return rewrite_group(connection, plan.table, group)
        except (CopyFailed, StagedFileMissing, FileNotFoundError) as error:
            # Expiry removes files that are in no snapshot any more: then the plan is old, and nothing is wrong.
            if _holds(live_files(load(self.catalog, self.identifier), plan.reader), group):
                raise
            raise _Overtaken from error

    def _commit(self, plan: CompactionPlan, written: list[_Written], made: CommitTries) -> list[_Written]:
        """Commit those groups whose files nobody changed, and say which these are."""
        held: list[_Written] = []
        changed = 0

        def choose(table: Table) -> Rewriting | None:
            nonlocal changed
            live = live_files(table, plan.reader)
            held[:] = [one for one in written if _holds(live, one.group)]
            gone = {file.path for one in held for file in one.group.files}
            dangling = live.dangling(gone)
            if not gone and not dangling:
                return None
            changed = len(gone) + len(dangling)
            leaving = [*(live.data[path] for path in gone), *dangling]
            return Rewriting(
                added=[one.file for one in held if one.file],
                gone=frozenset(file.path for file in leaving),
                manifests=frozenset(file.manifest for file in leaving),
            )

        snapshot_id = commit_rewrite(
            self.catalog,
            self.identifier,
            "compaction",
            plan.reader,
            choose,
            fence=self.fence,
            made=made,
            tries=self.tries,
        )
        if snapshot_id is not None:
            self._count(snapshot_id, held, changed)
        return held

    def _count(self, snapshot_id: int, held: list[_Written], changed: int) -> None:
        tally = self.tally
        tally.snapshot_id = snapshot_id
        tally.files_before += changed
        tally.bytes_before += sum(one.group.size_bytes for one in held)
        added = [one.file for one in held if one.file]
        tally.files_after += len(added)
        tally.bytes_after += sum(file.file_size_in_bytes for file in added)


class _Overtaken(Exception):
    """Others removed what was to be read."""


def _portions(groups: tuple[RewriteGroup, ...]) -> Iterator[tuple[RewriteGroup, ...]]:
    """Groups that are committed together; an empty portion if there are none, as deletes may be left to remove."""
    portion: list[RewriteGroup] = []
    size = 0
    for group in groups:
        if portion and size + group.size_bytes > _COMMIT_BYTES:
            yield tuple(portion)
            portion, size = [], 0
        portion.append(group)
        size += group.size_bytes
    yield tuple(portion)


def _holds(live: LiveFiles, group: RewriteGroup) -> bool:
    """Whether the files of a group are in the table, with the same deletes."""
    if live.equality_deletes:
        return False
    for file in group.files:
        present = live.data.get(file.path)
        if present is None:
            return False
        if {one.path for one in live.deletes_of(present)} != {one.path for one in group.deletes[file.path]}:
            return False
    return True


def _remove(table: Table, written: list[_Written]) -> None:
    remove_files(table.io, [one.file.file_path for one in written if one.file])
