"""SQL with what its columns are made of, written by hand: one case an entry of the files beside this one.

An edge is `table.column` and how it is used: IDENTITY where nothing is said, several uses one after the other, `masked`
after the use that hides the values. `columns` and `whole` are the truth, `told` what floe tells instead of it where it
falls short. `tables` have the columns that are known of them: null for none, `complete: false` where there are more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from floe_lineage.core.columns.model import ColumnLineage, InputField, Statement, Table, Transformation

NAMESPACE = "warehouse"
_DIRECT = {"IDENTITY", "TRANSFORMATION", "AGGREGATION"}

Edge = tuple[str, str, str, Transformation]
"""Output column (empty for the whole output), table, its column, and how it is used."""


@dataclass(frozen=True)
class Case:
    """One statement."""

    group: str
    name: str
    statement: Statement
    columns: Mapping[str, Any]
    whole: Iterable[str]
    told: Mapping[str, Any]
    unresolved: tuple[str, ...]

    @property
    def label(self) -> str:
        """What it is called among all."""
        return f"{self.group}: {self.name}"

    def truth(self) -> frozenset[Edge]:
        """All edges there are."""
        return frozenset(self._edges(self.columns))

    def expected(self) -> frozenset[Edge]:
        """The edges that floe tells."""
        return frozenset(self._edges({**self.columns, **self.told}))

    def tables(self) -> frozenset[str]:
        """The tables that there is any edge from."""
        return frozenset(table for _, table, _, _ in self.truth())

    def _edges(self, columns: Mapping[str, Any]) -> Iterable[Edge]:
        for column, told in columns.items():
            for edge in [told] if isinstance(told, str) else told:
                yield from self._uses(column, edge)
        for edge in self.whole:
            yield from self._uses("", edge)

    def _uses(self, column: str, edge: str) -> Iterable[Edge]:
        known = [table.name for table in self.statement.inputs if edge.startswith(f"{table.name}.")]
        table = max(known, key=len)
        words = edge.removeprefix(f"{table}.").split(" ")
        uses: list[str] = []
        while len(words) > 1 and (
            words[-1] == "masked" or (words[-1].isupper() and words[-1].replace("_", "").isalpha())
        ):
            uses.insert(0, words.pop())
        for place, use in enumerate(uses or ["IDENTITY"]):
            if use != "masked":
                masked = uses[place + 1 : place + 2] == ["masked"]
                kind = "DIRECT" if use in _DIRECT else "INDIRECT"
                yield column, table, " ".join(words), Transformation(kind, use, masked)


def told_edges(lineage: ColumnLineage) -> frozenset[Edge]:
    """The edges of a result."""
    outputs: list[tuple[str, tuple[InputField, ...]]] = [*lineage.fields.items(), ("", lineage.whole)]
    return frozenset(
        (column, found.name, found.field, use)
        for column, inputs in outputs
        for found in inputs
        for use in found.transformations
    )


def all_cases() -> list[Case]:
    """All cases, by group."""
    files = sorted(Path(__file__).parent.glob("*.yaml"))
    return [_case(file.stem, entry) for file in files for entry in yaml.safe_load(file.read_text())]


def _case(group: str, entry: Mapping[str, Any]) -> Case:
    tables = tuple(_table(name, columns) for name, columns in entry["tables"].items())
    output = entry.get("output", ())
    written = Table(NAMESPACE, entry.get("output_name", "mart.result"), tuple(output), complete=bool(output))
    return Case(
        group,
        entry["name"],
        Statement(entry["sql"], entry["dialect"], tables, written),
        entry["columns"],
        tuple(entry.get("whole", ())),
        entry.get("told", {}),
        tuple(entry.get("unresolved", ())),
    )


def _table(name: str, columns: Any) -> Table:
    if isinstance(columns, dict):
        return Table(NAMESPACE, name, tuple(columns["columns"]), complete=columns["complete"])
    return Table(NAMESPACE, name, tuple(columns or ()), complete=columns is not None)
