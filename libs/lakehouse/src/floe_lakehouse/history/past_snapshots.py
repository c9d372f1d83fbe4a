"""The snapshots of a table as people look at them, and finding one by any of its names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import Snapshot, SnapshotLogEntry, ancestors_of

from floe_contracts.suggestions import did_you_mean
from floe_lakehouse.errors import SnapshotMissing
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.pasts import why_not_ours
from floe_lakehouse.snapshots import ARTIFACT_DIGEST, MAINTENANCE, RUN_ID, summary_of

RUN: Final = "run:"
"""Before a run's id, where a snapshot is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSnapshot:
    """What a table says of one of its snapshots.

    Attributes:
        snapshot_id: its id.
        parent_snapshot_id: the one that it was committed on, as far as the table still knows.
        committed_at_ms: when, in milliseconds since 1970 UTC.
        operation: `append`, `overwrite`, `replace` or `delete`; None if it does not say.
        run_id: the run that committed it; None for anybody else.
        artifact_digest: the artifact of that run.
        maintenance: the action that committed it (`compaction`, ...); its rows are those of its parent.
        rows: how many rows it holds, without those that its position deletes take away; None if it does not say, or has
            deletes by value, which say nothing of how many rows they meet. So with all numbers.
        files: how many data files it holds.
        size_bytes: how large these are together.
        added_rows: rows in the files that it added.
        removed_rows: rows in the files that it removed.
        removed_files: data files that it removed.
        tags: the tags that point to it.
        branches: the branches whose newest it is.
        is_current: whether the table stands at it.
    """

    snapshot_id: int
    parent_snapshot_id: int | None
    committed_at_ms: int
    operation: str | None
    run_id: str | None
    artifact_digest: str | None
    maintenance: str | None
    rows: int | None
    files: int | None
    size_bytes: int | None
    added_rows: int | None
    removed_rows: int | None
    removed_files: int | None
    tags: tuple[str, ...]
    branches: tuple[str, ...]
    is_current: bool


def snapshots_of(table: Table) -> tuple[PastSnapshot, ...]:
    """All snapshots that the table still has, the newest first."""
    return tuple(past_snapshot(table.metadata, one) for one in reversed(table.metadata.snapshots))


def past_snapshot(metadata: TableMetadata, snapshot: Snapshot) -> PastSnapshot:
    """What a table says of a snapshot."""
    told = summary_of(snapshot)

    def number(name: str) -> int | None:
        return int(told[name]) if name in told else None

    def names(kind: SnapshotRefType) -> tuple[str, ...]:
        return tuple(
            sorted(
                name
                for name, ref in metadata.refs.items()
                if ref.snapshot_id == snapshot.snapshot_id and ref.snapshot_ref_type is kind
            )
        )

    return PastSnapshot(
        snapshot_id=snapshot.snapshot_id,
        parent_snapshot_id=snapshot.parent_snapshot_id,
        committed_at_ms=snapshot.timestamp_ms,
        operation=snapshot.summary.operation.value if snapshot.summary else None,
        run_id=told.get(RUN_ID),
        artifact_digest=told.get(ARTIFACT_DIGEST),
        maintenance=told.get(MAINTENANCE),
        rows=_rows(told),
        files=number("total-data-files"),
        size_bytes=number("total-files-size"),
        added_rows=number("added-records"),
        removed_rows=number("deleted-records"),
        removed_files=number("deleted-data-files"),
        tags=names(SnapshotRefType.TAG),
        branches=names(SnapshotRefType.BRANCH),
        is_current=snapshot.snapshot_id == metadata.current_snapshot_id,
    )


def _rows(told: Mapping[str, str]) -> int | None:
    if "total-records" not in told or int(told.get("total-equality-deletes", 0)):
        return None
    if int(told.get("total-delete-files", 0)) and "total-position-deletes" not in told:
        return None
    return max(0, int(told["total-records"]) - int(told.get("total-position-deletes", 0)))


def snapshot_left_by(metadata: TableMetadata, run_id: str) -> Snapshot | None:
    """The newest snapshot that a run landed, whether or not the table stands on it."""
    return next((one for one in reversed(metadata.snapshots) if summary_of(one).get(RUN_ID) == run_id), None)


def find_snapshot(table: Table, at: str) -> Snapshot:
    """The snapshot that somebody means.

    Args:
        table: the table.
        at: a snapshot's id; the name of a tag or branch; `run:` and a run's id, or the run's id alone, for what that
            run left; a time in ISO 8601, for what was current then (UTC, if it names no zone).

    Raises:
        SnapshotMissing: there is none; the hint says what there is.
    """
    metadata = table.metadata
    if at.isascii() and at.isdigit():
        return _present(table, metadata.snapshot_by_id(int(at)), f"no snapshot {at}")
    if ref := metadata.refs.get(at):
        return _present(table, metadata.snapshot_by_id(ref.snapshot_id), f"no snapshot {ref.snapshot_id}")
    run_id = at.removeprefix(RUN)
    if at.startswith(RUN) or snapshot_left_by(metadata, run_id):
        return _present(table, snapshot_left_by(metadata, run_id), f"no snapshot of run {run_id}", run_id, _runs(table))
    if (moment := _moment(at)) is not None:
        return _at_time(table, at, moment)
    return _present(table, None, f"nothing named {at!r}", at, [*metadata.refs, *_runs(table)])


def _present(table: Table, snapshot: Snapshot | None, lack: str, name: str = "", known: Iterable[str] = ()) -> Snapshot:
    if snapshot is None:
        raise SnapshotMissing(f"{dotted(table.name())} has {lack}", hint=did_you_mean(name, known) or _range(table))
    return snapshot


def _range(table: Table) -> str:
    there = table.metadata.snapshots
    if not there:
        return "nothing was written to it yet"
    if reason := why_not_ours(table.catalog):
        return reason
    first, last = (_iso(function(one.timestamp_ms for one in there)) for function in (min, max))
    count = "one snapshot" if len(there) == 1 else f"{len(there)} snapshots"
    expired = "; older ones have expired" if there[0].parent_snapshot_id is not None else ""
    return f"it has {count}, from {first} to {last}{expired}"


def _runs(table: Table) -> list[str]:
    return [told[RUN_ID] for told in map(summary_of, table.metadata.snapshots) if RUN_ID in told]


def _moment(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _at_time(table: Table, text: str, moment_ms: int) -> Snapshot:
    """What was current at a time, by the table's own log of it; commit times alone know nothing of rollbacks."""
    metadata = table.metadata
    log = metadata.snapshot_log or [
        SnapshotLogEntry(snapshot_id=one.snapshot_id, timestamp_ms=one.timestamp_ms)
        for one in reversed(list(ancestors_of(metadata.current_snapshot(), metadata)))
    ]
    reached = [place for place, entry in enumerate(log) if entry.timestamp_ms <= moment_ms]
    if not reached:
        raise SnapshotMissing(f"{dotted(table.name())} has no snapshot from before {text}", hint=_range(table))
    entry, later = log[reached[-1]], log[reached[-1] + 1 : reached[-1] + 2]
    snapshot = metadata.snapshot_by_id(entry.snapshot_id)
    if later and not _follows(metadata, snapshot, metadata.snapshot_by_id(later[0].snapshot_id)):
        raise SnapshotMissing(
            f"what {dotted(table.name())} was at {text} has expired",
            hint=f"name a time from {_iso(later[0].timestamp_ms)} on, or a snapshot",
        )
    return _present(table, snapshot, f"no snapshot {entry.snapshot_id}")


def _follows(metadata: TableMetadata, first: Snapshot | None, second: Snapshot | None) -> bool:
    """Whether one entry of the log came right after the other, with nothing in between that has expired.

    Either was committed on the other or, in a rollback, stood below it.
    """
    if first is None or second is None or first.snapshot_id == second.snapshot_id:
        return False
    if second.sequence_number and first.sequence_number and second.sequence_number == first.sequence_number + 1:
        return True
    return first in ancestors_of(second, metadata) or second in ancestors_of(first, metadata)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
