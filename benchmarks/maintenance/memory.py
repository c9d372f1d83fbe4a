"""The peak of a compaction of tables with as many files, but ten times and a hundred times the bytes.

python benchmarks/maintenance/memory.py [--files 200] [--megabytes 50,500,5000] [--json FILE]

A table stands twice on the disk while it is compacted; one that finds no room is left out, which is said.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from run import COMPACTION, GROWTH_WANTED, PEAK_WANTED_MB, contend

BYTES_A_ROW = 111
ROOM = 2.2
"""Times a table's size that must be free."""


def main() -> int:
    """Measure, print the table, and say how each target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200, help="of each table")
    parser.add_argument("--megabytes", default="50,500,5000", help="sizes of the tables")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    results: list[dict[str, Any]] = []
    print("| files | MB | wall s | CPU s | peak MB | files after | MB after |\n" + "|---" * 7 + "|", flush=True)
    for megabytes in map(int, options.megabytes.split(",")):
        with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
            free = shutil.disk_usage(folder).free / 2**20
            if free < ROOM * megabytes:
                print(
                    f"\n{megabytes:,} MB are left out: {free:,.0f} MB are free, {ROOM * megabytes:,.0f} are needed.\n"
                )
                continue
            rows = megabytes * 2**20 // BYTES_A_ROW // options.files
            contend("prepare", Path(folder), options.files, rows, "wide")
            told = json.loads(contend(COMPACTION, Path(folder), options.files, rows))
        results.append(told)
        print(
            f"| {told['files_before']:,} | {told['bytes_before'] / 2**20:,.0f} | {told['wall']:.1f} | "
            f"{told['cpu']:.1f} | {told['rss_mb']:.0f} | {told['files']:,} | {told['bytes'] / 2**20:,.0f} |",
            flush=True,
        )
    if results:
        print(verdict(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))
    return 0


def verdict(results: list[dict[str, Any]]) -> str:
    """How the peak grew from the smallest table to the largest."""
    by_bytes = sorted(results, key=lambda one: int(one["bytes_before"]))
    smallest, largest = by_bytes[0], by_bytes[-1]
    return (
        f"\nWith {largest['bytes_before'] / smallest['bytes_before']:.0f} times the bytes the peak is "
        f"{largest['rss_mb'] / smallest['rss_mb']:.2f} of the smallest table's (wanted: {GROWTH_WANTED}); that of "
        f"{largest['bytes_before'] / 2**20:,.0f} MB is {largest['rss_mb']:.0f} MB (wanted: under {PEAK_WANTED_MB:.0f})."
    )


if __name__ == "__main__":
    sys.exit(main())
