"""Compaction beside DuckDB's reading and writing of the same files, beside pyiceberg alone, and beside Spark.

python benchmarks/maintenance/run.py [--files 200,2000] [--rows 5000] [--rounds 3] [--spark VENV] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from measurement import Measurement, Series
from spark_peer import Spark, SparkMissing, find_spark, rewrite_data_files

COPY = "copy"
COMPACTION = "compaction"
PYICEBERG = "pyiceberg"
SPARK = "Spark, the call"
SPARK_COMMAND = "Spark, with its start"
BEFORE = "scan before"
AFTER = "scan after"
AFTER_SPARK = "scan after Spark"
ORDER = (COPY, COMPACTION, PYICEBERG, SPARK, SPARK_COMMAND, BEFORE, AFTER, AFTER_SPARK)
CPU_WANTED = 1.3
PEAK_WANTED_MB = 500.0
GROWTH_WANTED = 1.2
"""Of the peak, from the smallest table to the largest: it is to be flat."""

Results = dict[tuple[int, str], tuple[Series, dict[str, Any]]]


def main() -> int:
    """Measure, print the table, and say how each target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", default="200,2000", help="how many small files the table has")
    parser.add_argument("--rows", type=int, default=5_000, help="rows of each file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spark", type=Path, help="virtual environment that has PySpark; left out, it is not measured")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    sizes = [int(files) for files in options.files.split(",")]
    results: Results = {}
    spark = found(options.spark) if options.spark else None
    for files in sizes:
        with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
            measure(Path(folder), files, options.rows, options.rounds, spark, results)
    report(results, sizes)
    if options.json:
        document = {f"{files} {name}": one.to_document() for (files, name), (one, _) in results.items()}
        options.json.write_text(json.dumps(document, indent=2))
    return 0


def found(venv: Path) -> Spark | None:
    """Spark, or None and what it lacks is said."""
    with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
        try:
            return find_spark(venv, Path(folder))
        except SparkMissing as missing:
            print(f"Spark is not measured: {missing}")
            return None


def measure(folder: Path, files: int, rows: int, rounds: int, spark: Spark | None, results: Results) -> None:
    """All contenders in turn, `rounds` times; what a reader takes is measured before and after the compaction."""
    contend("prepare", folder, files, rows)
    for _ in range(rounds):
        for name in (COPY, PYICEBERG):
            take(name, name, folder, files, rows, results)
        if spark:
            contend("reset", folder, files, rows)
            whole, call = rewrite_data_files(spark, folder)
            left = take(AFTER_SPARK, "scan", folder, files, rows, results)
            keep(SPARK, files, call, left, results)
            keep(SPARK_COMMAND, files, whole, left, results)
        contend("reset", folder, files, rows)
        take(BEFORE, "scan", folder, files, rows, results)
        take(COMPACTION, COMPACTION, folder, files, rows, results)
        take(AFTER, "scan", folder, files, rows, results)


def take(name: str, contender: str, folder: Path, files: int, rows: int, results: Results) -> dict[str, Any]:
    """Let a contender work once, and keep its figures as those of `name`."""
    told: dict[str, Any] = json.loads(contend(contender, folder, files, rows))
    if told.get("rows", files * rows) != files * rows:
        raise RuntimeError(f"{name}: {told['rows']:,} rows stand where {files * rows:,} should")
    keep(name, files, Measurement(told["wall"], told["cpu"], told["rss_mb"]), told, results)
    return told


def keep(name: str, files: int, measured: Measurement, told: dict[str, Any], results: Results) -> None:
    """Keep the figures of one turn, and print them."""
    series, _ = results.setdefault((files, name), (Series(), told))
    series.add(measured)
    print(
        f"{files:>7,} {name}: {measured.wall:.2f} s, {measured.cpu:.2f} s CPU, {measured.rss_mb:.0f} MB",
        flush=True,
    )


def contend(name: str, folder: Path, files: int, rows: int, *more: str) -> str:
    """What a contender prints."""
    program = Path(__file__).with_name("contender.py")
    command = [sys.executable, str(program), name, str(folder), str(files), str(rows), *more]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def report(results: Results, sizes: list[int]) -> None:
    """The table in Markdown, and the targets."""
    lines = [
        "| files | | wall s | CPU s | min-max | of COPY | peak MB | files | MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for files in sizes:
        copied = results[files, COPY][0].median("cpu")
        for name in ORDER:
            if (files, name) not in results:
                continue
            one, told = results[files, name]
            after = f"{told['files']:,} | {told['bytes'] / 2**20:.1f}"
            lines.append(
                f"| {files:,} | {name} | {one.median('wall'):.2f} | {one.median('cpu'):.2f} | {one.spread('cpu')} | "
                f"{one.median('cpu') / copied:.2f} | {one.median('rss_mb'):.0f} | {after} |"
            )
    for files in sizes:
        series, told = results[files, COMPACTION]
        share = series.median("cpu") / results[files, COPY][0].median("cpu")
        peak = max(one.rss_mb for one in series.taken)
        read = results[files, AFTER][0].median("cpu") / results[files, BEFORE][0].median("cpu")
        lines.append(
            f"\n{files:,} files ({told['bytes_before'] / 2**20:.1f} MB): compaction took {share:.2f} of COPY's CPU "
            f"(wanted: {CPU_WANTED}), its peak was {peak:.0f} MB (wanted: under {PEAK_WANTED_MB:.0f}). "
            f"A scan takes {read:.2f} of its CPU before."
        )
        if (files, SPARK) in results:
            call, whole = (results[files, name][0].median("cpu") for name in (SPARK, SPARK_COMMAND))
            lines.append(
                f"Spark's rewrite_data_files took {call / series.median('cpu'):.0f} times the CPU of compaction, and "
                f"with its start {whole / series.median('cpu'):.0f} times."
            )
    peaks = [results[files, COMPACTION][0].median("rss_mb") for files in sizes]
    lines.append(
        f"\nFrom the smallest table to the largest the peak grew to {peaks[-1] / peaks[0]:.2f} "
        f"(wanted: {GROWTH_WANTED})."
    )
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
