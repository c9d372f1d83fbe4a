"""What the executor's build costs beside the dbt that it runs: reading dbt's events, Dagster's run and history.

Both contenders have the same fork server build the same generated project in a fresh DuckDB file, in turns: raw dbt
with its structured log thrown away, and the executor's builder with its Dagster instance. CPU is user and system time
of this process, the fork server and all their children.

    python benchmarks/executor/build_share.py [--nodes 10,1000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from buildable_products import write_product

from floe_contracts.artifacts import (
    Catalog,
    CompiledArtifacts,
    CompiledEnvironment,
    Compute,
    DbtProject,
    ProductIdentity,
    Serving,
    Sources,
    Storage,
    Tools,
)
from floe_contracts.digests import digest_of
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, RunStatus
from floe_dbt.child_limits import ChildLimits
from floe_dbt.environment import dbt_environment
from floe_dbt.nodes import read_nodes
from floe_dbt.parse import ParsedProject, parse_project
from floe_dbt.profiles import PROFILE, write_profile
from floe_dbt.warm_dbt import WarmDbt
from floe_executor.adapters.building.dagster_build import DagsterBuilder
from floe_executor.adapters.dagster_graph.runs import DagsterRuns
from floe_executor.core.ports import BuildRequest

COMPUTE = Compute(name="small", type="duckdb", threads=2, properties={})
PLACE = Place("default", "dev", "bench")
DIGEST = digest_of(b"bench")
WANTED = 1.3


@dataclass(frozen=True, slots=True)
class Taken:
    """Wall and CPU seconds."""

    wall: float
    cpu: float


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", default="10,1000")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{'nodes':>6} {'':12} {'wall s':>8} {'CPU s':>8} {'min-max':>15}   ({options.rounds} rounds, medians)")
    with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder, WarmDbt() as dbt:
        dbt.wait_ready()
        for nodes in map(int, options.nodes.split(",")):
            series = measure(Path(folder) / str(nodes), dbt, nodes, options.rounds)
            for name, taken in series.items():
                cpu = [one.cpu for one in taken]
                print(
                    f"{nodes:>6} {name:12} {statistics.median(one.wall for one in taken):8.2f} "
                    f"{statistics.median(cpu):8.2f} {min(cpu):7.2f}-{max(cpu):.2f}"
                )
            ratio = statistics.median(one.cpu for one in series["executor"]) / statistics.median(
                one.cpu for one in series["raw dbt"]
            )
            print(f"{nodes:>6} executor / raw dbt, CPU: {ratio:.2f} (wanted with 1000 nodes: at most {WANTED})")
    return 0


def measure(folder: Path, dbt: WarmDbt, nodes: int, rounds: int) -> dict[str, list[Taken]]:
    """Both contenders in turns; the first round is not counted."""
    project = write_product(folder / "product", nodes) / "dbt"
    database = folder / "bench.duckdb"
    state = folder / "state"
    write_profile(state, environment="dev", compute=COMPUTE, database=database, allowed_directories=[project])
    parsed = parse_project(dbt, project, environment="dev", profiles_dir=state, state_dir=state, source=os.environ)
    runs = DagsterRuns(folder / "dagster")
    runs.prepare()
    builder = DagsterBuilder(
        dbt, runs, folder / "builds", lambda _: database, lambda tenant: lambda name: "", ChildLimits()
    )
    series: dict[str, list[Taken]] = {"raw dbt": [], "executor": []}
    try:
        for number in range(rounds + 1):
            request = build_request(project, parsed, number)
            for name, contender in {
                "raw dbt": lambda: raw_dbt(dbt, project, state),
                "executor": lambda request=request: asyncio.run(builder.build(request, lambda report: None)),
            }.items():
                database.unlink(missing_ok=True)
                taken = take(dbt, contender)
                if number:
                    series[name].append(taken)
    finally:
        runs.close()
    return series


def raw_dbt(dbt: WarmDbt, project: Path, state: Path) -> None:
    """The same command as the executor's, with nobody listening."""
    environment = dbt_environment(os.environ, profiles_dir=state, secrets={}) | {
        "DBT_LOG_FORMAT": "json",
        "DBT_TARGET_PATH": str(state / "target"),
        "DBT_LOG_PATH": str(state / "target"),
        "DBT_PROJECT_DIR": str(project),
    }
    arguments = ["--no-write-json", "--log-level-file", "none", "build", "--profile", PROFILE, "--target", "dev"]
    with Path(os.devnull).open("wb") as nowhere:
        done = dbt.invoke(arguments, cwd=project, environment=environment, output=nowhere)
    assert done.returncode == 0


def take(dbt: WarmDbt, contender: Callable[[], None]) -> Taken:
    """What a contender takes."""
    before, started = cpu_seconds(dbt), time.monotonic()
    contender()
    wall = time.monotonic() - started
    time.sleep(0.2)  # the fork server waits for its child
    return Taken(wall, cpu_seconds(dbt) - before)


def cpu_seconds(dbt: WarmDbt) -> float:
    """Used so far by this process, the fork server, and their children that have ended."""
    times = [psutil.Process().cpu_times(), psutil.Process(dbt.pid).cpu_times()]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def build_request(project: Path, parsed: ParsedProject, number: int) -> BuildRequest:
    """A run of the project, as its record and artifact tell the builder."""
    record = RunRecord(
        run_id=run_id(PLACE, str(number)),
        tenant=PLACE.tenant,
        environment=PLACE.environment,
        product=PLACE.product,
        artifact_digest=DIGEST,
        status=RunStatus.STARTED,
        attempt=1,
        cause=str(number),
        requested_at=datetime.now(UTC).isoformat(),
    )
    environment = CompiledEnvironment(
        refs=("*",),
        compute=COMPUTE,
        storage=Storage(name="local", type="local"),
        catalog=Catalog(name="local", type="sql"),
        policies={},
        manifest=DIGEST,
        nodes=DIGEST,
    )
    artifact = CompiledArtifacts(
        product=ProductIdentity(name="bench", version="1.0.0", description="", owner="bench@example.com", labels={}),
        sources=Sources(bundle=DIGEST, platform=DIGEST),
        tools=Tools(dbt_core="1.11", adapters={}),
        transforms=(DbtProject(path="dbt"),),
        landing=(),
        serving=Serving(cube=False),
        environments={"dev": environment},
    )
    graph: NodeGraph = read_nodes(parsed.manifest)
    return BuildRequest(record, artifact, environment, graph, parsed.manifest, project)


if __name__ == "__main__":
    sys.exit(main())
