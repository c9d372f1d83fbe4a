"""What a run left in tables, and where they stand now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from floe_contracts.suggestions import did_you_mean
from floe_lakehouse.errors import SnapshotMissing
from floe_lakehouse.history.past_snapshots import snapshot_left_by
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.snapshots import MAINTENANCE, RUN_ID, summary_of
from floe_lakehouse.tables import find_table

Standing: TypeAlias = Literal["current", "left", "created_later", "not_landed", "expired"]


@dataclass(frozen=True, slots=True)
class RunTable:
    """A table and a run.

    Attributes:
        identifier: the table.
        standing: `current`, the table stands at what the run left, perhaps in other files; `left`, it has moved on, and
            can go back; `created_later`, there was no such table yet; `not_landed`, the run did not touch it;
            `expired`, the table does not know its own past so far back.
        snapshot_id: what the run left; None unless it is there.
        current_snapshot_id: where the table stands; None for a table that nothing was written to.
    """

    identifier: Identifier
    standing: Standing
    snapshot_id: int | None
    current_snapshot_id: int | None


def run_tables(catalog: Catalog, identifiers: Iterable[Identifier], run_id: str) -> tuple[RunTable, ...]:
    """Where tables stand to what a run left in them. Tables that do not exist are left out.

    Raises:
        SnapshotMissing: none of them has a snapshot of the run.
        CatalogUnreachable: the catalog does not answer.
    """
    tables = {one: table for one in identifiers if (table := find_table(catalog, one)) is not None}
    left = {one: snapshot_left_by(table.metadata, run_id) for one, table in tables.items()}
    moments = [snapshot.timestamp_ms for snapshot in left.values() if snapshot]
    if not moments:
        raise SnapshotMissing(
            f"no table has a snapshot of run {run_id}",
            hint=did_you_mean(run_id, _runs(tables)) or "it landed nothing, or its snapshots have expired",
        )
    return tuple(
        RunTable(
            one,
            _standing(table.metadata, left[one], min(moments), max(moments)),
            snapshot.snapshot_id if (snapshot := left[one]) else None,
            table.metadata.current_snapshot_id,
        )
        for one, table in tables.items()
    )


def _runs(tables: Mapping[Identifier, Table]) -> set[str]:
    told = [summary_of(one) for table in tables.values() for one in table.metadata.snapshots]
    return {properties[RUN_ID] for properties in told if RUN_ID in properties}


def _standing(metadata: TableMetadata, left: Snapshot | None, began_ms: int, ended_ms: int) -> Standing:
    if left is not None:
        return "current" if left.snapshot_id in _same_rows(metadata) else "left"
    if not metadata.snapshots:
        return "not_landed"
    numbers = [one.sequence_number or 0 for one in metadata.snapshots]
    before = [one.sequence_number or 0 for one in metadata.snapshots if one.timestamp_ms < began_ms]
    later = [one.sequence_number or 0 for one in metadata.snapshots if one.timestamp_ms > ended_ms]
    if not before:
        return "created_later" if min(numbers) == 1 and len(later) == len(numbers) else "expired"
    end = min(later, default=getattr(metadata, "last_sequence_number", 0) + 1)  # format 1 has none
    missing = set(range(max(before), end)) - set(numbers)
    return "expired" if missing else "not_landed"


def _same_rows(metadata: TableMetadata) -> set[int]:
    """The current snapshot, and those below it as far as only maintenance was committed since."""
    found = set()
    for one in ancestors_of(metadata.current_snapshot(), metadata):
        found.add(one.snapshot_id)
        if MAINTENANCE not in summary_of(one):
            break
    return found
