"""floe beside dbt and stock dagster-dbt on the example shop, in one run: `make bench`.

Every contender builds a copy of examples/orders of its own, on DuckDB, two threads. The contenders take turns, round
after round, so that a busy moment of the machine hits them all. CPU is user and system time of all processes
concerned. The figures are medians, with the smallest and the largest.

    python benchmarks/run.py [--rounds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from contenders import cold_dbt_build, cold_floe_run, second_dbt_build, stock_dagster
from floe_stack import RunningStack
from measurement import Measurement, Series

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "orders"

WANTED = {
    ("floe run, cold", "dbt build, cold", "wall"): 2.0,
    ("floe, stack up", "dbt build, cold", "wall"): 0.35,
    ("floe, stack up", "stock dagster-dbt", "wall"): 0.25,
}
WANTED_MEMORY_MB = 600


def main() -> int:
    """Measure, print the table, and say how each target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
        series, idle_mb = measure(Path(folder), options.rounds)
    report(series, idle_mb, options.rounds)
    if options.json:
        document = {name: one.to_document() for name, one in series.items()} | {"idle_rss_mb": idle_mb}
        options.json.write_text(json.dumps(document, indent=2))
    return 0


def measure(folder: Path, rounds: int) -> tuple[dict[str, Series], float]:
    """All contenders, `rounds` times each, and the memory of the idle stack in MB."""
    series: dict[str, Series] = {}

    def take(name: str, contender: Callable[[], Measurement]) -> None:
        measured = contender()
        series.setdefault(name, Series()).add(measured)
        print(f"  {name:24} wall {measured.wall:6.2f} s  CPU {measured.cpu:6.2f} s", file=sys.stderr)

    with RunningStack(copy(folder, "up")) as stack:
        stack.run()  # what the first run makes once (storage, caches) is not what is measured
        idle_mb = stack.idle_memory_mb()
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            project = copy(folder, f"dbt{number}")
            take("dbt build, cold", lambda project=project: cold_dbt_build(project))
            take("dbt build, second", lambda project=project: second_dbt_build(project))
            take("stock dagster-dbt", lambda number=number: stock_dagster(copy(folder, f"dagster{number}")))
            take("floe run, cold", lambda number=number: cold_floe_run(copy(folder, f"cold{number}")))
            take("floe, stack up", stack.run_after_a_change)
    return series, idle_mb


def copy(folder: Path, name: str) -> Path:
    """A fresh copy of the example."""
    target = folder / name / "orders"
    shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns(".floe", "target", "logs", "*.duckdb"))
    return target


def report(series: dict[str, Series], idle_mb: float, rounds: int) -> None:
    """Print the table and the targets."""
    heads = f"{'wall s':>8} {'min-max':>15} {'CPU s':>8} {'min-max':>15} {'peak MB':>8}"
    print(f"\n{'':24} {heads}   ({rounds} rounds, medians)")
    for name, one in series.items():
        print(
            f"{name:24} {one.median('wall'):8.2f} {one.spread('wall'):>15} "
            f"{one.median('cpu'):8.2f} {one.spread('cpu'):>15} {one.median('rss_mb'):8.0f}"
        )
    print()
    for (mine, other, what), wanted in WANTED.items():
        ratio = series[mine].median(what) / series[other].median(what)
        verdict = "met" if ratio <= wanted else "not met"
        print(f"{mine} / {other}, {what}: {ratio:.2f} (wanted: at most {wanted}) {verdict}")
    verdict = "met" if idle_mb < WANTED_MEMORY_MB else "not met"
    print(f"embedded stack, idle: {idle_mb:.0f} MB RSS (wanted: under {WANTED_MEMORY_MB}) {verdict}")


if __name__ == "__main__":
    sys.exit(main())
