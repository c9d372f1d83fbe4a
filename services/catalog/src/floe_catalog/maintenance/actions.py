"""One action on one table, through `floe_lakehouse`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.table.metadata import TableMetadata

from floe_catalog.maintenance.action_job import ActionJob
from floe_lakehouse.duckdb_files import DEFAULT_ENGINE
from floe_lakehouse.errors import TableMissing
from floe_lakehouse.identifiers import Identifier, dotted
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.manifests import rewrite_manifests
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.maintenance.reports import MaintenanceReport, Progress
from floe_lakehouse.tables import find_table

_MILLISECONDS: Final = 1000


def run_action(
    catalog: Catalog, identifier: Identifier, job: ActionJob, fence: Callable[[], None], progress: Progress
) -> MaintenanceReport:
    """Do what the job says.

    Args:
        catalog: the catalog.
        identifier: namespace levels, then the name.
        job: what is to be done.
        fence: called before each commit; raises if there must be none.
        progress: called with what is done and what there is to do.

    Raises:
        TableMissing: the table is gone.
        CatalogUnreachable: the catalog does not answer.
        FloeError: what the action itself finds out.
    """
    options = job.options
    match job.action:
        case "compaction":
            sizes = CompactionOptions(options.target_file_size_bytes, options.min_input_files)
            return compact_table(
                catalog,
                identifier,
                sizes,
                engine=DEFAULT_ENGINE,
                fence=fence,
                dry_run=job.dry_run,
                progress=progress,
            )
        case "manifests":
            return rewrite_manifests(catalog, identifier, options.min_manifests, fence=fence, dry_run=job.dry_run)
        case "expiry":
            table = find_table(catalog, identifier)
            if table is None:
                raise TableMissing(f"there is no table {dotted(identifier)}")
            recent = recently_current(table.metadata, job.now_ms - _in_ms(job.guard_seconds))
            ages = ExpiryOptions(
                job.now_ms - _in_ms(options.max_age_seconds), options.min_snapshots, recent | frozenset(job.pinned)
            )
            return expire_snapshots(catalog, identifier, ages, fence=fence, dry_run=job.dry_run, progress=progress)
        case _:
            older_than = job.now_ms - _in_ms(options.orphan_age_seconds)
            return remove_orphans(catalog, identifier, older_than, fence=fence, dry_run=job.dry_run, progress=progress)


def recently_current(metadata: TableMetadata, since_ms: int) -> frozenset[int]:
    """The snapshots that were current at any time since then, in milliseconds of the epoch.

    Whoever has loaded the table since then may be reading one of them, as an upsert does that is being staged: a
    snapshot's own age says nothing of that, since it may have stood for weeks until a moment ago.
    """
    log = metadata.snapshot_log
    ends = [entry.timestamp_ms for entry in log[1:]]
    recent = {entry.snapshot_id for entry, end in zip(log, ends, strict=False) if end >= since_ms}
    if metadata.current_snapshot_id is not None:
        recent.add(metadata.current_snapshot_id)
    return frozenset(recent)


def _in_ms(seconds: float) -> int:
    return int(seconds * _MILLISECONDS)
