"""The lineage stream to 1, 10 and 100 subscribers: server-sent events of the gateway, and durable consumers of the bus.

First a burst, for events a second (delivered to all together) and CPU; then single events at a steady pace, for the
time from publishing to receipt. Everything runs on one machine: subscribers, of which each process has 25 at most, bus,
gateway and publisher share its processors, so that the rate is that of the machine.

    python benchmarks/lineage/fan_out.py [--events 1000] [--subscribers 1,10,100] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lineage_bus import LineageBus, letters, lineage_bus, publish
from lineage_events import run_events
from services import ServiceProcess

CLIENT = Path(__file__).with_name("listening.py")
PER_PROCESS = 25
PACED = 200
PACE_SECONDS = 0.02
EVENTS = "server-sent events"
JETSTREAM = "JetStream, durable pull"
WARM = 10
_LINE_LIMIT = 64 * 1024 * 1024
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class FannedOut:
    """What a burst and single events took; CPU in seconds, latencies in milliseconds."""

    wall: float
    gateway_cpu: float
    bus_cpu: float
    p50: float
    p99: float


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--subscribers", default="1,10,100")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    counts = [int(count) for count in options.subscribers.split(",")]
    taken: dict[tuple[str, int], list[FannedOut]] = {}
    for number in range(options.rounds):
        print(f"fan-out, round {number + 1} of {options.rounds}", file=sys.stderr)
        for count in counts:
            for kind in (EVENTS, JETSTREAM):
                with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
                    measured = asyncio.run(one(Path(folder), kind, count, options.events))
                taken.setdefault((kind, count), []).append(measured)
                print(f"  {kind:24} {count:4}  {measured.wall:6.2f} s", file=sys.stderr)
    report(taken, options.events, options.rounds)
    if options.json:
        document = {f"{count} {kind}": [asdict(one) for one in many] for (kind, count), many in taken.items()}
        options.json.write_text(json.dumps(document, indent=2))
    return 0


async def one(folder: Path, kind: str, count: int, events: int) -> FannedOut:
    """So many subscribers of one kind."""
    burst = letters(run_events(events))
    async with lineage_bus(folder) as lineage:
        with ServiceProcess("gateway", folder, {"FLOE_NATS_URL": lineage.server.url}) as gateway:
            address = gateway.url if kind == EVENTS else lineage.server.url
            async with listeners(kind, address, count, events) as listening:
                before = gateway.cpu, lineage.cpu
                started = time.monotonic()
                await publish(lineage.bus, burst)
                lasts = await asyncio.gather(*(process.stdout.readline() for process in listening))
                after = gateway.cpu, lineage.cpu
                wall = max(float(last) for last in lasts) - started
                latencies = await paced(lineage, listening, first=events)
    quantiles = statistics.quantiles(latencies, n=100)
    return FannedOut(wall, after[0] - before[0], after[1] - before[1], quantiles[49], quantiles[98])


async def paced(lineage: LineageBus, listening: list[Process], first: int) -> list[float]:
    """Single events, one after the other; milliseconds to each subscriber for each of them."""
    sent = []
    for number, letter in enumerate(letters(run_events(PACED, first=first))):
        sent.append(time.monotonic())
        await publish(lineage.bus, [letter])
        await asyncio.sleep(max(0.0, sent[0] + (number + 1) * PACE_SECONDS - time.monotonic()))
    answers = await asyncio.gather(*(process.stdout.readline() for process in listening))
    subscribers = [times for answer in answers for times in json.loads(answer)]
    return [(came - at) * 1000 for times in subscribers for came, at in zip(times, sent, strict=True)]


@asynccontextmanager
async def listeners(kind: str, address: str, count: int, events: int) -> AsyncIterator[list[Process]]:
    """The processes with the subscribers, all of them listening.

    Raises:
        RuntimeError: one of them does not.
    """
    listening: list[Process] = []
    word = "events" if kind == EVENTS else "jetstream"
    try:
        for start in range(0, count, PER_PROCESS):
            arguments = [word, address, min(PER_PROCESS, count - start), f"bench-{start}", events, PACED]
            listening.append(
                await asyncio.create_subprocess_exec(
                    sys.executable, str(CLIENT), *map(str, arguments), stdout=subprocess.PIPE, limit=_LINE_LIMIT
                )
            )
        async with asyncio.timeout(_START_SECONDS):
            said = await asyncio.gather(*(process.stdout.readline() for process in listening))
        if set(said) != {b"ready\n"}:
            raise RuntimeError(f"not all subscribers listen: {said}")
        yield listening
    finally:
        for process in listening:
            if process.returncode is None:
                process.kill()
            await process.wait()


def report(taken: Mapping[tuple[str, int], list[FannedOut]], events: int, rounds: int) -> None:
    """Print the table."""
    print(f"\n{events} events of 5 kB in a burst, {PACED} at {1 / PACE_SECONDS:.0f}/s; {rounds} rounds, medians")
    heads = f"{'events/s':>9} {'min-max':>14} {'gateway us':>11} {'nats us':>8} {'p50 ms':>8} {'p99 ms':>8}"
    print(f"{'':24} {'to':>4} {heads}   (CPU for each delivery)")
    for (kind, count), many in taken.items():
        deliveries = events * count
        rates = [deliveries / one.wall for one in many]
        gateway, bus = (
            statistics.median(getattr(one, name) for one in many) / deliveries * 1e6
            for name in ("gateway_cpu", "bus_cpu")
        )
        p50, p99 = (statistics.median(getattr(one, name) for one in many) for name in ("p50", "p99"))
        print(
            f"{kind:24} {count:>4} {statistics.median(rates):9.0f} {f'{min(rates):.0f}-{max(rates):.0f}':>14} "
            f"{gateway:11.0f} {bus:8.0f} {p50:8.1f} {p99:8.1f}"
        )


if __name__ == "__main__":
    sys.exit(main())
