"""What the gateway's receiver of lineage takes in: single events and batches, plain and gzipped.

The gateway is a process of its own, as `floe serve` runs it; an event is taken in when the bus has stored it. CPU is
that of the gateway and of nats-server, each for itself. Below stands what checking an event costs in one process.

    python benchmarks/lineage/reception.py [--events 20000] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from lineage_bus import LineageBus, lineage_bus
from measurement import Measurement, Series
from services import ServiceProcess
from validation import checking_costs

CLIENT = Path(__file__).with_name("posting.py")
BATCH = 100
CONNECTIONS = 16
KINDS = {
    "single": (1, "plain"),
    "single, gzip": (1, "gzip"),
    f"batches of {BATCH}": (BATCH, "plain"),
    f"batches of {BATCH}, gzip": (BATCH, "gzip"),
}
BUS = "nats-server: "


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    series: dict[str, Series] = {}
    for number in range(options.rounds):
        print(f"reception, round {number + 1} of {options.rounds}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
            for name, measured in asyncio.run(one_round(Path(folder), options.events)).items():
                series.setdefault(name, Series()).add(measured)
    report(series, options.events, options.rounds)
    costs = checking_costs(options.events, options.rounds)
    for name, found in costs.items():
        print(f"{name:44} {found:9.1f} us CPU an event")
    if options.json:
        document = {name: one.to_document() for name, one in series.items()}
        options.json.write_text(json.dumps({"taken in": document, "checking": costs}, indent=2))
    return 0


async def one_round(folder: Path, events: int) -> dict[str, Measurement]:
    """Every kind of request once, to the same gateway."""
    async with lineage_bus(folder) as lineage:
        environment = {"FLOE_NATS_URL": lineage.server.url}
        with ServiceProcess("gateway", folder, environment) as gateway:
            taken: dict[str, Measurement] = {}
            await post(lineage, gateway, 500, (0, 1, "plain"))  # warm
            for number, (name, (batch, encoding)) in enumerate(KINDS.items(), 1):
                first = 1_000_000 * number
                taken |= await measure(name, lineage, gateway, events, (first, batch, encoding))
            return taken


async def measure(
    name: str, lineage: LineageBus, gateway: ServiceProcess, events: int, kind: tuple[int, int, str]
) -> dict[str, Measurement]:
    """One kind of request: of the gateway, and of the bus meanwhile."""
    before = gateway.cpu, lineage.cpu
    wall = await post(lineage, gateway, events, kind)
    after = gateway.cpu, lineage.cpu
    print(f"  {name:24} wall {wall:6.2f} s  CPU {after[0] - before[0]:6.2f} s", file=sys.stderr)
    return {
        name: Measurement(wall, after[0] - before[0], gateway.peak_mb),
        BUS + name: Measurement(wall, after[1] - before[1], 0.0),
    }


async def post(lineage: LineageBus, gateway: ServiceProcess, events: int, kind: tuple[int, int, str]) -> float:
    """Have the events sent; the seconds that it took.

    Raises:
        RuntimeError: not all of them were stored.
    """
    stored = (await lineage.bus.js.stream_info("FLOE_LINEAGE")).state.messages
    arguments = [gateway.url, events, *kind, CONNECTIONS]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CLIENT), *map(str, arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    await process.stdout.readline()
    output, _ = await process.communicate(b"\n")
    told: Mapping[str, Any] = json.loads(output)
    came = (await lineage.bus.js.stream_info("FLOE_LINEAGE")).state.messages - stored
    if came != events:
        raise RuntimeError(f"{came} of {events} events were stored: {told}")
    return told["wall"]


def report(series: Mapping[str, Series], events: int, rounds: int) -> None:
    """Print the table."""
    print(f"\n{events} events of 5 kB, {CONNECTIONS} connections, {rounds} rounds, medians")
    print(f"{'':24} {'events/s':>9} {'CPU us/event':>13} {'min-max':>13} {'nats-server':>12} {'peak MB':>8}")
    for name in KINDS:
        one = series[name]
        each = [measured.cpu / events * 1e6 for measured in one.taken]
        print(
            f"{name:24} {events / one.median('wall'):9.0f} {one.median('cpu') / events * 1e6:13.0f} "
            f"{f'{min(each):.0f}-{max(each):.0f}':>13} {series[BUS + name].median('cpu') / events * 1e6:12.0f} "
            f"{one.median('rss_mb'):8.0f}"
        )
    print()


if __name__ == "__main__":
    sys.exit(main())
