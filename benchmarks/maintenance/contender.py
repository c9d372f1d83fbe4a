"""One contender in a process of its own: does its work once and prints what it took, as JSON.

    python benchmarks/maintenance/contender.py CONTENDER FOLDER FILES ROWS [WIDE]

Rows take 14 bytes in a file, wide ones about 110. CPU and wall time are those of the work; the peak is the process's
own (`VmHWM`), imports included.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.duckdb_files import Engine
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.tables import RETRIES_OFF

MEMORY_LIMIT = "200MB"
THREADS = 2
COMMITS = 200
"""However many files there are, about so many commits bring them: a manifest each."""
NAMESPACE = ("bench", "dev")
NAME = (*NAMESPACE, "orders")
NOTE = "left(hash(i + 3)::varchar, 8)"
WIDE_NOTE = " || ".join(f"sha256('{salt}' || i)" for salt in range(3))
PREPARED = "prepared"
"""The tag of the snapshot that every contender begins with."""


def main() -> None:
    """Do what the arguments say."""
    name, folder, files, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    catalog = open_catalog({"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": str(folder / "lake")})
    if name == "prepare":
        prepare(catalog, folder, files, rows, WIDE_NOTE if "wide" in sys.argv[5:] else NOTE)
        return
    if name == "reset":
        reset(catalog)
        return
    work = {"copy": copy, "compaction": compaction, "pyiceberg": overwrite, "scan": scan}[name](catalog, folder)
    cpu, wall = time.process_time(), time.perf_counter()
    told = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "rss_mb": peak_mb(), **told}))


def prepare(catalog: Catalog, folder: Path, files: int, rows: int, note: str) -> None:
    """Make a table of `files` files with `rows` rows each."""
    ensure_namespace(catalog, NAMESPACE, {})
    place = folder / "lake" / "orders" / "data"
    place.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {THREADS}")
        for number in range(files):
            query = generated(number * rows, rows, note)
            connection.execute(f"copy ({query}) to '{place}/{number:06}.parquet' (format parquet, compression zstd)")
        schema = connection.execute(generated(0, 1, note)).to_arrow_table().schema
    table = catalog.create_table(
        (".".join(NAMESPACE), NAME[-1]), schema, location=(folder / "lake" / "orders").as_uri(), properties=RETRIES_OFF
    )
    written = sorted(file.as_uri() for file in place.iterdir())
    at_once = max(1, files // COMMITS)
    for first in range(0, files, at_once):
        table.add_files(written[first : first + at_once], check_duplicate_files=False)
    current = table.metadata.current_snapshot_id
    assert current is not None
    table.manage_snapshots().create_tag(current, PREPARED).commit()


def generated(first: int, rows: int, note: str) -> str:
    """The query of some rows of an orders table."""
    return (
        "select i as id, (hash(i) % 100000)::int as customer_id, ((hash(i + 1) % 100000) / 100)::decimal(12, 2) "  # noqa: S608 - our own
        "as amount, ['placed', 'paid', 'shipped', 'returned'][1 + (hash(i + 2) % 4)::int] as status, "
        f"timestamp '2026-01-01' + to_seconds(i) as ordered_at, {note} as note "
        f"from range({first}, {first + rows}) r(i)"
    )


def reset(catalog: Catalog) -> Table:
    """The table as it was prepared."""
    table = catalog.load_table(NAME)
    table.manage_snapshots().set_current_snapshot(ref_name=PREPARED).commit()
    return catalog.load_table(NAME)


def copy(catalog: Catalog, folder: Path) -> Callable[[], dict[str, Any]]:
    """DuckDB's own reading and writing of the same files, with the settings of a compaction."""
    files = sorted(map(str, (folder / "lake" / "orders" / "data").glob("0*.parquet")))
    shutil.rmtree(folder / "copied", ignore_errors=True)

    def work() -> dict[str, Any]:
        with duckdb.connect() as connection:
            connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
            connection.execute(f"set threads = {THREADS}")
            connection.execute("set preserve_insertion_order = false")
            copied = connection.execute(
                f"copy (from read_parquet({files})) to '{folder}/copied' "
                "(format parquet, compression zstd, file_size_bytes '128MB', return_stats true)"
            ).fetchall()
        sizes = [row[2] for row in copied]
        return {"files": len(sizes), "bytes": sum(sizes)}

    return work


def compaction(catalog: Catalog, folder: Path) -> Callable[[], dict[str, Any]]:
    """The compaction of floe."""
    del folder
    reset(catalog)

    def work() -> dict[str, Any]:
        engine = Engine(MEMORY_LIMIT, THREADS)
        report = compact_table(catalog, NAME, CompactionOptions(), engine=engine, fence=lambda: None)
        assert report.outcome == "done", report
        return {
            "files": report.files_after,
            "bytes": report.bytes_after,
            "files_before": report.files_before,
            "bytes_before": report.bytes_before,
        }

    return work


def overwrite(catalog: Catalog, folder: Path) -> Callable[[], dict[str, Any]]:
    """What one does with pyiceberg alone: read all rows, write all rows."""
    del folder
    reset(catalog)

    def work() -> dict[str, Any]:
        table = catalog.load_table(NAME)
        table.overwrite(table.scan().to_arrow())
        files = table.inspect.files()["file_size_in_bytes"].to_pylist()
        return {"files": len(files), "bytes": sum(files)}

    return work


def scan(catalog: Catalog, folder: Path) -> Callable[[], dict[str, Any]]:
    """A reader's work on the table as it stands: two columns of all rows."""
    del folder

    def work() -> dict[str, Any]:
        table = catalog.load_table(NAME)
        rows = table.scan(selected_fields=("customer_id", "amount")).to_arrow()
        snapshot = table.current_snapshot()
        assert snapshot is not None
        assert snapshot.summary is not None
        told = snapshot.summary.additional_properties
        return {
            "files": int(told["total-data-files"]),
            "bytes": int(told["total-files-size"]),
            "rows": rows.num_rows,
        }

    return work


def peak_mb() -> float:
    """The largest resident memory of this process; `ru_maxrss` would be that of its parent, where it was larger."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
