"""floe's landings beside DuckDB's plain COPY of the same table: `make bench-landing`.

Each contender works in a fresh process, round after round, on a table of its own state: upserts and appends start from
the same landed table. CPU and wall are those of the work; the peak is that of the whole process.

    python benchmarks/landing/run.py [--rows 1000000,10000000] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from measurement import Measurement, Series

COPY = "copy"
REPLACE = "replace"
PARTED = "replace in 12 partitions"
UPSERT = "upsert"
APPEND = "append"
ORDER = (COPY, REPLACE, PARTED, UPSERT, APPEND)
CPU_WANTED = 1.3
PEAK_WANTED_MB = 450.0
PEAK_WANTED_ROWS = 10_000_000


def main() -> int:
    """Measure, print the table, and say how each target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1000000,10000000", help="sizes of the table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    sizes = [int(rows) for rows in options.rows.split(",")]
    series: dict[tuple[int, str], Series] = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
            measure(Path(folder), rows, options.rounds, series)
    report(series, sizes)
    if options.json:
        document = {f"{rows} {name}": one.to_document() for (rows, name), one in series.items()}
        options.json.write_text(json.dumps(document, indent=2))
    return 0


def measure(folder: Path, rows: int, rounds: int, series: dict[tuple[int, str], Series]) -> None:
    """All contenders in turn, `rounds` times."""
    contend("prepare", folder, rows)
    for _ in range(rounds):
        for name in ORDER:
            for made in ("lake", "copied"):
                shutil.rmtree(folder / made, ignore_errors=True)
            for file in folder.glob("catalog.db*"):
                file.unlink()
            if name != COPY:
                contend("first", folder, rows)
            told = json.loads(contend(name, folder, rows))
            series.setdefault((rows, name), Series()).add(Measurement(told["wall"], told["cpu"], told["rss_mb"]))
            print(f"{rows:>10,} {name}: {told['wall']:.2f} s, {told['cpu']:.2f} s CPU, {told['rss_mb']:.0f} MB")


def contend(name: str, folder: Path, rows: int) -> str:
    """What a contender prints."""
    program = Path(__file__).with_name("contender.py")
    command = [sys.executable, str(program), name, str(folder), str(rows)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def report(series: dict[tuple[int, str], Series], sizes: list[int]) -> None:
    """The table in Markdown, and the targets."""
    lines = ["| rows | | wall s | CPU s | min-max | of COPY | rows/s | peak MB |", "|---|---|---|---|---|---|---|---|"]
    for rows in sizes:
        copied = series[rows, COPY].median("cpu")
        for name in ORDER:
            one = series[rows, name]
            wall, cpu = one.median("wall"), one.median("cpu")
            lines.append(
                f"| {rows:,} | {name} | {wall:.2f} | {cpu:.2f} | {one.spread('cpu')} | {cpu / copied:.2f} | "
                f"{rows / wall / 1e6:.1f} M | {one.median('rss_mb'):.0f} |"
            )
    for rows in sizes:
        share = series[rows, REPLACE].median("cpu") / series[rows, COPY].median("cpu")
        peak = max(one.rss_mb for one in series[rows, REPLACE].taken)
        lines.append(f"\n{rows:,} rows: replace took {share:.2f} of COPY's CPU (wanted: {CPU_WANTED}).")
        if rows >= PEAK_WANTED_ROWS:
            lines.append(f"Its peak was {peak:.0f} MB (wanted: under {PEAK_WANTED_MB:.0f}).")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
