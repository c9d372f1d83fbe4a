"""What a compaction came to, as reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from floe_lakehouse.maintenance.compaction_plans import CompactionPlan
from floe_lakehouse.maintenance.reports import MaintenanceReport, Outcome


@dataclass(slots=True)
class Tally:
    """What a compaction came to so far.

    Attributes:
        snapshot_id: the last snapshot, its own or the one it began with.
        files_before: files that left the table.
        files_after: files that came.
        bytes_before: size of the first.
        bytes_after: size of the second.
        bytes_rewritten: what was read so far, also of groups that others overtook.
        unreadable: why groups were left.
    """

    snapshot_id: int | None
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    bytes_rewritten: int = 0
    unreadable: list[str] = field(default_factory=list)


def foreseen(plan: CompactionPlan) -> MaintenanceReport:
    """What a plan would do."""
    files = [file for group in plan.groups for file in group.files]
    size = sum(file.size_bytes for file in files)
    return MaintenanceReport(
        action="compaction",
        outcome="done",
        dry_run=True,
        snapshot_before=plan.live.snapshot_id,
        snapshot_after=plan.live.snapshot_id,
        files_before=len(files) + len(plan.live.dangling(file.path for file in files)),
        files_after=len(plan.groups),
        bytes_before=size,
        bytes_after=size,
    )


def came_to(tally: Tally, before: int | None) -> MaintenanceReport:
    """What was done to a table that showed the snapshot `before`."""
    reason = "; ".join(dict.fromkeys(tally.unreadable)) or None
    if not tally.files_before:
        if reason:
            return without_effect(before, "unsupported", reason)
        return without_effect(
            before, "nothing_to_do", "others changed the files meanwhile, and there are too few small ones"
        )
    return MaintenanceReport(
        action="compaction",
        outcome="done",
        reason=f"a part was left: {reason}" if reason else None,
        snapshot_before=before,
        snapshot_after=tally.snapshot_id,
        files_before=tally.files_before,
        files_after=tally.files_after,
        bytes_before=tally.bytes_before,
        bytes_after=tally.bytes_after,
    )


def without_effect(
    snapshot_id: int | None, outcome: Outcome, reason: str, *, dry_run: bool = False
) -> MaintenanceReport:
    """That nothing was done, and why."""
    return MaintenanceReport(
        action="compaction",
        outcome=outcome,
        reason=reason,
        dry_run=dry_run,
        snapshot_before=snapshot_id,
        snapshot_after=snapshot_id,
    )
