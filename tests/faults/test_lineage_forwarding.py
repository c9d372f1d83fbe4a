"""Ten thousand events on their way to receivers that go wrong, and through a forwarder and a bus that are killed.

All receivers stand beside each other in one service, so that what one of them does could delay the others.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import DLQ, LINEAGE, declared
from floe_chassis.topology_apply import apply
from floe_contracts import subjects
from floe_lineage.app import create_app

from .fault_points import ROUNDS
from .lineage_forwarder import forwarder
from .lineage_receivers import Events, Receiver, is_poison, lineage, publish, well_ordered

COUNT: Final = 10_000
POISON: Final = (17, 2_501, 2_503, 6_003, 9_997)
OUTAGE_SECONDS: Final = 60.0 if ROUNDS > 2 else 2.0
FETCH: Final = 256
LONG: Final = 300
HEALTHY: Final = ("clean", "single", "slow", "closing", "deaf", "partly")
KILLED: Final = ("forwarder-killed", "bus-killed")
BACKENDS: Final = (*HEALTHY, "away", "dead", *KILLED)
SETTINGS: Final = ChassisSettings(ack_wait=1.0)


async def slow(_: Receiver, __: web.Request, ___: Events) -> None:
    await asyncio.sleep(0.05)


async def dead(_: Receiver, __: web.Request, ___: Events) -> web.Response:
    return web.Response(status=503)


async def closing(receiver: Receiver, request: web.Request, _: Events) -> web.Response | None:
    """Drops every seventh connection instead of taking what came."""
    if receiver.requests % 7:
        return None
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)


async def deaf(receiver: Receiver, request: web.Request, events: Events) -> web.Response | None:
    """Takes what comes, and drops every eleventh connection before it says so."""
    if receiver.requests % 11 or any(is_poison(event) for event in events):
        return None
    receiver.take(events)
    receiver.unheard += len(events)
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)


async def partly(receiver: Receiver, _: web.Request, events: Events) -> web.Response | None:
    """Takes batches in part: poison never, and every hundredth event only when it comes alone."""
    if len(events) == 1:
        return None
    failed = [
        {"index": index, "reason": "not this one", "retriable": not is_poison(event)}
        for index, event in enumerate(events)
        if is_poison(event) or event["n"] % 100 == 99
    ]
    indexes = {failure["index"] for failure in failed}
    receiver.take(event for index, event in enumerate(events) if index not in indexes)
    return web.json_response({"status": "partial_success", "failed_events": failed})


@dataclass
class Away:
    """Answers 503 until it is let back, and for so long at least."""

    back: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _: Receiver, __: web.Request, ___: Events) -> web.Response | None:
        return None if self.back.is_set() else web.Response(status=503, headers={"Retry-After": "1"})


@dataclass(frozen=True)
class Outcome:
    """What came of all events at each receiver."""

    receivers: Mapping[str, Receiver]
    letters: Mapping[str, list[int]]
    away_while_clean_ended: bool


@dataclass(frozen=True)
class Place:
    """A bus with ten thousand events, for backends that are all new."""

    server: NatsServer
    root: Path

    @property
    def settings(self) -> ChassisSettings:
        return SETTINGS.model_copy(update={"nats_url": self.server.url})

    def environment(self, receivers: Mapping[str, Receiver]) -> dict[str, str]:
        """That of a service which forwards to these receivers."""
        single = {"batch": "off"}
        backends = {
            name: {"type": "http", "url": receiver.url}
            | ({"options": single, "forwarding": {"concurrency": 16}} if name == "single" else {})
            for name, receiver in receivers.items()
        }
        file = self.root / f"{'-'.join(receivers)[:40]}.yaml"
        document = {
            "apiVersion": "floe.dev/v1",
            "kind": "PlatformSpec",
            "metadata": {"name": "p", "version": "1.0.0", "owner": "me"},
            "environments": {
                "dev": {"profiles": {"default": {"compute": "duckdb", "storage": "local", "catalog": "local"}}}
            },
            "compute": {"duckdb": {"type": "duckdb"}},
            "storage": {"local": {"type": "local"}},
            "catalogs": {"local": {"type": "sql"}},
            "observability": {"lineage": backends},
        }
        file.write_text(json.dumps(document))
        return {
            "FLOE_NATS_URL": self.server.url,
            "FLOE_HTTP_PORT": "0",
            "FLOE_SHUTDOWN_GRACE": "5",
            "FLOE_LINEAGE_BACKENDS": "",
            "FLOE_LINEAGE_PLATFORM_FILE": str(file),
            "FLOE_WORK_DIR": str(self.root / "work"),
        }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("lineage")
    server = NatsServer(root / "bus")
    server.start()
    found = Place(server, root)

    async def prepare() -> None:
        async with connected(found) as bus:
            await apply(bus, declared(found.settings, BACKENDS))
            await publish(bus, lineage(COUNT, POISON))

    try:
        asyncio.run(prepare())
        yield found
    finally:
        server.stop()


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Bus]:
    bus = Bus("test", place.settings)
    await bus.connect(wait=False)
    try:
        yield bus
    finally:
        await bus.close()


async def settled(bus: Bus, name: str) -> bool:
    return await all_handled(bus, LINEAGE, f"lineage-{name}")


async def letters_of(bus: Bus, name: str) -> list[int]:
    """The numbers of the events that became dead letters of a backend."""
    pattern = subjects.dead_letter(LINEAGE, f"lineage-{name}")
    return [json.loads(letter.data)["n"] async for letter in read_stream(bus.js, DLQ, pattern)]


@pytest.fixture(scope="module")
def outcome(place: Place) -> Outcome:
    """All receivers beside each other, each with its own way to go wrong."""

    async def main() -> Outcome:
        away = Away()
        ways = {"slow": slow, "closing": closing, "deaf": deaf, "partly": partly, "away": away, "dead": dead}
        receivers = {name: Receiver(ways.get(name)) for name in (*HEALTHY, "away", "dead")}
        async with AsyncExitStack() as serving, connected(place) as bus:
            for receiver in receivers.values():
                await serving.enter_async_context(receiver.serving())
            service = create_app(place.environment(receivers))
            await service.start()
            try:
                outage = asyncio.create_task(asyncio.sleep(OUTAGE_SECONDS))
                await eventually(lambda: settled(bus, "clean"), timeout=LONG)
                was_away = not receivers["away"].taken and receivers["away"].requests > 0
                await outage
                away.back.set()
                for name in (*HEALTHY, "away"):
                    await eventually(lambda name=name: settled(bus, name), timeout=LONG)
            finally:
                await service.stop()
            letters = {name: await letters_of(bus, name) for name in receivers}
        return Outcome(receivers, letters, was_away)

    return asyncio.run(main())


@pytest.mark.parametrize("name", [*HEALTHY, "away"])
def test_nothing_is_lost_nothing_overtakes_and_poison_is_told(outcome: Outcome, name: str) -> None:
    taken = outcome.receivers[name].taken
    assert set(taken) == set(range(COUNT)) - set(POISON)
    assert outcome.letters[name] == sorted(POISON)
    assert well_ordered(taken)
    assert len(taken) - len(set(taken)) <= outcome.receivers[name].unheard, "sent again though the answer was heard"


def test_a_dead_backend_delays_no_other(outcome: Outcome) -> None:
    assert outcome.away_while_clean_ended
    assert outcome.receivers["dead"].taken == outcome.letters["dead"] == []


def told_again(log: Path) -> int:
    """How many events the forwarder has said that may come again."""
    lines = [json.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]
    return sum(line.get("events", 0) for line in lines if line.get("event") == "lineage.in_flight")


def assert_whole(receiver: Receiver, allowed: int) -> None:
    taken = receiver.taken
    assert set(taken) == set(range(COUNT)) - set(POISON)
    firsts = list(dict.fromkeys(taken))
    assert firsts == sorted(firsts), "an event overtook another"
    twice = sum(count - 1 for count in Counter(taken).values())
    assert twice <= allowed, f"{twice} came twice, {allowed} were in flight"


async def test_a_killed_forwarder_repeats_at_most_what_was_in_flight_and_says_so(place: Place) -> None:
    log = place.root / "forwarder-killed.log"
    receiver = Receiver(slow)
    async with receiver.serving(), connected(place) as bus:
        environment = place.environment({"forwarder-killed": receiver})
        for mark in (1_000, 5_000):
            with forwarder(environment, log):
                await eventually(lambda mark=mark: len(receiver.taken) > mark, timeout=LONG)
        with forwarder(environment, log):
            await eventually(lambda: settled(bus, "forwarder-killed"), timeout=LONG)
        assert await letters_of(bus, "forwarder-killed") == sorted(POISON)
    assert_whole(receiver, min(told_again(log), 2 * FETCH))


async def test_a_killed_bus_repeats_at_most_what_was_in_flight(place: Place) -> None:
    log = place.root / "bus-killed.log"
    receiver = Receiver(slow)
    async with receiver.serving():
        with forwarder(place.environment({"bus-killed": receiver}), log):
            for mark in (1_000, 5_000):
                await eventually(lambda mark=mark: len(receiver.taken) > mark, timeout=LONG)
                await asyncio.to_thread(place.server.kill)
                await asyncio.to_thread(place.server.restart)
            async with connected(place) as bus:
                await eventually(lambda: settled(bus, "bus-killed"), timeout=LONG)
                assert await letters_of(bus, "bus-killed") == sorted(POISON)
    assert_whole(receiver, 2 * FETCH)
