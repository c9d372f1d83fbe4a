"""SIGKILL of the service, and of the bus, while the graph is made: it ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import LINEAGE, LINEAGE_GRAPH, declared
from floe_chassis.topology_apply import apply
from floe_contracts.lineage_states import LineageState
from floe_contracts.openlineage.enrichment import digest_of_told, told_facets
from floe_lineage.adapters.graph_buckets import GraphBuckets
from floe_lineage.core.graph.telling import NOTHING, telling

from .graph_events import Event, Memory, Stack, run, table

pytestmark = [pytest.mark.bus, pytest.mark.fault]

_JOBS = 40
_ROUNDS = 25
_SERVE = """
import os
import uvloop
from floe_chassis.serving import serve
from floe_lineage.app import create_app

async def main():
    await serve(create_app(os.environ))

uvloop.run(main())
"""
# What differs by the findings that are told in between, and by where events stand in the stream.
_OF_THE_STREAM = {"sequence", "stored_at", "told", "origin"}


def story() -> list[Event]:
    """A chain of tables that is built again and again; now and then the first one is said to be something else."""
    chance = random.Random(7)  # noqa: S311
    events: list[Event] = []
    for number in range(_ROUNDS):
        said = {"x": chance.choice(["pii", "financial"])} if number % 5 else None
        at = f"2026-01-01T00:{number:02}:00Z"
        events.append(run("load", writes=[table("t0", "x", said=said)], number=number, at=at))
        for job in range(1, _JOBS):
            source = chance.randrange(max(0, job - 3), job)
            writes = [table(f"t{job}", "x", made_of={"x": [(f"t{source}", "x")]})]
            reads = [table(f"t{source}")]
            events.append(run(f"j{job}", "START", reads=reads, number=number, at=at))
            events.append(run(f"j{job}", reads=reads, writes=writes, number=number, at=at))
    return events


@contextlib.asynccontextmanager
async def serving(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    variables = {**environment, "FLOE_LOG_LEVEL": "ERROR", "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _SERVE, env=variables)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def read_up_to(bus: Bus) -> int:
    floor = (await bus.js.consumer_info(LINEAGE, LINEAGE_GRAPH)).ack_floor
    return (floor.stream_seq if floor else 0) or 0


async def stored(bus: Bus) -> dict[str, Any]:
    """What the buckets hold."""
    return by_name([record.read() async for record in GraphBuckets(bus).load()])


def by_name(states: list[LineageState]) -> dict[str, Any]:
    return {f"{state.kind} {state.name}": state.model_dump(exclude=_OF_THE_STREAM) for state in states}


def expected(events: list[Event]) -> dict[str, Any]:
    memory = Memory()
    memory.hear(*events)
    graph = memory.known["default"].graph
    return by_name([*graph.datasets.values(), *graph.jobs.values()])


async def told_once_and_wholly(stack: Stack, events: list[Event]) -> None:
    """No finding comes right after the same one of its job; the last one of each is what follows from all events."""
    last: dict[str, str] = defaultdict(str)
    for event in await stack.told():
        digest = digest_of_told(told_facets(event))
        assert digest != last[event["job"]["name"]]
        last[event["job"]["name"]] = digest
    memory = Memory()
    memory.hear(*events)
    known = memory.known["default"]
    found = {job.name: telling(known, job, None, "2026-01-01T00:00:00Z") for job in known.graph.jobs.values()}
    expected = {name: one.digest for name, one in found.items() if one is not None}
    assert {name: digest for name, digest in last.items() if digest != NOTHING} == expected


async def test_a_service_that_is_killed_again_and_again_makes_the_same_graph(stack: Stack) -> None:
    events = story()
    part = len(events) // 3 + 1
    for first in range(0, len(events), part):
        async with serving(stack.environment) as process:
            begun = await read_up_to(stack.bus)
            await stack.publish(*events[first : first + part])
            await eventually(lambda begun=begun: _further(stack.bus, begun), timeout=120)
            process.kill()
            await process.wait()
    async with serving(stack.environment):
        await stack.settled()
    assert await stored(stack.bus) == expected(events)
    await told_once_and_wholly(stack, events)


async def _further(bus: Bus, begun: int) -> bool:
    return await read_up_to(bus) > begun


async def test_a_bus_that_dies_and_comes_back_loses_nothing(stack: Stack, own_server: NatsServer) -> None:
    settings = stack.settings.model_copy(update={"nats_url": own_server.url, "ack_wait": 1.0})
    bus = Bus("test", ChassisSettings.model_validate(settings))
    await bus.connect(wait=False)
    await apply(bus, declared(settings, ["file"]))
    ours = Stack(bus, settings, stack.environment | {"FLOE_NATS_URL": own_server.url})
    events = story()
    await ours.publish(*events[: len(events) // 2])
    async with ours.running() as service:
        await eventually(lambda: _further(bus, 0), timeout=120)
        own_server.kill()
        own_server.restart()
        assert await bus.until_connected(60)
        await ours.publish(*events[len(events) // 2 :])
        await ours.settled()
        assert not service.ailments()
        assert await stored(bus) == expected(events)
        await told_once_and_wholly(ours, events)
    await bus.close()
