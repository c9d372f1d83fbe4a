"""How long it takes from the event that an artifact is compiled until a real Cube answers with it.

A bus, the semantic service in a process of its own, and a Cube with floe's cube.js, which asks for its bundle once a
second. Each round changes one model's description. The time is until the service says that Cube serves it, and Cube's
`/v1/meta` shows it. Meanwhile Cube is asked whether it lives, time and again: no answer may have to wait until a bundle
is compiled. Cube's compiler is measured by itself, too, as the gate runs it: in a fresh process, for the same
bundle. With `--gate` the service has a gate.

    python benchmarks/semantic/serving.py [--models 10,200] [--rounds 5] [--gate] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from figures import told
from products import ENVIRONMENT, artifact, graph
from rendering import Figures as Rendering
from rendering import gate

sys.path.append(str(Path(__file__).resolve().parents[1] / "lineage"))

from services import ServiceProcess

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.requests import ask
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import declared
from floe_chassis.topology_apply import apply
from floe_contracts.digests import canonical_json
from floe_contracts.errors import Transient
from floe_contracts.events import ArtifactCompiled
from floe_contracts.nodes import NodeGraph
from floe_contracts.semantic_requests import LIST_SERVED, ListServed
from floe_semantic.core.rendering.render import render

_TOKEN: Final = "of this benchmark"  # noqa: S105 - of no value
_WITHIN: Final = 900.0
_LOOK_AGAIN: Final = 0.05
_ASK_AGAIN: Final = 0.02


@dataclass(slots=True)
class Figures:
    """Seconds of one size.

    Attributes:
        served: from the event to Cube's answer.
        service_cpu: of the service meanwhile.
        cube_cpu: of Cube meanwhile, compiling among it.
        longest_answer: the longest that Cube took to answer something else meanwhile.
        compiler_cpu: of Cube's compiler by itself, for the same bundle.
    """

    models: int
    served: list[float] = field(default_factory=list)
    service_cpu: list[float] = field(default_factory=list)
    cube_cpu: list[float] = field(default_factory=list)
    longest_answer: list[float] = field(default_factory=list)
    compiler_cpu: list[float] = field(default_factory=list)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="10,200", help="sizes, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gate", action="store_true", help="have the service ask Cube's compiler first")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    found = [asyncio.run(measured(int(size), options.rounds, gated=options.gate)) for size in options.models.split(",")]
    columns = ("event to served s", "service CPU s", "Cube CPU s", "longest answer s", "compiler alone CPU s")
    print(f"{'models':>8}" + "".join(f"{column:>24}" for column in columns))
    for one in found:
        cells = (one.served, one.service_cpu, one.cube_cpu, one.longest_answer, one.compiler_cpu)
        print(f"{one.models:>8}" + "".join(f"{told(cell):>24}" for cell in cells))
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    return 0


async def measured(models: int, rounds: int, *, gated: bool) -> Figures:
    """One size, with everything started for it."""
    figures = Figures(models)
    alone = Rendering(models)
    nodes = graph(models)
    await asyncio.to_thread(gate, render(artifact(), nodes, ENVIRONMENT), alone)
    figures.compiler_cpu = alone.gate_cpu
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), gated=gated) as (bus, blobs, service, cube):
            processes = [psutil.Process(service.pid), psutil.Process(cube.pid)]
            client = cube.client({"brand": "acme", "roles": ["data-owner", "finance", "constructor"]})
            for turn in range(rounds + 1):
                text = f"The models of round {turn}."
                event = await stored(blobs, described(nodes, text), turn)
                before = [cpu_of(process) for process in processes]
                started = time.monotonic()
                with answering(cube) as answers:
                    await bus.publish(event, id=f"shop:{turn}")
                    await served(bus, event.artifact_digest)
                    await asyncio.to_thread(shown, client, text)
                    took = time.monotonic() - started
                after = [cpu_of(process) for process in processes]
                if turn:  # the first bundle of a Cube is another matter
                    figures.served.append(took)
                    figures.service_cpu.append(after[0] - before[0])
                    figures.cube_cpu.append(after[1] - before[1])
                    figures.longest_answer.append(max(answers))
    return figures


@asynccontextmanager
async def running(folder: Path, *, gated: bool) -> AsyncIterator[tuple[Bus, BlobStore, ServiceProcess, Any]]:
    """Bus, service and Cube, and a connection."""
    from cube_home import find_cube  # found by the path that products adds
    from cube_server import cube_server

    server = NatsServer(folder / "nats")
    server.start()
    home = find_cube()
    try:
        bus = Bus("operator", ChassisSettings(nats_url=server.url))
        await bus.connect(wait=False)
        await apply(bus, declared(ChassisSettings()))
        variables = {"FLOE_NATS_URL": server.url, "FLOE_SEMANTIC_CUBE_TOKEN": _TOKEN}
        with ServiceProcess("semantic", folder, variables | (home.environment if gated else {})) as service:
            environment = {
                "FLOE_SEMANTIC_URL": service.url,
                "FLOE_CUBE_TOKEN": _TOKEN,
                "FLOE_ENVIRONMENT": ENVIRONMENT,
                "FLOE_PRODUCT": "shop",
                "CUBEJS_LOG_LEVEL": "error",
            }
            with cube_server(home, folder / "cube", environment=environment) as cube:
                yield bus, open_blobs((folder / "blobs").as_uri()), service, cube
        await bus.close()
    finally:
        server.stop()


@contextmanager
def answering(cube: Any) -> Iterator[list[float]]:
    """Seconds that each of Cube's answers takes until the end of the context, to a question every 20 ms."""
    answers: list[float] = []
    over = threading.Event()

    def ask_on() -> None:
        while not over.wait(_ASK_AGAIN):
            asked = time.monotonic()
            assert cube.asked("/livez").status == 200
            answers.append(time.monotonic() - asked)

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        yield answers
    finally:
        over.set()
        asking.join()


def described(nodes: NodeGraph, text: str) -> NodeGraph:
    """The same nodes, the first of which says something else."""
    first, *others = nodes.nodes
    return nodes.model_copy(update={"nodes": (first.model_copy(update={"description": text}), *others)})


async def stored(blobs: BlobStore, nodes: NodeGraph, number: int) -> ArtifactCompiled:
    """What announces the artifact with these nodes."""
    digest = await blobs.put(canonical_json(nodes.model_dump(mode="json")))
    product = artifact()
    environments = {
        name: environment.model_copy(update={"nodes": digest}) for name, environment in product.environments.items()
    }
    product = product.model_copy(update={"environments": environments})
    await blobs.put(product.to_bytes())
    return ArtifactCompiled(
        tenant="default",
        product="shop",
        submission=str(number),
        artifact_digest=product.digest(),
        artifact=product.to_document(),
        seconds=0.1,
    )


async def served(bus: Bus, artifact_digest: str) -> None:
    """Wait until the service says that every Cube serves it.

    Raises:
        AssertionError: it has not come in time, or never will.
    """
    deadline = time.monotonic() + _WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(Transient):  # not there yet
            answer = await ask(bus, LIST_SERVED, ListServed(), tenant="default", environment=ENVIRONMENT)
            for product in answer.products:
                assert not product.problems, product.problems
                if (product.artifact_digest, product.status) == (artifact_digest, "in_sync") and product.instances:
                    return
        await asyncio.sleep(_LOOK_AGAIN)
    raise AssertionError(f"not served within {_WITHIN:g} s")


def shown(client: Any, text: str) -> None:
    """Wait until Cube shows a model with this text; it does once the service has answered its verdict."""
    while text not in json.dumps(client.meta().body):
        time.sleep(_LOOK_AGAIN)


def cpu_of(process: psutil.Process) -> float:
    """Seconds that it and its children have used so far."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    raise SystemExit(main())
