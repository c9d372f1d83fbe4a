"""The expiry of 200 snapshots, beside what pyiceberg alone has for it, which deletes no file.

python benchmarks/maintenance/expiry.py [--snapshots 200] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

import pyarrow as pa
from contender import NAME, NAMESPACE, peak_mb
from measurement import Measurement, Series
from pyiceberg.catalog import Catalog

from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.orphan_files import remove_orphans

EXPIRY = "expiry"
ORPHANS = "orphans"
PYICEBERG = "pyiceberg"
EVER = 2**62
ROWS = 1_000


def main() -> int:
    """Measure, and print the table; or be a contender."""
    if sys.argv[1:2] == ["contend"]:
        contend(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snapshots", type=int, default=200, help="how many there are")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    results: dict[str, tuple[Series, dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="floe-bench-") as place:
        lake, kept = Path(place, "lake"), Path(place, "kept")
        run("prepare", lake, options.snapshots)
        shutil.copytree(lake, kept)
        for _ in range(options.rounds):
            for name in (PYICEBERG, EXPIRY, ORPHANS):
                shutil.rmtree(lake)
                shutil.copytree(kept, lake)
                if name == ORPHANS:  # it removes what pyiceberg has left
                    run(PYICEBERG, lake, options.snapshots)
                told = json.loads(run(name, lake, options.snapshots))
                series, _ = results.setdefault(name, (Series(), told))
                series.add(Measurement(told["wall"], told["cpu"], told["rss_mb"]))
    print("| | wall s | CPU s | min-max | peak MB | snapshots gone | files gone | files left |\n" + "|---" * 8 + "|")
    for name, (series, told) in results.items():
        print(
            f"| {name} | {series.median('wall'):.2f} | {series.median('cpu'):.2f} | {series.spread('cpu')} | "
            f"{series.median('rss_mb'):.0f} | {told['snapshots']} | {told['removed']} | {told['left']} |"
        )
    if options.json:
        options.json.write_text(json.dumps({name: one.to_document() for name, (one, _) in results.items()}, indent=2))
    return 0


def run(name: str, lake: Path, snapshots: int) -> str:
    """What a contender in a process of its own prints."""
    command = [sys.executable, __file__, "contend", name, str(lake), str(snapshots)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def contend(name: str, lake: Path, snapshots: int) -> None:
    """Do the work, and print what it took."""
    lake.mkdir(exist_ok=True)
    catalog = open_catalog({"type": "sql", "uri": f"sqlite:///{lake}/catalog.db", "warehouse": str(lake / "tables")})
    if name == "prepare":
        prepare(catalog, snapshots)
        return
    before = files_of(lake)
    work: Callable[[], int] = {
        EXPIRY: lambda: expire(catalog),
        PYICEBERG: lambda: expire_with_pyiceberg(catalog),
        ORPHANS: lambda: orphans(catalog),
    }[name]
    cpu, wall = time.process_time(), time.perf_counter()
    gone = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    left = files_of(lake)
    took = {"wall": wall, "cpu": cpu, "rss_mb": peak_mb()}
    print(json.dumps({**took, "snapshots": gone, "removed": len(before - left), "left": len(left)}))


def prepare(catalog: Catalog, snapshots: int) -> None:
    """A table with as many snapshots, the last of which is a compaction."""
    ensure_namespace(catalog, NAMESPACE, {})
    table = catalog.create_table((".".join(NAMESPACE), NAME[-1]), pa.schema([("id", pa.int64())]))
    for number in range(snapshots - 1):
        table.append(pa.table({"id": list(range(number * ROWS, (number + 1) * ROWS))}))
    compact_table(catalog, NAME, CompactionOptions(2**30, 2), fence=lambda: None)


def files_of(lake: Path) -> set[Path]:
    """All files of the lake but the catalog's own and the table's metadata."""
    return {file for file in lake.rglob("*") if file.is_file() and file.suffix in {".parquet", ".avro"}}


def expire(catalog: Catalog) -> int:
    """One commit, and the files."""
    report = expire_snapshots(catalog, NAME, ExpiryOptions(EVER, 1), fence=lambda: None)
    return len(report.snapshots_removed)


def expire_with_pyiceberg(catalog: Catalog) -> int:
    """The commit alone, which is what pyiceberg has."""
    table = catalog.load_table(NAME)
    old = [one.snapshot_id for one in table.metadata.snapshots][:-1]
    table.maintenance.expire_snapshots().by_ids(old).commit()
    return len(old)


def orphans(catalog: Catalog) -> int:
    """The sweep of what an expiry without deletion has left."""
    remove_orphans(catalog, NAME, EVER, fence=lambda: None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
