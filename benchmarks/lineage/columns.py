"""Column lineage from SQL, beside openlineage-sql: how much of the truth each tells, how much of it is true, and CPU.

The cases are those that floe's own tests hold (services/lineage/tests/column_corpus), with the truth written by hand.
Names are compared without upper and lower case. Of columns the DIRECT edges count; edges of openlineage-sql, which has
no kinds, that are INDIRECT in truth count neither way, nor do tables that it names whole and that are no inputs. floe
is given what an event tells of the tables (their columns, as far as a case has them); openlineage-sql takes only SQL.

    python benchmarks/lineage/columns.py [--rounds 20] [--cases] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import openlineage_sql

sys.path.append(str(Path(__file__).resolve().parents[2] / "services/lineage/tests/column_corpus"))

from corpus import Case, all_cases, told_edges

from floe_lineage.core.columns.extraction import extract
from floe_lineage.core.columns.names import matching

FLOE = "floe"
PEER = "openlineage-sql"
WANTED = {"tables": 1.0, "columns": 0.95}

Column = tuple[str, str, str]
"""Output column, table, its column; in lower case."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a contender tells of a case."""

    tables: frozenset[str]
    columns: frozenset[Column]


@dataclass(slots=True)
class Score:
    """Edges that are told and true, told, and true."""

    right: int = 0
    told: int = 0
    true: int = 0
    exact: int = 0
    cases: int = 0

    def add(self, told: frozenset[object], true: frozenset[object]) -> None:
        """Count a case."""
        self.right += len(told & true)
        self.told += len(told)
        self.true += len(true)
        self.exact += told == true
        self.cases += 1

    @property
    def precision(self) -> float:
        """How much of what is told is true."""
        return self.right / self.told if self.told else 1.0

    @property
    def recall(self) -> float:
        """How much of what is true is told."""
        return self.right / self.true if self.true else 1.0


@dataclass(slots=True)
class Contender:
    """What one comes to over all cases."""

    tables: Score = field(default_factory=Score)
    columns: Score = field(default_factory=Score)
    milliseconds: list[float] = field(default_factory=list)


def main() -> int:
    """Score and measure both, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="how often the SQL of a case is read for its CPU time")
    parser.add_argument("--cases", action="store_true", help="name each case that is not told exactly")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    cases = all_cases()
    contenders = {FLOE: Contender(), PEER: Contender()}
    for case in cases:
        for name, read in ((FLOE, by_floe), (PEER, by_peer)):
            score(contenders[name], name, case, read, rounds=options.rounds, tell=options.cases)
    report(contenders, len(cases))
    if options.json:
        options.json.write_text(json.dumps(documents(contenders), indent=2) + "\n")
    floe = contenders[FLOE]
    reached = {
        "tables": min(floe.tables.precision, floe.tables.recall),
        "columns": min(floe.columns.precision, floe.columns.recall),
    }
    return 0 if all(reached[what] >= wanted for what, wanted in WANTED.items()) else 1


def score(
    contender: Contender, name: str, case: Case, read: Callable[[Case], Found], *, rounds: int, tell: bool
) -> None:
    """Have a contender read a case, once for what it tells, then for its CPU time."""
    found = read(case)
    tables, columns = found.tables, found.columns
    true = frozenset(table.lower() for table in case.tables())
    direct, only_indirect = truth(case)
    columns -= only_indirect
    contender.tables.add(tables, true)
    contender.columns.add(columns, direct)
    if tell and (tables, columns) != (true, direct):
        print(
            f"{name}: {case.label}: {len(direct - columns)} missing, {len(columns - direct)} not true", file=sys.stderr
        )
    before = time.process_time()
    for _ in range(rounds):
        read(case)
    contender.milliseconds.append((time.process_time() - before) / max(rounds, 1) * 1000)


def truth(case: Case) -> tuple[frozenset[Column], frozenset[Column]]:
    """The DIRECT edges, and those that are INDIRECT alone; what all rows depend on is so for each column."""
    edges = case.truth()
    direct = {folded(column, table, name) for column, table, name, use in edges if use.kind == "DIRECT"}
    of_one = {folded(column, table, name) for column, table, name, use in edges if column and use.kind == "INDIRECT"}
    of_all = {folded(to, table, name) for column, table, name, _ in edges if not column for to in case.columns}
    return frozenset(direct), frozenset((of_one | of_all) - direct)


def by_floe(case: Case) -> Found:
    """What floe tells."""
    lineage = extract(case.statement)
    edges = told_edges(lineage)
    tables = frozenset(name.lower() for _, name in lineage.tables)
    return Found(tables, frozenset(folded(*edge[:3]) for edge in edges if edge[3].kind == "DIRECT"))


def by_peer(case: Case) -> Found:
    """What openlineage-sql tells; a table that is none of the case's is told as it is."""
    meta = openlineage_sql.parse([case.statement.sql], dialect=case.statement.dialect)
    if meta is None:
        return Found(frozenset(), frozenset())
    columns = {
        folded(made.descendant.name, known_table(case, source.origin.qualified_name), source.name)
        for made in meta.column_lineage
        for source in made.lineage
        if source.origin is not None
    }
    tables = {known_table(case, table.qualified_name) for table in meta.in_tables}
    known = {table.name.lower() for table in case.statement.inputs}
    return Found(frozenset(table for table in tables if table in known or "." not in table), frozenset(columns))


def known_table(case: Case, name: str) -> str:
    """The case's table that is meant."""
    parts = name.replace("`", "").replace('"', "").split(".")
    found = matching(case.statement.inputs, parts)
    return (case.statement.inputs[found[0]].name if len(found) == 1 else name).lower()


def folded(column: str, table: str, name: str) -> Column:
    """An edge whose case does not matter."""
    return column.lower(), table.lower(), name.lower()


def report(contenders: dict[str, Contender], cases: int) -> None:
    """Print the table."""
    print(f"{cases} statements; precision / recall of edges, statements told exactly; CPU of one, median (slowest)")
    print(f"{'':18}{'tables':>24}{'columns':>24}{'CPU ms':>20}")
    for name, contender in contenders.items():
        cells = [
            f"{one.precision:.1%} / {one.recall:.1%} {one.exact:>4}" for one in (contender.tables, contender.columns)
        ]
        took = f"{statistics.median(contender.milliseconds):.2f} ({max(contender.milliseconds):.2f})"
        print(f"{name:18}{cells[0]:>24}{cells[1]:>24}{took:>20}")


def documents(contenders: dict[str, Contender]) -> dict[str, object]:
    """The figures as JSON values."""
    return {
        name: {
            what: {"precision": one.precision, "recall": one.recall, "exact": one.exact, "cases": one.cases}
            for what, one in (("tables", contender.tables), ("columns", contender.columns))
        }
        | {"milliseconds": contender.milliseconds}
        for name, contender in contenders.items()
    }


if __name__ == "__main__":
    raise SystemExit(main())
