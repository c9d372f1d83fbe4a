"""Few manifests out of many: each commit adds one, and whoever plans a scan opens them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.manifest import ManifestContent, ManifestFile
from pyiceberg.table import Table, TableProperties
from pyiceberg.utils.properties import property_as_int

from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.maintenance.live_files import ManifestReader
from floe_lakehouse.maintenance.reports import MaintenanceReport, Outcome
from floe_lakehouse.maintenance.rewrite_commits import CommitTries, Rewriting, commit_rewrite, load
from floe_lakehouse.maintenance.rewrite_snapshots import unwritable

_SMALL: Final = 0.5
"""A manifest is small below this share of the table's target size."""


def rewrite_manifests(
    catalog: Catalog,
    identifier: Identifier,
    min_manifests: int,
    *,
    fence: Callable[[], None],
    dry_run: bool = False,
    tries: int = 20,
) -> MaintenanceReport:
    """Put the entries of small manifests together; data files, rows and time travel stay as they are.

    Entries keep their snapshot ids and sequence numbers. Manifests of delete files and those of different partition
    specs are kept apart.

    Args:
        catalog: the catalog.
        identifier: the table.
        min_manifests: how many small manifests make it worth it.
        fence: raises when the lease is no longer ours; called before every try to commit.
        dry_run: only say what would be done: `bytes_after` then is what goes in.
        tries: how often it commits before it gives up.

    Returns:
        What was done; files and bytes are those of the manifests that went and came.

    Raises:
        TableMissing: there is no such table.
        MaintenanceConflict: others committed first, time after time.
        CatalogUnreachable: the catalog does not answer; the commit may have arrived.
    """
    table = load(catalog, identifier)
    before = table.metadata.current_snapshot_id
    reader = ManifestReader(table.io)
    chosen = _small_manifests(table, reader)
    if reason := unwritable(table.metadata, (manifest.partition_spec_id for manifest in chosen)):
        return _report(before, "unsupported", reason, dry_run=dry_run)
    if len(chosen) < min_manifests:
        return _report(before, "nothing_to_do", f"there are {len(chosen)} small manifests", dry_run=dry_run)
    if dry_run:
        return _foreseen(table, chosen)

    def choose(table: Table) -> Rewriting | None:
        chosen[:] = _small_manifests(table, reader)
        paths = frozenset(manifest.manifest_path for manifest in chosen)
        return Rewriting(manifests=paths) if len(paths) >= min_manifests else None

    snapshot_id = commit_rewrite(
        catalog, identifier, "manifests", reader, choose, fence=fence, made=CommitTries(), tries=tries
    )
    if snapshot_id is None:
        return _report(before, "nothing_to_do", "others put the manifests together meanwhile", dry_run=False)
    after = load(catalog, identifier)
    written = [
        manifest
        for snapshot in after.snapshots()
        if snapshot.snapshot_id == snapshot_id
        for manifest in snapshot.manifests(after.io)
        if manifest.added_snapshot_id == snapshot_id
    ]
    return MaintenanceReport(
        action="manifests",
        outcome="done",
        snapshot_before=before,
        snapshot_after=snapshot_id,
        files_before=len(chosen),
        files_after=len(written),
        bytes_before=_bytes(chosen),
        bytes_after=_bytes(written),
    )


def _small_manifests(table: Table, reader: ManifestReader) -> list[ManifestFile]:
    """Those of which there is more than one of a kind and spec."""
    snapshot = table.current_snapshot()
    kinds: dict[tuple[ManifestContent, int], list[ManifestFile]] = defaultdict(list)
    for manifest in reader.manifests(snapshot) if snapshot else ():
        if manifest.manifest_length < _SMALL * _target_bytes(table):
            kinds[manifest.content, manifest.partition_spec_id].append(manifest)
    return [manifest for alike in kinds.values() if len(alike) > 1 for manifest in alike]


def _target_bytes(table: Table) -> int:
    default = TableProperties.MANIFEST_TARGET_SIZE_BYTES_DEFAULT
    return property_as_int(table.properties, TableProperties.MANIFEST_TARGET_SIZE_BYTES, default) or default


def _bytes(manifests: Iterable[ManifestFile]) -> int:
    return sum(manifest.manifest_length for manifest in manifests)


def _foreseen(table: Table, chosen: list[ManifestFile]) -> MaintenanceReport:
    sizes: dict[tuple[ManifestContent, int], int] = defaultdict(int)
    for manifest in chosen:
        sizes[manifest.content, manifest.partition_spec_id] += manifest.manifest_length
    return MaintenanceReport(
        action="manifests",
        outcome="done",
        dry_run=True,
        snapshot_before=table.metadata.current_snapshot_id,
        snapshot_after=table.metadata.current_snapshot_id,
        files_before=len(chosen),
        files_after=sum(1 + size // _target_bytes(table) for size in sizes.values()),
        bytes_before=_bytes(chosen),
        bytes_after=_bytes(chosen),
    )


def _report(snapshot_id: int | None, outcome: Outcome, reason: str, *, dry_run: bool) -> MaintenanceReport:
    return MaintenanceReport(
        action="manifests",
        outcome=outcome,
        reason=reason,
        dry_run=dry_run,
        snapshot_before=snapshot_id,
        snapshot_after=snapshot_id,
    )
