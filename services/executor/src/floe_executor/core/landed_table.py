"""What a landing has made of a node's relation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from floe_contracts.events import LandedTable

Columns: TypeAlias = Sequence[tuple[str, str | None, str]]
"""Name, type and description of each column, in order."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What the commit of a table's snapshot did, in Iceberg's words.

    Attributes:
        operation: append, overwrite, replace or delete.
        sequence_number: its number among the commits of the table, where the table counts them.
        summary: figures of the snapshot, as in `added-records`.
    """

    operation: str
    sequence_number: int | None
    summary: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Landed:
    """A table after its switch.

    Attributes:
        table: what was landed.
        columns: of its snapshot.
        source_columns: those of them that the node's relation has, as that spells them.
        created: whether the table was not there before.
        commit: what the landing's commit did; None where dbt wrote the table, and where the snapshot has expired.
    """

    table: LandedTable
    columns: Columns
    source_columns: Sequence[str] = ()
    created: bool = False
    commit: Commit | None = None
