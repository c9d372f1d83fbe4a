"""What becomes of each table in a rollback. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from floe_contracts.rollbacks import TableRollback

Step = Literal["roll_back", "done", "changed"]


@dataclass(frozen=True, slots=True)
class CurrentTable:
    """A table as it is now.

    Attributes:
        table_uuid: its identity.
        snapshot_id: the current snapshot.
        same_rows: the snapshots that have the rows of the current one, itself among them: maintenance only moved them.
    """

    table_uuid: str
    snapshot_id: int | None
    same_rows: frozenset[int]


def next_step(plan: TableRollback, now: CurrentTable | None) -> Step:
    """What is to be done to a table of a rollback that may have been begun before.

    A table that somebody else has committed to since then is left alone: what they wrote is not ours to undo.
    """
    if now is None or now.table_uuid != plan.table_uuid:
        return "changed"
    if now.snapshot_id == plan.after:
        return "done"
    return "roll_back" if plan.before in now.same_rows else "changed"
