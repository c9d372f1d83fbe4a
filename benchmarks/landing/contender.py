"""One contender in a process of its own: does its work once and prints what it took, as JSON.

    python benchmarks/landing/contender.py CONTENDER FOLDER ROWS

CPU and wall time are those of the work; the peak is the process's own (`VmHWM`), imports included.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

MEMORY_LIMIT = "300MB"
THREADS = 2
CHANGED = 20
"""Every so-manieth row is changed, or new: 5 %."""


def main() -> None:
    """Do what the arguments say."""
    name, folder, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if name == "prepare":
        prepare(folder, rows)
        return
    work = copy(folder) if name == "copy" else landing(folder, name)
    cpu, wall = time.process_time(), time.perf_counter()
    landed = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "rss_mb": peak_mb(), "rows": landed}))


def prepare(folder: Path, rows: int) -> None:
    """Write the warehouses: as they were, with 5 % of the rows changed, with 5 % more of them."""
    for name, query in {
        "first": generated("0", rows),
        "changed": generated(f"(hash(i) % {CHANGED} = 0)::int", rows),
        "grown": generated("0", rows + rows // CHANGED),
    }.items():
        with duckdb.connect(folder / f"{name}.duckdb") as connection:
            connection.execute(f"set threads = {THREADS}")
            connection.execute(f"create table orders as {query}")


def generated(change: str, rows: int) -> str:
    """The query of an orders table."""
    return (
        "select i as id, (hash(i) % 100000)::int as customer_id, ((hash(i + 1) % 100000) / 100)::decimal(12, 2) "  # noqa: S608 - our own
        f"+ {change} as amount, ['placed', 'paid', 'shipped', 'returned'][1 + (hash(i + 2) % 4)::int] as status, "
        "timestamp '2026-01-01' + to_seconds(i) as ordered_at, left(hash(i + 3)::varchar, 8) as note "
        f"from range({rows}) r(i)"
    )


def copy(folder: Path) -> Callable[[], int]:
    """DuckDB's own COPY of the table, with the settings of a landing."""

    def work() -> int:
        with duckdb.connect(folder / "first.duckdb", read_only=True) as connection:
            connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
            connection.execute(f"set threads = {THREADS}")
            connection.execute("set preserve_insertion_order = false")
            (rows,) = connection.execute(
                f"copy orders to '{folder / 'copied'}' (format parquet, compression zstd, per_thread_output true, "
                f"file_size_bytes '128MB', overwrite true)"
            ).fetchall()[0]
        return int(rows)

    return work


def landing(folder: Path, name: str) -> Callable[[], int]:
    """A landing of the mode `name`; of `first`, the one that the others start from."""
    from floe_lakehouse.catalogs import open_catalog
    from floe_lakehouse.duckdb_files import DuckDBTable, Engine
    from floe_lakehouse.landing import switch_table
    from floe_lakehouse.staged import LandingRequest
    from floe_lakehouse.staging import stage_table

    engine = Engine(MEMORY_LIMIT, THREADS)
    catalog = open_catalog({"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": str(folder / "lake")})
    how = {
        "first": ("first", {}),
        "replace": ("changed", {}),
        "replace in 12 partitions": ("changed", {"partition_by": ("bucket[12](id)",)}),
        "upsert": ("changed", {"mode": "upsert", "unique_key": ("id",)}),
        "append": ("grown", {"mode": "append", "watermark": "id"}),
    }
    warehouse, settings = how[name]
    request = LandingRequest(
        source=DuckDBTable(folder / f"{warehouse}.duckdb", "main", "orders", engine),
        identifier=("bench", "dev", "shop", "orders"),
        run_id=name.replace(" ", "-"),
        attempt=1,
        **settings,  # type: ignore[arg-type]
    )

    def work() -> int:
        staged = stage_table(catalog, request)
        return switch_table(catalog, staged, sequence=1, properties={}, fence=lambda: None, engine=engine).rows

    return work


def peak_mb() -> float:
    """The largest resident memory of this process; `ru_maxrss` would be that of its parent, where it was larger."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
