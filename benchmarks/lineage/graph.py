"""What the lineage graph takes: reading events into it, loading it, and answering questions over 100,000 edges.

The lineage service is a process of its own, as `floe serve` runs it. A question is the whole request as `floe lineage
graph` makes it: over the bus to the service and back, read into its model. Datasets stand in layers; each job reads
four of those before it and writes one, with ten columns of which each is made of two.

    python benchmarks/lineage/graph.py [--jobs 20000] [--questions 300] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).resolve().parents[1]))

import orjson
from lineage_bus import NOT_YET
from services import ServiceProcess

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.requests import ask
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import LINEAGE, LINEAGE_GRAPH, declared, lineage_consumer
from floe_chassis.topology_apply import apply
from floe_contracts.lineage_requests import READ_COLUMN, READ_GRAPH, READ_IMPACT, ReadColumn, ReadGraph, ReadImpact
from floe_contracts.openlineage import dataset_facets as facets
from floe_contracts.openlineage.envelope import message_headers, message_subject, read_envelope
from floe_contracts.openlineage.naming import foreign_place

READS: Final = 4
COLUMNS: Final = 10
LAYERS: Final = 10
NEAR: Final = 100
"""A job reads datasets of the layer before its own that stand within so many of its own place."""
PLACE: Final = foreign_place("default", "dev", "bench")
NAMESPACE: Final = "postgres://bench:5432"
AT_ONCE: Final = 500


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000, help="five edges each")
    parser.add_argument("--questions", type=int, default=300, help="of each kind")
    parser.add_argument("--json", type=Path, help="write all figures there, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
        figures = asyncio.run(measure(Path(folder), arguments.jobs, arguments.questions))
    edges = arguments.jobs * (READS + 1)
    print(f"\n{arguments.jobs:,} jobs, {edges:,} edges, {arguments.jobs * COLUMNS * 2:,} column edges")
    for name, value in figures.items():
        print(f"  {name:<44} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


async def measure(folder: Path, jobs: int, questions: int) -> dict[str, Any]:
    """All figures, by name."""
    server = NatsServer(folder / "nats")
    server.start()
    settings = ChassisSettings(nats_url=server.url)
    bus = Bus("cli", settings)
    environment = {"FLOE_NATS_URL": server.url, "FLOE_LINEAGE_FILE": str(folder / "events.jsonl")}
    try:
        await bus.connect(wait=False)
        await apply(bus, declared(settings, ["file"]))
        await bus.js.pause_consumer(LINEAGE, lineage_consumer("file"), NOT_YET)  # what is measured is the graph
        await publish(bus, jobs)
        figures: dict[str, Any] = {}
        with ServiceProcess("lineage", folder / "first", environment) as service:
            began = time.monotonic()
            await eventually(lambda: all_handled(bus, LINEAGE, LINEAGE_GRAPH), timeout=3600)
            seconds = time.monotonic() - began
            figures["events read into the graph, a second"] = round(jobs / seconds)
            figures["CPU of it, us an event"] = round(service.cpu / jobs * 1e6)
            figures["memory of the service, MB"] = round(service.peak_mb)
        began = time.monotonic()
        with ServiceProcess("lineage", folder / "second", environment):
            await ask(bus, READ_GRAPH, ReadGraph(dataset="t0", depth=1), tenant="default", environment="dev")
            figures["from start to first answer, s"] = round(time.monotonic() - began, 2)
            for name, question in kinds(jobs).items():
                figures |= await timed(bus, name, question, questions)
        return figures
    finally:
        await bus.close()
        server.stop()


async def publish(bus: Bus, jobs: int) -> None:
    """Store the events, many at once but in their order."""
    waiting: list[asyncio.Future[Any]] = []
    for event in events(jobs):
        envelope = read_envelope(event)
        headers = {**message_headers(envelope), "Nats-Msg-Id": event["run"]["runId"]}
        subject = message_subject(envelope, PLACE)
        waiting.append(await bus.js.publish_async(subject, orjson.dumps(event), headers=headers))
        if len(waiting) >= AT_ONCE:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)


def events(jobs: int) -> Iterator[dict[str, Any]]:
    """One COMPLETE of each job."""
    chance = random.Random(1)  # noqa: S311
    for number in range(jobs):
        read = chance.sample(before(number, jobs), READS) if number >= jobs // LAYERS else []
        yield {
            "eventType": "COMPLETE",
            "eventTime": "2026-01-01T00:00:00Z",
            "producer": "https://example.com/bench",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": str(uuid.UUID(int=number + 1)), "facets": {}},
            "job": {"namespace": "bench", "name": f"job{number}", "facets": {}},
            "inputs": [dataset(each, {}) for each in read],
            "outputs": [dataset(number, output_facets(read, chance))],
        }


def before(number: int, jobs: int) -> range:
    """The datasets that a job may read."""
    width = jobs // LAYERS
    layer, place = divmod(number, width)
    first = max(0, min(place - NEAR, width - 2 * NEAR))
    return range((layer - 1) * width + first, (layer - 1) * width + min(width, first + 2 * NEAR))


def dataset(number: int, described: dict[str, Any]) -> dict[str, Any]:
    """A table."""
    return {"namespace": NAMESPACE, "name": f"shop.public.t{number}", "facets": described}


def output_facets(read: list[int], chance: random.Random) -> dict[str, Any]:
    """Its columns, and what they are made of; in one of a hundred tables one is said to be personal."""
    columns = [f"c{number}" for number in range(COLUMNS)]
    found: dict[str, Any] = {"schema": facets.schema([(name, "text", "") for name in columns])}
    if read:
        direct = facets.transformation("DIRECT", "IDENTITY")
        found["columnLineage"] = facets.column_lineage(
            {
                name: [
                    facets.input_field(
                        (NAMESPACE, f"shop.public.t{chance.choice(read)}"), chance.choice(columns), direct
                    )
                    for _ in range(2)
                ]
                for name in columns
            }
        )
    if chance.random() < 0.01:
        tags = [{"key": "pii", "value": "true", "source": "bench", "field": "c0"}]
        found["tags"] = {
            "_producer": "https://example.com/bench",
            "_schemaURL": "https://example.com/tags",
            "tags": tags,
        }
    return found


def kinds(jobs: int) -> dict[str, Callable[[random.Random], Any]]:
    """What is asked, by name."""

    def any_dataset(chance: random.Random) -> str:
        return f"t{chance.randrange(jobs)}"

    return {
        "graph, both ways, 5 jobs deep": lambda chance: (READ_GRAPH, ReadGraph(dataset=any_dataset(chance))),
        "graph, upstream, 2 jobs deep, columns": lambda chance: (
            READ_GRAPH,
            ReadGraph(dataset=any_dataset(chance), direction="upstream", depth=2, columns=True),
        ),
        "graph, all that is downstream": lambda chance: (
            READ_GRAPH,
            ReadGraph(dataset=any_dataset(chance), direction="downstream", depth=100),
        ),
        "impact of a column": lambda chance: (READ_IMPACT, ReadImpact(dataset=any_dataset(chance), field="c1")),
        "column, both ways": lambda chance: (READ_COLUMN, ReadColumn(dataset=any_dataset(chance), field="c1")),
    }


async def timed(bus: Bus, name: str, question: Callable[[random.Random], Any], questions: int) -> dict[str, Any]:
    """Median and 95th percentile of many questions, in milliseconds."""
    # Who asks with `floe lineage graph` asks once: what this process has made before is not walked by its collector.
    gc.collect()
    gc.freeze()
    chance = random.Random(2)  # noqa: S311
    taken, sizes = [], []
    for _ in range(questions):
        operation, request = question(chance)
        began = time.perf_counter()
        answer = await ask(bus, operation, request, tenant="default", environment="dev")
        taken.append((time.perf_counter() - began) * 1000)
        sizes.append(len(getattr(answer, "nodes", None) or getattr(answer, "entries", ())))
    taken.sort()
    return {
        f"{name}: median, ms": round(statistics.median(taken), 1),
        f"{name}: p95, ms": round(taken[int(len(taken) * 0.95)], 1),
        f"{name}: median nodes": round(statistics.median(sizes)),
    }


if __name__ == "__main__":
    sys.exit(main())
