"""Checking what a run says it has landed against what the tables say themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from floe_catalog.core.ports import ShownSnapshot, ShownTable
from floe_contracts.events import LandedTable, RunCompleted

_NO_SNAPSHOT: Final = -1
"""What a run says of a table that dbt has made and written nothing to."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The snapshot is not there; it may still come."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The table says something else; it will not change."""

    sentence: str


Objection: TypeAlias = Missing | Contradiction


def outside(run: RunCompleted, claim: LandedTable) -> Contradiction:
    """The objection to a claim to somebody else's table."""
    return Contradiction(f"{claim.identifier} is no table of {run.product} in {run.environment}")


def objection(run: RunCompleted, claim: LandedTable, shown: ShownTable | None, *, attached: bool) -> Objection | None:
    """What the table itself says against a claim; None if it bears it out.

    Args:
        run: who claims.
        claim: what it says of one table.
        shown: the table, if there is one.
        attached: whether dbt has written the table into the catalog itself. It marks no snapshot with a run, and the
            run has counted what its snapshot may not tell.
    """
    if shown is None:
        return Missing(f"there is no table {claim.identifier}")
    if shown.table_uuid != claim.table_uuid:
        return Contradiction(f"{claim.identifier} has the uuid {shown.table_uuid}, not {claim.table_uuid}")
    if attached and claim.snapshot_id == _NO_SNAPSHOT:
        return None
    snapshot = shown.snapshots.get(claim.snapshot_id)
    if snapshot is None and shown.forgets and shown.snapshot_id is not None:
        return None  # others have committed since, and nobody can look any more
    if snapshot is None:
        return Missing(f"{claim.identifier} has no snapshot {claim.snapshot_id}")
    if not attached and (contradictions := _contradictions(run, claim, snapshot)):
        return Contradiction(f"{claim.identifier}, snapshot {claim.snapshot_id}: {', '.join(contradictions)}")
    return None


def _contradictions(run: RunCompleted, claim: LandedTable, snapshot: ShownSnapshot) -> list[str]:
    compared = (
        ("run", run.run_id, snapshot.run_id),
        ("artifact", run.artifact_digest, snapshot.artifact_digest),
        ("rows", claim.rows, snapshot.rows),
        ("files", claim.files, snapshot.files),
        ("bytes", claim.bytes, snapshot.bytes),
    )
    return [f"{name} is {has}, not {said}" for name, said, has in compared if said != has]
