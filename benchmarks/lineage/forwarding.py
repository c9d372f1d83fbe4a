"""Forwarding the lineage stream over HTTP, beside the client of OpenLineage: the same events, the same receiver.

The contenders take turns, round after round. Each sends its events to one receiver in a process of its own; CPU is that
of the sending process alone. floe's is the lineage service as `floe serve` runs it, from the bus to the receiver's
answer and the acknowledgement; it is warm, and the events wait in the stream when the clock starts. What the service
does besides, keeping the graph of datasets and jobs, stands in a line of its own. openlineage-python has its events in
memory.

    python benchmarks/lineage/forwarding.py [--events 20000] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from lineage_bus import Letter, LineageBus, letters, lineage_bus, publish
from lineage_events import run_events
from measurement import Measurement, Series
from receiver import Receiver
from services import ServiceProcess

from floe_chassis.topology import LINEAGE_GRAPH, lineage_consumer

CLIENT = Path(__file__).with_name("openlineage_client.py")
HTTP = "openlineage http"
ASYNC = "openlineage async_http"
SINGLE = "floe, one by one"
BATCHED = "floe, batched"
WITH_GRAPH = "floe, batched, and its graph"
SETTINGS: Mapping[str, Mapping[str, str]] = {
    SINGLE: {"FLOE_LINEAGE_HTTP_BATCH": "off", "FLOE_LINEAGE_HTTP_FORWARDING": '{"concurrency": 16}'},
    BATCHED: {"FLOE_LINEAGE_HTTP_BATCH": "auto"},
    WITH_GRAPH: {"FLOE_LINEAGE_HTTP_BATCH": "auto"},
}
WARM = 512
TIMES_WANTED = {SINGLE: 6.0, BATCHED: 12.0}
RATE_WANTED = {BATCHED: 10_000.0}


def main() -> int:
    """Measure, print the table, and say how each target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    series: dict[str, Series] = {}
    warm, events = letters(run_events(WARM, first=options.events)), letters(run_events(options.events))
    for number in range(options.rounds):
        print(f"forwarding, round {number + 1} of {options.rounds}", file=sys.stderr)
        for name, measured in one_round(warm, events):
            series.setdefault(name, Series()).add(measured)
            print(f"  {name:28} wall {measured.wall:6.2f} s  CPU {measured.cpu:6.2f} s", file=sys.stderr)
    report(series, options.events, options.rounds)
    if options.json:
        options.json.write_text(json.dumps({name: one.to_document() for name, one in series.items()}, indent=2))
    return 0


def one_round(warm: list[Letter], events: list[Letter]) -> Iterator[tuple[str, Measurement]]:
    """Every contender once; the client of OpenLineage makes the same events."""
    with Receiver() as receiver:
        for name, kind in ((HTTP, "http"), (ASYNC, "async_http")):
            yield name, openlineage(kind, receiver, len(events))
        for name in SETTINGS:
            with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
                yield name, asyncio.run(floe(name, Path(folder), receiver, warm, events))


def openlineage(kind: str, receiver: Receiver, events: int) -> Measurement:
    """The client sends its events.

    Raises:
        RuntimeError: it failed, or not all of them arrived.
    """
    receiver.forget()
    command = [sys.executable, str(CLIENT), kind, receiver.url, str(events)]
    done = subprocess.run(command, capture_output=True, text=True)
    received = receiver.received().events
    if done.returncode or received < events:
        raise RuntimeError(f"openlineage-python sent {received} of {events} events: {done.stderr[-2000:]}")
    return Measurement(**json.loads(done.stdout))


async def floe(name: str, folder: Path, receiver: Receiver, warm: list[Letter], events: list[Letter]) -> Measurement:
    """The lineage service forwards what waits in the stream, after something else to warm up."""
    backend = lineage_consumer("http")
    readers = [backend, LINEAGE_GRAPH] if name == WITH_GRAPH else [backend]
    async with lineage_bus(folder, ["http"]) as lineage:
        await lineage.pause(LINEAGE_GRAPH)
        environment = {
            "FLOE_NATS_URL": lineage.server.url,
            "FLOE_LINEAGE_BACKENDS": "http",
            "FLOE_LINEAGE_HTTP_URL": receiver.url,
            **SETTINGS[name],
        }
        with ServiceProcess("lineage", folder, environment) as service:
            await publish(lineage.bus, warm)
            await _until_settled(lineage, backend)
            await lineage.pause(backend)
            await publish(lineage.bus, events)
            await asyncio.to_thread(receiver.forget)
            before = service.cpu
            for reader in readers:
                await lineage.resume(reader)
            received = await asyncio.to_thread(receiver.wait_for, len(events), 600.0)
            for reader in readers:
                await _until_settled(lineage, reader)
            return Measurement(received.last - received.first, service.cpu - before, service.peak_mb)


async def _until_settled(lineage: LineageBus, consumer: str) -> None:
    deadline = time.monotonic() + 60
    while not await lineage.settled(consumer):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{consumer} has not settled what waits for it")
        await asyncio.sleep(0.05)


def report(series: Mapping[str, Series], events: int, rounds: int) -> None:
    """Print the table and the targets."""
    print(f"\n{events} events, {rounds} rounds, medians")
    print(f"{'':28} {'events/s':>9} {'CPU us/event':>13} {'min-max':>13} {'of http':>8} {'peak MB':>8}")
    reference = series[HTTP].median("cpu")
    for name, one in series.items():
        each = [measured.cpu / events * 1e6 for measured in one.taken]
        print(
            f"{name:28} {events / one.median('wall'):9.0f} {one.median('cpu') / events * 1e6:13.0f} "
            f"{f'{min(each):.0f}-{max(each):.0f}':>13} {one.median('cpu') / reference:8.3f} {one.median('rss_mb'):8.0f}"
        )
    print()
    for name, wanted in TIMES_WANTED.items():
        tell(f"CPU of {HTTP} / {name}", reference / series[name].median("cpu"), wanted)
    for name, wanted in RATE_WANTED.items():
        tell(f"events a second, {name}", events / series[name].median("wall"), wanted)


def tell(what: str, found: float, wanted: float) -> None:
    """Say whether a target was met."""
    print(f"{what}: {found:.1f} (wanted: at least {wanted:g}) {'met' if found >= wanted else 'not met'}")


if __name__ == "__main__":
    sys.exit(main())
