"""What an attempt at the same work had committed before it died: it is told of by the attempt that takes it up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

from pyiceberg.catalog import Catalog
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from floe_catalog.maintenance.action_job import ActionJob
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.maintenance.reports import MaintenanceReport
from floe_lakehouse.snapshots import MAINTENANCE, summary_of
from floe_lakehouse.tables import find_table


def finished_earlier(
    catalog: Catalog, identifier: Identifier, job: ActionJob, report: MaintenanceReport
) -> MaintenanceReport:
    """The report, with the figures of what an earlier attempt committed where this one found nothing left to do.

    Only compaction and the rewriting of manifests can be found again, since they are snapshots.
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


def _committed(metadata: TableMetadata, job: ActionJob) -> Iterator[Snapshot]:
    """The snapshots of the action since the earlier attempt's base, the newest first."""
    since = takewhile(
        lambda snapshot: snapshot.snapshot_id != job.earlier_base,
        ancestors_of(metadata.current_snapshot(), metadata),
    )
    return (snapshot for snapshot in since if summary_of(snapshot).get(MAINTENANCE) == job.action)
