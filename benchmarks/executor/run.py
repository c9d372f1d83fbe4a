"""Runs of floe beside dbt, dagster-dbt and dbt-ol, on projects of 5, 50 and 500 nodes: `make bench-executor`.

A node is a model (a table) or a test. Every contender builds a copy of its own on DuckDB, two threads; they take turns,
round after round. floe's figures are those of a stack that is up: wall from the request on the bus to the event of
the run's end, CPU of all its processes; landing every table in Iceberg and telling OpenLineage are part of it, which
no other contender does in full. "Backend down" is a lineage backend at an address where nobody listens.

    python benchmarks/executor/run.py [--nodes 5,50,500] [--rounds N] [--peers VENV] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from buildable_products import write_product  # noqa: E402
from dbt_peers import WarmBuilds, cold_dbt_build, dbt_ol_build, stock_dagster  # noqa: E402
from floe_runs import RunStack  # noqa: E402
from lineage_backend import Backend, nobody  # noqa: E402
from measurement import Measurement, Series  # noqa: E402

BACKEND_DOWN_AT = 5
"""Nodes at which dbt-ol is measured with its backend down: it waits seconds for each event."""
WANTED_WALL = 0.20
WANTED_CPU = 1.3


def main() -> int:
    """Measure, print a table a size, and say how each target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", default="5,50,500", help="sizes, in nodes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, help="virtual environment that has dbt-ol; left out, it is not measured")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    documents = {}
    for nodes in [int(size) for size in options.nodes.split(",")]:
        with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
            series = measure(Path(folder), nodes, options.rounds, options.peers)
        report(nodes, series, options.rounds)
        documents[str(nodes)] = {name: one.to_document() for name, one in series.items()}
    if options.json:
        options.json.write_text(json.dumps(documents, indent=2))
    return 0


def measure(folder: Path, nodes: int, rounds: int, peers: Path | None) -> dict[str, Series]:
    """All contenders at one size."""
    series: dict[str, Series] = {}

    def take(name: str, contender: Callable[[], Measurement]) -> None:
        measured = contender()
        series.setdefault(name, Series()).add(measured)
        print(f"  {name:24} wall {measured.wall:7.2f} s  CPU {measured.cpu:7.2f} s", file=sys.stderr)

    with ExitStack() as running:
        backend = running.enter_context(Backend())
        up = running.enter_context(RunStack(write_product(folder / "up" / "product", nodes), backend.url))
        down = running.enter_context(RunStack(write_product(folder / "down" / "product", nodes), nobody()))
        warm = running.enter_context(WarmBuilds(write_product(folder / "warm" / "product", nodes)))
        for number in range(rounds):
            print(f"{nodes} nodes, round {number + 1} of {rounds}", file=sys.stderr)

            def fresh(name: str, number: int = number) -> Path:
                return write_product(folder / f"{name}{number}" / "product", nodes)

            take("dbt build, cold", lambda fresh=fresh: cold_dbt_build(fresh("cold")))
            take("dbt build, warm", warm.build)
            take("its tables by pyiceberg", warm.land)
            take("stock dagster-dbt", lambda fresh=fresh: stock_dagster(fresh("dagster")))
            if peers:
                take("dbt-ol", lambda fresh=fresh: dbt_ol_build(fresh("ol"), peers, backend.url))
                if nodes <= BACKEND_DOWN_AT and number == 0:
                    take("dbt-ol, backend down", lambda fresh=fresh: dbt_ol_build(fresh("oldown"), peers, nobody()))
            take("floe", up.run)
            take("floe, backend down", down.run)
    return series


def report(nodes: int, series: dict[str, Series], rounds: int) -> None:
    """Print the table of a size and its targets."""
    print(f"\n{nodes} nodes, {rounds} rounds, medians")
    print(f"{'':24} {'wall s':>8} {'min-max':>15} {'CPU s':>8} {'min-max':>15} {'peak MB':>8}")
    for name, one in series.items():
        print(
            f"{name:24} {one.median('wall'):8.2f} {one.spread('wall'):>15} "
            f"{one.median('cpu'):8.2f} {one.spread('cpu'):>15} {one.median('rss_mb'):8.0f}"
        )
    wall = series["floe"].median("wall") / series["stock dagster-dbt"].median("wall")
    cpu = series["floe"].median("cpu") / series["dbt build, warm"].median("cpu")
    landed = series["floe"].median("cpu") / sum(
        series[name].median("cpu") for name in ("dbt build, warm", "its tables by pyiceberg")
    )
    added = series["floe, backend down"].median("wall") - series["floe"].median("wall")
    print(f"floe / stock dagster-dbt, wall: {wall:.2f}{_verdict(wall, WANTED_WALL, nodes == 5)}")
    print(f"floe / dbt build warm, CPU: {cpu:.2f}{_verdict(cpu, WANTED_CPU, nodes == 500)}")
    print(f"floe / dbt build warm and its tables by pyiceberg, CPU: {landed:.2f}")
    print(f"added by a lineage backend that is down: {added:+.2f} s")


def _verdict(figure: float, wanted: float, applies: bool) -> str:
    return f" (wanted: at most {wanted}) {'met' if figure <= wanted else 'not met'}" if applies else ""


if __name__ == "__main__":
    sys.exit(main())
