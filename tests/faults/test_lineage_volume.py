"""A backend that is away for long: what piles up is on disk, the forwarder stays small, and then it catches up.

Some thousand events in `make test`; `FLOE_FAULT_EVENTS` says how many (`make test-faults`: a million).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import pytest
from aiohttp import web

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.requests import ask
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import LINEAGE, declared
from floe_chassis.topology_apply import apply
from floe_contracts.errors import FloeError
from floe_contracts.lineage_requests import ANYWHERE, LIST_BACKENDS, BackendEntry, ListBackends

from .conftest import OUTAGE
from .lineage_forwarder import forwarder
from .lineage_receivers import lineage, publish

EVENTS: Final = int(os.environ.get("FLOE_FAULT_EVENTS", "4000"))
PADDING: Final = 800
"""Bytes on top of an event's own 200: the events of dbt models have one to five thousand."""
SECONDS: Final = 60 + EVENTS / 200
GROWTH: Final = 48 * 1024 * 1024


class Counting:
    """A receiver that is away until it is let back, and then counts what comes by the order of its numbers."""

    def __init__(self) -> None:
        self.away = True
        self.taken = 0
        self.disordered = 0
        self._last = -1

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.away:
            return web.Response(status=503)
        for part in body.split(b'{"n": ')[1:]:
            number = int(part[: part.index(b",")])
            self.disordered += number <= self._last
            self._last = number
            self.taken += 1
        return web.Response(status=204)


async def entry_of(bus: Bus) -> BackendEntry | None:
    try:
        answer = await ask(bus, LIST_BACKENDS, ListBackends(), tenant="default", environment=ANYWHERE)
    except FloeError:
        return None
    return answer.backends[0]


async def breaker_open(bus: Bus) -> bool:
    entry = await entry_of(bus)
    return entry is not None and entry.breaker == "open"


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.bus
@pytest.mark.timeout(300 + EVENTS / 50)
async def test_a_long_outage_costs_disk_alone(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    server = NatsServer(tmp_path / "bus")
    server.start()
    receiver = Counting()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/{path:.*}", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = ChassisSettings(nats_url=server.url, ack_wait=5.0)
    bus = Bus("test", settings)
    environment = {
        "FLOE_NATS_URL": server.url,
        "FLOE_HTTP_PORT": "0",
        "FLOE_LINEAGE_BACKENDS": "http",
        "FLOE_LINEAGE_HTTP_URL": f"http://127.0.0.1:{runner.addresses[0][1]}",
    }
    try:
        await bus.connect(wait=False)
        await apply(bus, declared(settings, ["http"]))
        with forwarder(environment, tmp_path / "lineage.log") as started:
            process = psutil.Process(started.pid)
            await publish(bus, lineage(100), padding=PADDING)
            await eventually(lambda: breaker_open(bus), timeout=SECONDS)
            await publish(bus, (event for event in lineage(EVENTS) if event["n"] >= 100), padding=PADDING)
            await eventually(lambda: all_handled(bus, LINEAGE, "lineage-graph"), timeout=SECONDS)
            piled = process.memory_info().rss
            state = (await bus.js.stream_info(LINEAGE)).state
            disk = await asyncio.to_thread(size, tmp_path / "bus")
            receiver.away = False
            await eventually(lambda: receiver.taken >= EVENTS // 10, timeout=SECONDS)
            early, begun, cpu = process.memory_info().rss, time.monotonic(), sum(process.cpu_times()[:2])
            counted = receiver.taken
            await eventually(lambda: receiver.taken >= EVENTS * 9 // 10, timeout=SECONDS)
            seconds, late = time.monotonic() - begun, process.memory_info().rss
            cpu = sum(process.cpu_times()[:2]) - cpu
            drained = receiver.taken - counted
            await eventually(lambda: all_handled(bus, LINEAGE, "lineage-http"), timeout=SECONDS)
    finally:
        await bus.close()
        await runner.cleanup()
        server.stop()
    assert (receiver.taken, receiver.disordered) == (EVENTS, 0)
    assert state.messages == EVENTS
    assert late - early < GROWTH, "the forwarder grows as it catches up"
    record_property(
        OUTAGE,
        f"an outage of {EVENTS:,} lineage events: {state.bytes / 1e6:,.0f} MB in the stream, "
        f"{disk / 1e6:,.0f} MB on disk; forwarder {piled / 1e6:,.0f} MB while away, {early / 1e6:,.0f} MB at 10 %, "
        f"{late / 1e6:,.0f} MB at 90 %; drained {drained / seconds:,.0f} events/s, "
        f"{1e6 * cpu / drained:,.0f} us of CPU an event",
    )
