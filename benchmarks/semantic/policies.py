"""What policies cost a query: one product with them and the same without, served by two real Cubes side by side.

Both have floe's cube.js and the same rows in DuckDB files of their own. Each round asks each of the two the same
queries, turn and turn about; a value that changes keeps them out of Cube's cache. The caller of the product with
policies owns all rows and has every role, so both answer the same rows, which is checked. CPU and memory are those of
the process of Node.

    python benchmarks/semantic/policies.py [--queries 200] [--rows 100000] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import psutil
from figures import told
from products import ENVIRONMENT, SCHEMA, STAR, artifact, graph

from floe_semantic.core.rendering.render import Bundle, render

_OWNER: Final = "acme"
_WARM: Final = 20
_CONTENDERS: Final = ("without policies", "with policies")

Query = dict[str, Any]


@dataclass(slots=True)
class Figures:
    """Of one contender and one query: milliseconds, and MB at the end of a round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=200, help="of each kind in a round")
    parser.add_argument("--rows", type=int, default=100_000, help="of the table of facts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        asked = {name: started(name, Path(folder), options.rows, stack) for name in _CONTENDERS}
        found = compared(asked, options.queries, options.rounds)
    print(f"milliseconds a query, median of {options.rounds} rounds (smallest-largest)")
    print(f"{'query':28}{'contender':20}{'wall ms':>24}{'CPU ms':>24}{'MB':>8}")
    for (query, name), one in found.items():
        print(f"{query:28}{name:20}{told(one.wall):>24}{told(one.cpu):>24}{max(one.memory):>8.0f}")
    if options.json:
        named = [{"query": query, "contender": name, **asdict(one)} for (query, name), one in found.items()]
        options.json.write_text(json.dumps(named, indent=2) + "\n")
    return 0


def queries() -> dict[str, Callable[[int], Query]]:
    """The kinds of queries, each with a value that Cube has not seen."""

    def not_cached(number: int) -> Query:
        return {"filters": [{"member": "model_0.pieces", "operator": "notEquals", "values": [str(-1 - number)]}]}

    month = {"dimension": "model_0.made_at", "granularity": "month"}
    joined = {"measures": ["model_0.count"], "dimensions": ["model_1.city"]}
    total = {"measures": ["model_0.revenue_0", "model_0.count"]}

    def in_view(number: int) -> Query:
        filters = [{"member": "board_0.pieces", "operator": "notEquals", "values": [str(-1 - number)]}]
        return {"measures": ["board_0.revenue_0"], "dimensions": ["board_0.city"], "filters": filters}

    return {
        "a measure": lambda number: {**total, **not_cached(number)},
        "by month": lambda number: {**total, "timeDimensions": [month], **not_cached(number)},
        "by a joined column": lambda number: {**joined, **not_cached(number)},
        "in a view": in_view,
    }


def started(name: str, folder: Path, rows: int, stack: ExitStack) -> tuple[Any, psutil.Process]:
    """A caller of a Cube, and the Cube's process."""
    from bundle_server import served_cube  # found by the path that products adds
    from cube_home import find_cube

    bundle: Bundle = render(artifact(policies=name == "with policies"), graph(STAR), ENVIRONMENT)
    place = folder / name.replace(" ", "-")
    place.mkdir()
    database = place / "warehouse.duckdb"
    fill(database, rows)
    environment = {"CUBEJS_DB_DUCKDB_DATABASE_PATH": str(database), "CUBEJS_LOG_LEVEL": "error"}
    served = served_cube(
        find_cube(), place / "cube", bundle.files, roles=bundle.roles, claims=bundle.claims, environment=environment
    )
    cube, _ = stack.enter_context(served)
    return cube.client({"brand": _OWNER, "roles": list(bundle.roles) or ["finance"]}), psutil.Process(cube.pid)


def fill(database: Path, rows: int) -> None:
    """The tables of one star; every row belongs to the caller."""
    with duckdb.connect(str(database), config={"storage_compatibility_version": "v1.4.0"}) as connection:
        connection.execute(f"create schema {SCHEMA}")
        connection.execute("create schema floe_serve")
        connection.execute(
            "create table floe_serve.tables (schema_name varchar, table_name varchar, snapshot_id bigint)"
        )
        for node in graph(STAR).nodes:
            values = [_value(column.name, column.data_type or "") for column in node.columns]
            count = rows if node.name == "model_0" else 1000
            columns = ", ".join(
                f"({value})::{column.data_type} as {column.name}"
                for value, column in zip(values, node.columns, strict=True)
            )
            created = f"create table {SCHEMA}.{node.identifier} as select {columns} from range({count}) as t(i)"  # noqa: S608
            connection.execute(created)


def _value(name: str, data_type: str) -> str:
    if name == "brand":
        return f"'{_OWNER}'"
    if name.endswith("_id"):
        return "i" if name == "model_0_id" else "i % 1000"
    if data_type == "varchar":
        return f"'{name} ' || (i % 20)"
    if data_type in ("date", "timestamp"):
        return "timestamp '2025-01-01' + to_days((i % 700)::int)"
    return "i % 2 = 0" if data_type == "boolean" else "i % 100"


def compared(asked: dict[str, tuple[Any, psutil.Process]], count: int, rounds: int) -> dict[tuple[str, str], Figures]:
    """Ask both, in turns.

    Raises:
        AssertionError: they do not answer the same.
    """
    found = {(query, name): Figures() for query in queries() for name in asked}
    number = 0
    for turn in range(rounds + 1):
        for query, make in queries().items():
            answers = []
            for name, (client, process) in asked.items() if turn % 2 else reversed(asked.items()):
                taken = [make(number + offset) for offset in range(count if turn else _WARM)]
                before, started_at = process.cpu_times(), time.perf_counter()
                for body in taken:
                    rows = client.load(body).data
                wall, after = time.perf_counter() - started_at, process.cpu_times()
                answers.append(sorted(map(repr, rows)))
                if turn:  # the first one warms both
                    one = found[query, name]
                    one.wall.append(wall / count * 1000)
                    one.cpu.append((after.user + after.system - before.user - before.system) / count * 1000)
                    one.memory.append(process.memory_info().rss / 2**20)
            assert answers[0] == answers[1], (query, answers)
            assert answers[0], query
            number += count
    return found


if __name__ == "__main__":
    raise SystemExit(main())
