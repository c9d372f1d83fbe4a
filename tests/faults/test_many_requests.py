"""Two executors and many requests, some of them twice: each product's runs go in order, once, and none is lost."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from itertools import pairwise
from typing import Final

import pytest

from floe_chassis import topology
from floe_chassis.bus import Bus
from floe_chassis.testing import eventually
from floe_contracts import subjects
from floe_contracts.cloudevents import MESSAGE_ID
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.subjects import EventKind

from .conftest import Publish
from .facts import ENVIRONMENT, RUN_SECONDS, TENANT, Facts, until
from .processes import Stack

PRODUCTS: Final = 20
REQUESTS: Final = 200
_SECONDS: Final = 500.0


@pytest.mark.timeout(int(_SECONDS) + 100)
async def test_two_executors_and_two_hundred_requests(stack: Stack, bus: Bus, facts: Facts, compiled: Publish) -> None:
    products = [f"many-{number:02d}" for number in range(PRODUCTS)]
    digests = dict(zip(products, await asyncio.gather(*(compiled(name, tiny=True) for name in products)), strict=True))
    dead_before = len(await facts.stored(topology.DLQ, f"{subjects.ROOT}.dlq.>"))
    stack.start("executor-2")
    await eventually(lambda: stack.logged("executor-2", "service.started"), timeout=RUN_SECONDS)
    lost_before = stack.leases_lost()
    wanted = [(products[number % PRODUCTS], f"many:{number}") for number in range(REQUESTS)]
    chosen = random.Random(4)  # noqa: S311 -- the same order in every run of the test
    chosen.shuffle(wanted)
    try:
        await _ask(bus, facts, digests, wanted, chosen)
        runs = {(name, cause): run_id(Place(TENANT, ENVIRONMENT, name), cause) for name, cause in wanted}

        async def all_ended() -> bool:
            told = await facts.stored(topology.EVENTS, subjects.pattern(EventKind.RUN_COMPLETED))
            return {event.data["run_id"] for event in told} >= set(runs.values())

        await until(all_ended, timeout=_SECONDS)
        await facts.quiet()
    finally:
        stack.kill("executor-2")
    attempts = await _assert_in_order(facts, products, wanted, runs)
    assert attempts <= REQUESTS + stack.leases_lost() - lost_before
    assert len(await facts.stored(topology.DLQ, f"{subjects.ROOT}.dlq.>")) == dead_before


async def _ask(
    bus: Bus, facts: Facts, digests: dict[str, str], wanted: list[tuple[str, str]], chosen: random.Random
) -> None:
    """Publish every request; one in four comes again later, as a sender repeats it after the stream forgot its id."""
    for name, cause in wanted:
        await facts.request(name, digests[name], cause)
    requests = await facts.stored(topology.RUNS, subjects.pattern(EventKind.RUN_REQUESTED))
    again = [message for message in requests if message.headers["ce-id"].startswith("many")]
    for message in chosen.sample(again, REQUESTS // 4):
        headers = {name: value for name, value in message.headers.items() if name != MESSAGE_ID}
        await bus.js.publish(message.subject, message.body, headers=headers)


async def _assert_in_order(
    facts: Facts, products: list[str], wanted: list[tuple[str, str]], runs: dict[tuple[str, str], str]
) -> int:
    """Each product's runs went one after the other, as they were asked for; how many attempts all of them took."""
    attempts = 0
    asked: dict[str, list[str]] = defaultdict(list)
    for name, cause in wanted:
        asked[name].append(runs[name, cause])
    for name in products:
        started = [event.data["run_id"] for event in await facts.events(EventKind.RUN_STARTED, name)]
        assert list(dict.fromkeys(started)) == asked[name]
        completed = [event.data["run_id"] for event in await facts.events(EventKind.RUN_COMPLETED, name)]
        assert completed == asked[name]
        records = [record for run in asked[name] if (record := await facts.record(name, run))]
        intervals = [(record.started_at or "", record.ended_at or "") for record in records]
        assert all(ended <= begun for (_, ended), (begun, _) in pairwise(intervals))
        attempts += sum(record.attempt for record in records)
    return attempts
