"""What an action on a table came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Action: TypeAlias = Literal["compaction", "manifests", "expiry", "orphans", "rollback", "tag", "branch"]
Outcome: TypeAlias = Literal["done", "nothing_to_do", "unsupported"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with what is done and what there is to do, in bytes or files."""


def no_progress(done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceReport:
    """What an action did to a table, or would do.

    Attributes:
        action: what was to be done.
        outcome: `done`; `nothing_to_do`, as the table is in order; `unsupported`, as floe cannot do it to this table.
        reason: why nothing was done, in a sentence.
        dry_run: nothing was changed; the figures say what would be.
        snapshot_before: the current snapshot when it began.
        snapshot_after: the current snapshot when it ended.
        files_before: files that went into it, or that it looked at.
        files_after: files that came out of it, or that stay.
        bytes_before: size of the first.
        bytes_after: size of the second.
        snapshots_removed: the ids of snapshots that are gone.
        refs_removed: the names of tags and branches that are gone, as they became older than they may.
        removed: the files that are gone from the storage.
        bytes_removed: their size, as far as it is known.
    """

    action: Action
    outcome: Outcome
    reason: str | None = None
    dry_run: bool = False
    snapshot_before: int | None = None
    snapshot_after: int | None = None
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    snapshots_removed: tuple[int, ...] = ()
    refs_removed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    bytes_removed: int = 0
