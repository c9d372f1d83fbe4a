"""What an attempt at the same work had committed before it died: it is told of by the attempt that takes it up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

from pyiceberg.catalog import Catalog
from pyiceberg.serializers import FromInputFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from floe_catalog.maintenance.action_job import ActionJob
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.maintenance.rewrite_commits import load
from floe_lakehouse.snapshots import MAINTENANCE, summary_of
from floe_lakehouse.tables import find_table


def finished_earlier(
    catalog: Catalog, identifier: Identifier, job: ActionJob, report: MaintenanceReport
) -> MaintenanceReport:
    """The report, with the figures of what an earlier attempt committed where this one found nothing left to do.

    So compaction and the rewriting of manifests are found again, since they are snapshots; for expiry see below.
    """
    if job.earlier_base is None or job.dry_run or report.outcome != "nothing_to_do":
        return report
    table = find_table(catalog, identifier)
    committed = list(_committed(table.metadata, job)) if table else []
    if not committed:
        return report
    figures = [summary_of(snapshot) for snapshot in committed]
    return replace(
        report,
        outcome="done",
        reason="an attempt that died had committed it",
        snapshot_before=job.earlier_base,
        snapshot_after=committed[0].snapshot_id,
        files_before=sum(int(told.get("deleted-data-files", 0)) for told in figures),
        files_after=sum(int(told.get("added-data-files", 0)) for told in figures),
        bytes_before=sum(int(told.get("removed-files-size", 0)) for told in figures),
        bytes_after=sum(int(told.get("added-files-size", 0)) for told in figures),
    )


def expired_since(catalog: Catalog, identifier: Identifier, metadata_location: str) -> MaintenanceReport:
    """What an expiry that died had committed: the snapshots, tags and branches that went since a metadata file.

    Which files it came to delete nobody knows.

    Raises:
        TableMissing: the table is gone.
        CatalogUnreachable: the catalog does not answer.
    """
    table = load(catalog, identifier)
    now = table.metadata
    nothing = MaintenanceReport(
        action="expiry",
        outcome="nothing_to_do",
        snapshot_before=now.current_snapshot_id,
        snapshot_after=now.current_snapshot_id,
    )
    try:
        before = FromInputFile.table_metadata(table.io.new_input(metadata_location))
    except FileNotFoundError:  # so much was committed since that its file is gone, too
        return nothing
    there = {snapshot.snapshot_id for snapshot in now.snapshots}
    gone = tuple(one.snapshot_id for one in before.snapshots if one.snapshot_id not in there)
    refs = tuple(sorted(name for name, ref in before.refs.items() if ref.snapshot_id in gone and name not in now.refs))
    if not gone:
        return nothing
    return replace(
        nothing,
        outcome="done",
        reason="an attempt that did not come to its end had committed it; what files it left are orphans",
        snapshots_removed=gone,
        refs_removed=refs,
    )


def _committed(metadata: TableMetadata, job: ActionJob) -> Iterator[Snapshot]:
    """The snapshots of the action since the earlier attempt's base, the newest first."""
    since = takewhile(
        lambda snapshot: snapshot.snapshot_id != job.earlier_base,
        ancestors_of(metadata.current_snapshot(), metadata),
    )
    return (snapshot for snapshot in since if summary_of(snapshot).get(MAINTENANCE) == job.action)
