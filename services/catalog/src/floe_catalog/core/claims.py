"""Checking what a run says it has landed against what the tables say themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from floe_catalog.core.ports import FoundSnapshot, FoundTable
from floe_contracts.events import LandedTable, RunCompleted, TableCommitted
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.identifiers import Identifier, product_namespace


@dataclass(frozen=True, slots=True)
class Missing:
    """The snapshot is not there; it may still come."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The table says something else; it will not change."""

    sentence: str


Verdict: TypeAlias = TableCommitted | Missing | Contradiction


def identifier_of(run: RunCompleted, claim: LandedTable) -> Identifier | None:
    """The table that a claim speaks of; None if it is no table of the run's product and environment."""
    levels = tuple(claim.identifier.split("."))
    own = product_namespace(Place(run.tenant, run.environment, run.product))
    return levels if levels[: len(own)] == own and len(levels) > len(own) and all(levels) else None


def outside(run: RunCompleted, claim: LandedTable) -> Contradiction:
    """The verdict on a claim to somebody else's table."""
    return Contradiction(f"{claim.identifier} is no table of {run.product} in {run.environment}")


def judge(run: RunCompleted, claim: LandedTable, found: FoundTable | None) -> Verdict:
    """The event of a claim that holds, or what is wrong with it. All figures are the table's own."""
    if found is None:
        return Missing(f"there is no table {claim.identifier}")
    if found.table_uuid != claim.table_uuid:
        return Contradiction(f"{claim.identifier} has the uuid {found.table_uuid}, not {claim.table_uuid}")
    snapshot = found.snapshot
    if snapshot is None:
        return Missing(f"{claim.identifier} has no snapshot {claim.snapshot_id}")
    if contradictions := _contradictions(run, claim, snapshot):
        return Contradiction(f"{claim.identifier}, snapshot {claim.snapshot_id}: {', '.join(contradictions)}")
    return TableCommitted(
        tenant=run.tenant,
        environment=run.environment,
        product=run.product,
        identifier=claim.identifier,
        table_uuid=found.table_uuid,
        snapshot_id=snapshot.snapshot_id,
        parent_snapshot_id=snapshot.parent_snapshot_id,
        operation=snapshot.operation,
        rows=snapshot.rows,
        files=snapshot.files,
        bytes=snapshot.bytes,
        run_id=snapshot.run_id,
        artifact_digest=snapshot.artifact_digest,
    )


def event_id(event: TableCommitted) -> str:
    """A snapshot is told of once, whoever asks (DESIGN section 4)."""
    return f"{event.table_uuid}:{event.snapshot_id}"


def _contradictions(run: RunCompleted, claim: LandedTable, snapshot: FoundSnapshot) -> list[str]:
    compared = (
        ("run", run.run_id, snapshot.run_id),
        ("artifact", run.artifact_digest, snapshot.artifact_digest),
        ("rows", claim.rows, snapshot.rows),
        ("files", claim.files, snapshot.files),
        ("bytes", claim.bytes, snapshot.bytes),
    )
    return [f"{name} is {has}, not {said}" for name, said, has in compared if said != has]
