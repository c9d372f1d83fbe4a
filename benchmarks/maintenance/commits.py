"""Commits a second of 1, 4 and 16 writers of one table, by kind of catalog: floe's landings and plain pyiceberg.

python benchmarks/maintenance/commits.py [--kinds sqlite,postgres,rest] [--writers 1,4,16] [--commits 48] [--json FILE]

Every writer is a process of its own with a handle of its own; files are written before the clock starts, so what is
measured is the commits and their retries. floe switches staged tables (`switch_table`, replacing: reads what is there,
looks for the run and the fence, commits on exactly that). pyiceberg adds the same files (`add_files`), with its own
retries turned up so that none is lost.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from pyiceberg.catalog.sql import SqlCatalog

from floe_chassis.testing_postgres import PostgresServer
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.duckdb_files import DuckDBTable
from floe_lakehouse.landing import switch_table
from floe_lakehouse.staged import LandingRequest, StagedTable
from floe_lakehouse.staging import stage_table
from floe_lakehouse.testing.rest_server import serving

FLOE = "floe"
PYICEBERG = "pyiceberg"
RETRYING = {
    "commit.retry.num-retries": "200",
    "commit.retry.min-wait-ms": "20",
    "commit.retry.max-wait-ms": "1000",
}
ROWS = 100


@dataclass(frozen=True, slots=True)
class Took:
    """What the commits of all writers took: seconds from the first to the last, and CPU seconds of the writers."""

    commits: int
    wall: float
    cpu: float


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default="sqlite,postgres,rest")
    parser.add_argument("--writers", default="1,4,16")
    parser.add_argument("--commits", type=int, default=48, help="of all writers together")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    print(
        "| catalog | writers | | commits | wall s | commits a second | CPU ms a commit |\n" + "|---" * 7 + "|",
        flush=True,
    )
    for kind in options.kinds.split(","):
        for writers in map(int, options.writers.split(",")):
            for contender in (FLOE, PYICEBERG):
                with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder, opened(kind, folder) as properties:
                    took = measure(contender, properties, Path(folder), writers, options.commits // writers)
                results[f"{kind} {writers} {contender}"] = {"wall": took.wall, "cpu": took.cpu, "commits": took.commits}
                print(
                    f"| {kind} | {writers} | {contender} | {took.commits} | {took.wall:.2f} | "
                    f"{took.commits / took.wall:.1f} | {1000 * took.cpu / took.commits:.0f} |",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))
    return 0


@contextmanager
def opened(kind: str, folder: str) -> Iterator[dict[str, str]]:
    """A catalog of a kind; the properties by which writers open it."""
    warehouse = f"{folder}/lake"
    if kind == "sqlite":
        yield {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": warehouse}
    elif kind == "postgres":
        with tempfile.TemporaryDirectory(prefix="floe-bench-postgres-") as place:
            server = PostgresServer(Path(place))
            server.start()
            try:
                yield {"type": "sql", "uri": server.database.url, "warehouse": warehouse}
            finally:
                server.stop()
    else:
        uri = f"sqlite:///{folder}/rest.db?check_same_thread=false"
        with serving(SqlCatalog("rest", uri=uri, warehouse=Path(warehouse).as_uri())) as server:
            yield server.properties


def measure(contender: str, properties: Mapping[str, str], folder: Path, writers: int, commits: int) -> Took:
    """Let the writers commit, each in a process of its own, all at once."""
    identifier = ("bench", "dev", "orders")
    database = folder / "rows.duckdb"
    with duckdb.connect(database) as connection:
        connection.execute(f"create table orders as select i as id from range({ROWS}) r(i)")  # noqa: S608 - a number
    catalog = open_catalog(properties)
    source = DuckDBTable(database, "main", "orders")
    journal = [
        stage_table(catalog, LandingRequest(source=source, identifier=identifier, run_id=f"run-{number}", attempt=1))
        for number in range(writers * commits + 1)
    ]
    switch_table(catalog, journal.pop(), sequence=1, properties={}, fence=lambda: None)
    if contender == PYICEBERG:
        with catalog.load_table(identifier).transaction() as change:
            change.set_properties(RETRYING)
    processes = multiprocessing.get_context("spawn")
    # A writer whose parent was killed gives up by itself.
    barrier, told = processes.Barrier(writers + 1, timeout=300), processes.Queue()
    children = []
    for number in range(writers):
        mine = [staged.to_json() for staged in journal[number::writers]]
        child = processes.Process(target=write, args=(contender, dict(properties), mine, barrier, told))
        child.start()
        children.append(child)
    barrier.wait()
    started = time.perf_counter()
    cpu = sum(told.get() for _ in children)
    wall = time.perf_counter() - started
    for child in children:
        child.join()
    landed = len(journal)
    if contender == PYICEBERG:
        found = catalog.load_table(identifier).scan().count()
        assert found == ROWS * (landed + 1), f"{found} rows after {landed} commits"
    return Took(landed, wall, cpu)


def write(contender: str, properties: dict[str, str], journal: list[Any], barrier: Any, told: Any) -> None:
    """A writer: commits what is its own, one after another, and tells its CPU seconds."""
    catalog = open_catalog(properties)
    mine = [StagedTable.from_json(entry) for entry in journal]
    catalog.load_table(mine[0].identifier)
    barrier.wait()
    started = time.process_time()
    for staged in mine:
        if contender == FLOE:
            switch_table(catalog, staged, sequence=1, properties={}, fence=lambda: None, tries=500)
        else:
            table = catalog.load_table(staged.identifier)
            table.add_files([file.location for file in staged.files], check_duplicate_files=False)
    told.put(time.process_time() - started)


if __name__ == "__main__":
    sys.exit(main())
