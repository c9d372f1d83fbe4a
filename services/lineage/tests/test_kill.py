"""SIGKILL of the forwarder while it works: nothing is lost, the order is kept, and what comes twice is bounded."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.requests import ask
from floe_chassis.testing import eventually
from floe_chassis.topology_apply import apply
from floe_contracts import subjects
from floe_contracts.lineage_requests import ANYWHERE, REPLAY_LINEAGE, ReplayLineage

pytestmark = [pytest.mark.bus, pytest.mark.fault]

_FETCH = 256
_SERVE = """
import os
import uvloop
from floe_chassis.serving import serve
from floe_lineage.app import create_app

async def main():
    await serve(create_app(os.environ))

uvloop.run(main())
"""


async def started(environment: dict[str, str]) -> Process:
    variables = {**environment, "FLOE_LOG_LEVEL": "ERROR", "PATH": os.environ["PATH"]}
    return await asyncio.create_subprocess_exec(sys.executable, "-c", _SERVE, env=variables)


async def killed(process: Process) -> None:
    process.kill()
    await process.wait()


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def bodies(events: list[Any]) -> Counter[str]:
    return Counter(json.dumps(event) for event in events)


async def test_the_file_has_every_event_once_and_in_order(environment, publish, runs, settled) -> None:
    path = Path(environment["FLOE_LINEAGE_FILE"])
    events = runs(range(600))
    for first in (0, 400, 800):
        lines = len(lines_of(path))
        process = await started(environment)
        sending = asyncio.create_task(publish(events[first : min(first + 400, 1100)]))
        await eventually(lambda lines=lines: len(lines_of(path)) > lines, timeout=90)
        await killed(process)
        await sending
    process = await started(environment)
    await publish(events[1100:])
    await eventually(lambda: len(lines_of(path)) == len(events), timeout=90)
    await eventually(lambda: settled("file"), timeout=90)
    process.terminate()
    assert await process.wait() == 0
    assert [json.loads(line) for line in lines_of(path)] == events


@pytest.mark.parametrize(("batch", "pause"), [(True, 0.05), (False, 0.002)])
async def test_a_server_gets_every_event_and_at_most_one_fetch_twice(
    to_receiver, receiver, publish, runs, settled, well_ordered, batch, pause
) -> None:
    async def slow(_: list[Any]) -> web.Response | None:
        await asyncio.sleep(pause)
        return None

    receiver.behave = slow
    events = runs(range(600))
    await publish(events)
    for kill_after in (100, 700):
        process = await started(to_receiver(batch))
        await eventually(lambda kill_after=kill_after: len(receiver.taken) > kill_after, timeout=90)
        await killed(process)
    process = await started(to_receiver(batch))
    await eventually(lambda: settled("http"), timeout=90)
    process.terminate()
    assert await process.wait() == 0
    taken, expected = bodies(receiver.taken), bodies(events)
    assert set(taken) == set(expected)
    assert len(receiver.taken) - len(events) <= 2 * _FETCH
    assert well_ordered(receiver.taken)
    firsts = list(dict.fromkeys(json.dumps(event) for event in receiver.taken))
    assert firsts == [json.dumps(event) for event in events]


async def test_a_replay_that_is_killed_goes_on_where_it_was(environment, lineage_bus, publish, runs, settled) -> None:
    """The bus keeps how far a replay is, and the file how far it has it: no event is left out, none comes thrice."""
    path = Path(environment["FLOE_LINEAGE_FILE"])
    events = runs(range(1500))
    await publish(events)
    process = await started(environment)
    await eventually(lambda: len(lines_of(path)) == len(events), timeout=90)
    await eventually(lambda: settled("file"), timeout=90)
    request = ReplayLineage(backend="file", since="2000-01-01T00:00:00+00:00")
    await ask(lineage_bus, REPLAY_LINEAGE, request, tenant="default", environment=ANYWHERE)
    await killed(process)
    process = await started(environment)
    await eventually(lambda: settled("file"), timeout=90)
    process.terminate()
    assert await process.wait() == 0
    assert [json.loads(line) for line in lines_of(path)] == [*events, *events]


async def test_a_bus_that_dies_and_comes_back_loses_nothing(
    environment, running, runs, lineage_topology, bus_settings, tmp_path
) -> None:
    server = NatsServer(tmp_path / "bus")
    server.start()
    bus = Bus("test", bus_settings.model_copy(update={"nats_url": server.url}))
    events = runs(range(300))
    path = Path(environment["FLOE_LINEAGE_FILE"])
    try:
        await bus.connect(wait=False)
        await apply(bus, lineage_topology)
        async with running(environment | {"FLOE_NATS_URL": server.url}) as service:
            sending = asyncio.create_task(_publish(bus, events))
            await eventually(lambda: len(lines_of(path)) > 50)
            server.kill()
            server.restart()
            await sending
            await eventually(lambda: len(lines_of(path)) >= len(events), timeout=90)
            assert not service.ailments()
    finally:
        await bus.close()
        server.stop()
    assert [json.loads(line) for line in lines_of(path)] == events


async def _publish(bus: Bus, events: list[Any]) -> None:
    for number, event in enumerate(events):
        subject = subjects.lineage("default", "dev", "orders", "orders.model", event["eventType"])
        await bus.publish_raw(subject, json.dumps(event).encode(), {}, str(number))
