"""Putting tables in order because somebody asks: the same work as that of the clock, and in the same place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeVar

from floe_catalog.core.maintenance_actions import ActionResult, MaintenanceOptions, TableWork, options_of
from floe_catalog.maintenance.work import TableMaintenance
from floe_catalog.requests.gaps import Gaps
from floe_catalog.requests.lake import FoundTable, Lake
from floe_chassis.answers import Asked
from floe_contracts.catalog_requests import (
    CompactTables,
    ExpireSnapshots,
    MaintenanceRequest,
    MaintenanceResult,
    MaintenanceResults,
    RemoveOrphans,
    RewriteManifests,
)
from floe_contracts.errors import FloeError
from floe_contracts.events.tables import MaintenanceAction
from floe_lakehouse.maintenance.reports import MaintenanceReport

RequestT = TypeVar("RequestT", bound=MaintenanceRequest)

_ACTIONS: Final[dict[type[MaintenanceRequest], MaintenanceAction]] = {
    CompactTables: "compaction",
    RewriteManifests: "manifests",
    ExpireSnapshots: "expiry",
    RemoveOrphans: "orphans",
}
_MEGABYTE: Final = 2**20
_DAY_SECONDS: Final = 24 * 60 * 60
_FILES_NAMED: Final = 1000
"""Of the files that are gone so many are named; the number tells of all."""


async def maintain_tables(lake: Lake, maintenance: TableMaintenance, asked: Asked[RequestT]) -> MaintenanceResults:
    """Do what is asked to one table, or to all of them, one after the other.

    A table that fails does not keep the others from being done, nor does a product whose catalog is away; what was
    asked of one table or product alone fails as a whole.

    Raises:
        MaintenanceBusy: somebody else works on the table.
        FloeError: what finding the table raises.
    """
    request = asked.request
    if request.table is not None:
        found = await lake.table(asked, request.table, request.product)
        return MaintenanceResults(results=(await _maintain(maintenance, asked, found),))
    results: list[MaintenanceResult] = []
    gaps = Gaps(request.product)
    for found in await lake.tables(await lake.products(asked, request.product, gaps), gaps):
        try:
            results.append(await _maintain(maintenance, asked, found))
        except FloeError as error:
            results.append(_failed(found, _ACTIONS[type(request)], f"{error.code}: {error.message}"))
    return MaintenanceResults(results=tuple(results), unanswered=gaps.unanswered(beside=results))


def maintenance_result(found: FoundTable, result: ActionResult, *, dry_run: bool) -> MaintenanceResult:
    """What came of an action, as an answer tells it."""
    if result.failure is not None:
        return _failed(found, result.action, f"{result.failure.code}: {result.failure.message}")
    report = result.report or MaintenanceReport(action=result.action, outcome="nothing_to_do")
    return MaintenanceResult(
        identifier=found.identifier,
        action=result.action,
        outcome=result.outcome,
        reason=report.reason,
        dry_run=dry_run,
        snapshot_before=report.snapshot_before,
        snapshot_after=report.snapshot_after,
        files_before=report.files_before,
        files_after=report.files_after,
        bytes_before=report.bytes_before,
        bytes_after=report.bytes_after,
        snapshots_removed=report.snapshots_removed,
        files_removed=len(report.removed),
        bytes_removed=report.bytes_removed,
        removed=report.removed[:_FILES_NAMED],
        seconds=round(result.seconds, 3),
    )


async def _maintain(maintenance: TableMaintenance, asked: Asked[RequestT], found: FoundTable) -> MaintenanceResult:
    request = asked.request
    work = TableWork(
        place=found.place,
        identifier=found.identifier,
        actions=(_ACTIONS[type(request)],),
        options=_options(found, request),
        requester=asked.asker,
        cause=asked.id,
        dry_run=request.dry_run,
    )
    results = await maintenance.maintain_table(
        work, lambda action, done, total: asked.progress(done, total, f"{action} of {found.identifier}")
    )
    return maintenance_result(found, results[0], dry_run=request.dry_run)


def _options(found: FoundTable, request: MaintenanceRequest) -> MaintenanceOptions:
    """How far it goes: as the request says, and where it is silent as the product's policies do."""
    given: dict[str, Any] = {}
    match request:
        case CompactTables():
            size = request.target_file_size_mb
            given = {
                "target_file_size_bytes": None if size is None else size * _MEGABYTE,
                "min_input_files": request.min_input_files,
            }
        case RewriteManifests():
            given = {"min_manifests": request.min_manifests}
        case ExpireSnapshots():
            given = {"max_age_seconds": _seconds(request.max_age_days), "min_snapshots": request.min_snapshots}
        case RemoveOrphans():
            given = {"orphan_age_seconds": _seconds(request.min_age_days)}
    policy = options_of(found.product.environment.maintenance)
    return replace(policy, **{name: value for name, value in given.items() if value is not None})


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * _DAY_SECONDS


def _failed(found: FoundTable, action: MaintenanceAction, reason: str) -> MaintenanceResult:
    return MaintenanceResult(identifier=found.identifier, action=action, outcome="failed", reason=reason)
