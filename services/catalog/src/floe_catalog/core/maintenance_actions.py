"""What can be done to a table so that it stays small, in which order, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from floe_catalog.core.shared_tables import sharer
from floe_contracts.events.tables import MaintenanceAction, MaintenanceOutcome, TableMaintained
from floe_contracts.maintenance import CompiledMaintenance
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.maintenance.reports import MaintenanceReport

ORDER: Final[tuple[MaintenanceAction, ...]] = ("compaction", "manifests", "expiry", "orphans")
"""Compaction leaves manifests to merge and snapshots to expire; what expiry could not delete is an orphan."""
BY_COMMITS: Final = "commits"
BY_SCHEDULE: Final = "schedule"
_OF_THE_SERVICE: Final = frozenset({BY_COMMITS, BY_SCHEDULE})
_MEGABYTE: Final = 2**20
_DAY_SECONDS: Final = 24 * 60 * 60

ActionProgress: TypeAlias = Callable[[MaintenanceAction, int, int], None]
"""Called with the action, what of it is done, and what there is to do, in bytes or files."""


def no_progress(action: MaintenanceAction, done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceOptions:
    """How far the actions go.

    Attributes:
        target_file_size_bytes: how large compaction makes files.
        min_input_files: how many small files of a partition are worth a compaction.
        min_manifests: how many manifests are worth rewriting.
        max_age_seconds: how old a snapshot becomes.
        min_snapshots: how many of the newest stay, however old they are.
        orphan_age_seconds: how old a file is before it counts as left behind.
    """

    target_file_size_bytes: int
    min_input_files: int
    min_manifests: int
    max_age_seconds: float
    min_snapshots: int
    orphan_age_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWork:
    """What is to be done to one table.

    Attributes:
        place: whose table it is.
        identifier: namespace and name, dotted.
        actions: what is to be done; in which order is decided here.
        options: how far.
        requester: `commits`, `schedule`, or who asked.
        cause: names why; the same work for the same cause is told of once.
        dry_run: only say what would be done.
    """

    place: Place
    identifier: str
    actions: tuple[MaintenanceAction, ...]
    options: MaintenanceOptions
    requester: str
    cause: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an action failed: the parts of the error; `transient` may pass by itself."""

    code: str
    message: str
    hint: str | None = None
    transient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """What came of one action: a report, or a failure.

    Attributes:
        action: what was to be done.
        table_uuid: the table's identity.
        report: what was done; None if it failed.
        failure: why it failed.
        seconds: how long it took.
    """

    action: MaintenanceAction
    table_uuid: str
    report: MaintenanceReport | None = None
    failure: Failure | None = None
    seconds: float = 0.0

    @property
    def outcome(self) -> MaintenanceOutcome:
        """What came of it, in a word."""
        return "failed" if self.report is None else self.report.outcome


def options_of(policy: CompiledMaintenance) -> MaintenanceOptions:
    """How far a policy goes."""
    return MaintenanceOptions(
        target_file_size_bytes=policy.compaction.target_file_size_mb * _MEGABYTE,
        min_input_files=policy.compaction.min_input_files,
        min_manifests=policy.manifests.min_manifests,
        max_age_seconds=policy.expiry.max_age_days * _DAY_SECONDS,
        min_snapshots=policy.expiry.min_snapshots,
        orphan_age_seconds=policy.orphans.min_age_days * _DAY_SECONDS,
    )


def enabled_actions(policy: CompiledMaintenance, requester: str) -> tuple[MaintenanceAction, ...]:
    """What the service does by itself.

    Orphans are looked for at the schedule only: that lists all files of a table, and none is old enough sooner.
    """
    if not policy.enabled:
        return ()
    enabled: dict[MaintenanceAction, bool] = {
        "compaction": policy.compaction.enabled,
        "manifests": policy.manifests.enabled,
        "expiry": policy.expiry.enabled,
        "orphans": policy.orphans.enabled and requester != BY_COMMITS,
    }
    return in_order([action for action in ORDER if enabled[action]])


def in_order(actions: Collection[MaintenanceAction]) -> tuple[MaintenanceAction, ...]:
    """The actions in the order in which each leaves least to the ones before it."""
    return tuple(action for action in ORDER if action in actions)


def is_told(work: TableWork, result: ActionResult) -> bool:
    """Whether the result is an event: that a table is in order interests only a person who asked."""
    if work.dry_run:
        return False
    return result.outcome != "nothing_to_do" or work.requester not in _OF_THE_SERVICE


def maintained(work: TableWork, result: ActionResult) -> TableMaintained:
    """The event of a result."""
    report = result.report or MaintenanceReport(action=result.action, outcome="nothing_to_do")
    failure = result.failure
    return TableMaintained(
        tenant=work.place.tenant,
        environment=work.place.environment,
        product=work.place.product,
        identifier=work.identifier,
        table_uuid=result.table_uuid,
        action=result.action,
        outcome=result.outcome,
        reason=f"{failure.code}: {failure.message}" if failure else report.reason,
        requester=work.requester,
        snapshot_before=report.snapshot_before,
        snapshot_after=report.snapshot_after,
        files_before=report.files_before,
        files_after=report.files_after,
        bytes_before=report.bytes_before,
        bytes_after=report.bytes_after,
        snapshots_removed=len(report.snapshots_removed),
        files_removed=len(report.removed),
        bytes_removed=report.bytes_removed,
        seconds=round(result.seconds, 3),
    )


def maintained_id(work: TableWork, event: TableMaintained) -> str:
    """The id of the event: it names the cause, so that work which is taken up again is told of once."""
    return f"{event.table_uuid}:{work.cause}:{event.action}:{event.outcome}{sharer(work.place, work.identifier)}"
