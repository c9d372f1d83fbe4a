"""What the lineage service says of its backends, and setting one of them back, on a real bus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from nats.js.api import AckPolicy, DeliverPolicy

from floe_chassis.batch_pull import delivered
from floe_chassis.bus import Bus
from floe_chassis.dead_letter_box import drop, kept_letters
from floe_chassis.errors import RequestFailed, RequestRefused, TopologyMissing
from floe_chassis.requests import ask
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import LINEAGE, declared
from floe_chassis.topology_apply import apply
from floe_contracts.errors import ContractError
from floe_contracts.lineage_requests import (
    ANYWHERE,
    LIST_BACKENDS,
    REPLAY_LINEAGE,
    BackendEntry,
    ListBackends,
    ReplayLineage,
    ReplayStarted,
)
from floe_lineage.adapters.file_backend import FileBackend
from floe_lineage.adapters.lineage_consumer import LineageConsumer
from floe_lineage.errors import BackendNotReady, BackendUnknown, ReplayRefused
from floe_lineage.forwarding import loop

pytestmark = pytest.mark.bus

BEGINNING = "2000-01-01T00:00:00+00:00"
Ask = Callable[..., Awaitable[ReplayStarted]]


def lines(environment: dict[str, str]) -> list[Any]:
    path = Path(environment["FLOE_LINEAGE_FILE"])
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""  # the last line may be half-written
    return [json.loads(line) for line in whole.splitlines()]


@pytest.fixture
def replay(lineage_bus: Bus) -> Ask:
    async def send(backend: str, since: str = BEGINNING, *, dry_run: bool = False) -> ReplayStarted:
        request = ReplayLineage(backend=backend, since=since, dry_run=dry_run)
        return await ask(lineage_bus, REPLAY_LINEAGE, request, tenant="default", environment=ANYWHERE)

    return send


@pytest.fixture
def backend_entry(lineage_bus: Bus) -> Callable[[str], Awaitable[BackendEntry]]:
    async def look(name: str) -> BackendEntry:
        answer = await ask(lineage_bus, LIST_BACKENDS, ListBackends(), tenant="default", environment=ANYWHERE)
        return next(entry for entry in answer.backends if entry.name == name)

    return look


async def stored_at(bus: Bus, index: int) -> datetime:
    """When the event of that index was stored, to the microsecond below."""
    messages = [message async for message in read_stream(bus.js, LINEAGE, "floe.v1.lineage.>")]
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=delivered(messages[index]).stored_at // 1000)


async def test_a_backend_gets_again_what_it_has_had_and_no_other_does(
    to_receiver, receiver, environment, running, publish, runs, settled, replay
) -> None:
    events, later = runs(range(20)), runs(range(20, 25))
    await publish(events)
    async with running(to_receiver(True) | {"FLOE_LINEAGE_BACKENDS": "http,file"}):
        await eventually(lambda: settled("http"))
        started = await replay("http")
        await publish(later)
        await eventually(lambda: len(receiver.taken) == 2 * len(events) + len(later))
        await eventually(lambda: len(lines(environment)) == len(events) + len(later))
    assert (started.events, started.first_sequence) == (len(events), 1)
    assert receiver.taken == [*events, *events, *later]
    assert lines(environment) == [*events, *later]


async def test_a_replay_begins_with_the_first_event_stored_since(
    to_receiver, receiver, running, publish, runs, settled, replay, lineage_bus
) -> None:
    events = runs(range(10))
    await publish(events)
    since = await stored_at(lineage_bus, 12)
    async with running(to_receiver(False)):
        await eventually(lambda: settled("http"))
        started = await replay("http", since.isoformat())
        await eventually(lambda: len(receiver.taken) == len(events) + 8)
    assert (started.events, started.first_sequence) == (8, 13)
    assert started.first_stored_at is not None
    assert datetime.fromisoformat(started.first_stored_at) == since
    assert receiver.taken == [*events, *events[12:]]


async def test_a_dry_run_counts_and_sends_nothing(
    to_receiver, receiver, running, publish, runs, settled, replay
) -> None:
    events = runs(range(5))
    await publish(events)
    async with running(to_receiver(True)):
        await eventually(lambda: settled("http"))
        planned = await replay("http", dry_run=True)
        nothing = await replay("http", (datetime.now(UTC) + timedelta(days=1)).isoformat())
        await publish(runs(range(5, 6)))
        await eventually(lambda: len(receiver.taken) > len(events))
        await eventually(lambda: settled("http"))
    assert (planned.events, planned.first_sequence) == (len(events), 1)
    assert (nothing.events, nothing.first_sequence) == (0, None)
    assert receiver.taken == [*events, *runs(range(5, 6))]


async def test_the_file_has_what_is_replayed_once_more_also_after_a_restart(
    environment, running, publish, runs, settled, replay
) -> None:
    events = runs(range(8))
    await publish(events)
    async with running(environment):
        await eventually(lambda: settled("file"))
        await replay("file")
        await eventually(lambda: len(lines(environment)) == 2 * len(events))
    await publish(runs(range(8, 9)))
    async with running(environment):
        await eventually(lambda: len(lines(environment)) == 2 * len(events) + 2)
    assert lines(environment) == [*events, *events, *runs(range(8, 9))]


async def test_what_still_waits_is_never_passed_over(
    to_receiver, receiver, running, publish, runs, settled, replay, backend_entry
) -> None:
    go_on = asyncio.Event()

    async def away(_: list[Any]) -> web.Response | None:
        return None if go_on.is_set() else web.Response(status=503, text="in the garage")

    receiver.behave = away
    events = runs(range(10))
    await publish(events)
    async with running(to_receiver(True)):
        await eventually(lambda: receiver.requests)
        entry = await eventually(lambda: _open(backend_entry), timeout=60)
        soon = await replay("http", datetime.now(UTC).isoformat())
        all_of_it = await replay("http")
        go_on.set()
        await eventually(lambda: settled("http"), timeout=60)
        after = await backend_entry("http")
    assert (soon.events, soon.first_sequence) == (len(events), 1)
    assert (all_of_it.events, all_of_it.first_sequence) == (len(events), 1)
    assert receiver.taken == events
    assert entry.waiting == entry.in_flight == len(events)
    assert entry.oldest_waiting_at is not None
    assert entry.last_error == "HTTP 503: in the garage"
    assert (after.breaker, after.waiting, after.accepted, after.oldest_waiting_at) == ("closed", 0, len(events), None)


async def _open(look: Callable[[str], Awaitable[BackendEntry]]) -> BackendEntry | None:
    entry = await look("http")
    return entry if entry.breaker == "open" else None


async def test_what_was_accepted_beside_an_event_that_still_waits_comes_again(
    to_receiver, receiver, running, publish, runs, settled, replay, well_ordered, monkeypatch
) -> None:
    monkeypatch.setattr(loop, "_SETTLE_SECONDS", 0.2)
    go_on = asyncio.Event()

    async def hold_one(events: list[Any]) -> None:
        if events[0]["run"]["runId"] == "run-0":
            await go_on.wait()

    receiver.behave = hold_one
    events = runs(range(5))
    others = [event for event in events if event["run"]["runId"] != "run-0"]
    await publish(events)
    async with running(to_receiver(False) | {"FLOE_LINEAGE_HTTP_FORWARDING": '{"concurrency": 2}'}):
        await eventually(lambda: len(receiver.taken) == len(others))
        started = await replay("http")
        go_on.set()
        await eventually(lambda: settled("http"), timeout=60)
    again = [event for event in receiver.taken[len(others) :] if event["run"]["runId"] != "run-0"]
    assert started.events == len(events)
    assert sorted(map(json.dumps, again)) == sorted(map(json.dumps, others))
    assert well_ordered(receiver.taken)


async def test_a_replay_to_a_backend_that_is_away_waits_for_it(
    to_receiver, receiver, running, publish, runs, settled, replay, backend_entry
) -> None:
    events, later = runs(range(10)), runs(range(10, 12))
    await publish(events)
    gone = asyncio.Event()

    async def away(_: list[Any]) -> web.Response | None:
        return web.Response(status=503) if gone.is_set() else None

    receiver.behave = away
    async with running(to_receiver(True)):
        await eventually(lambda: settled("http"))
        gone.set()
        await publish(later)
        await eventually(lambda: _open(backend_entry), timeout=60)
        started = await replay("http")
        gone.clear()
        await eventually(lambda: len(receiver.taken) == 2 * len(events) + len(later), timeout=60)
    assert started.events == len(events) + len(later)
    assert receiver.taken == [*events, *events, *later]


async def test_several_replays_at_once_lose_nothing(
    to_receiver, receiver, running, publish, runs, settled, replay, well_ordered
) -> None:
    events = runs(range(100))
    await publish(events)
    async with running(to_receiver(True)):
        await eventually(lambda: receiver.taken)
        await asyncio.gather(*(replay("http") for _ in range(4)))
        await eventually(lambda: settled("http"), timeout=60)
    assert receiver.taken[-len(events) :] == events
    assert well_ordered(receiver.taken)


async def test_a_backend_that_is_new_begins_with_the_oldest_event(
    to_receiver, receiver, environment, running, publish, runs, settled, bus, bus_settings
) -> None:
    await apply(bus, declared(bus_settings, ["file"]))
    events = runs(range(30))
    await publish(events)
    async with running(environment):
        await eventually(lambda: len(lines(environment)) == len(events))
    await bus.js.delete_consumer(LINEAGE, "lineage-http")
    await apply(bus, declared(bus_settings, ["file", "http"]))
    async with running(to_receiver(True)):
        await eventually(lambda: settled("http"))
    assert receiver.taken == events


async def test_only_the_types_and_facets_that_it_wants_reach_a_backend(
    to_receiver, receiver, running, publish, runs, settled, backend_entry
) -> None:
    events = runs(range(6))
    for event in events:
        event["run"]["facets"] = {"tags": {}, "parent": {"x": 1}}
    await publish(events)
    wish = json.dumps({"eventTypes": ["COMPLETE"], "dropFacets": {"run": ["tags"]}})
    async with running(to_receiver(True) | {"FLOE_LINEAGE_HTTP_FORWARDING": wish}):
        await eventually(lambda: settled("http"))
        entry = await backend_entry("http")
    assert [event["eventType"] for event in receiver.taken] == ["COMPLETE"] * 6
    assert {json.dumps(event["run"]["facets"]) for event in receiver.taken} == {'{"parent": {"x": 1}}'}
    assert entry.accepted == 6


async def test_a_dead_letter_keeps_the_facets_that_were_dropped(
    to_receiver, receiver, running, publish, runs, settled, dead_letters
) -> None:
    async def refuse(_: list[Any]) -> web.Response:
        return web.Response(status=400)

    receiver.behave = refuse
    event = runs(range(1))[0]
    event["run"]["facets"] = {"tags": {}}
    await publish([event])
    wish = json.dumps({"dropFacets": {"run": ["tags"]}})
    async with running(to_receiver(False) | {"FLOE_LINEAGE_HTTP_FORWARDING": wish}):
        letters = await eventually(dead_letters)
    assert json.loads(letters[0].data) == event


async def test_what_is_refused_again_is_a_dead_letter_again_also_if_that_was_dropped(
    to_receiver, receiver, running, publish, runs, settled, replay, lineage_bus
) -> None:
    async def refuse(_: list[Any]) -> web.Response:
        return web.Response(status=400)

    receiver.behave = refuse
    events = runs(range(3))
    await publish(events)
    async with running(to_receiver(False)):
        for _ in range(3):
            await eventually(lambda: settled("http"))
            letters = [kept async for kept in kept_letters(lineage_bus)]
            assert [json.loads(kept.letter.body) for kept in letters] == events
            for kept in letters:
                await drop(lineage_bus, kept.sequence)
            await replay("http")


async def test_runs_go_beside_each_other_and_each_keeps_its_order(
    to_receiver, receiver, running, publish, runs, settled, well_ordered
) -> None:
    under_way, most = [0], [0]

    async def slow(_: list[Any]) -> None:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await asyncio.sleep(0.005)
        under_way[0] -= 1

    receiver.behave = slow
    events = runs(range(60))
    await publish(events)
    async with running(to_receiver(False) | {"FLOE_LINEAGE_HTTP_FORWARDING": '{"concurrency": 8}'}):
        await eventually(lambda: settled("http"), timeout=60)
    assert 1 < most[0] <= 8
    assert sorted(map(json.dumps, receiver.taken)) == sorted(map(json.dumps, events))
    assert well_ordered(receiver.taken)


async def test_a_backend_without_its_consumer_says_so_and_hides_no_other(
    to_receiver, running, lineage_bus, publish, runs, settled, backend_entry
) -> None:
    await publish(runs(range(3)))
    async with running(to_receiver(True) | {"FLOE_LINEAGE_BACKENDS": "http,file"}):
        await eventually(lambda: settled("http"))
        await eventually(lambda: settled("file"))
        await lineage_bus.js.delete_consumer(LINEAGE, "lineage-http")
        lost, other = await backend_entry("http"), await backend_entry("file")
    assert "there is no consumer 'lineage-http'" in (lost.last_error or "")
    assert lost.last_error_at is not None
    assert (lost.accepted, other.accepted, other.last_error) == (6, 6, None)


async def test_what_cannot_be_set_back_is_said(environment, running, lineage_bus, lineage_topology, replay) -> None:
    async with running(environment):
        with pytest.raises(RequestRefused) as unknown:
            await replay("htpt")
        with pytest.raises(RequestRefused) as no_time:
            await replay("file", "yesterday")
        with pytest.raises(RequestRefused) as no_offset:
            await replay("file", "2026-01-01T00:00:00")
    assert unknown.value.problem.code == BackendUnknown.code
    assert {no_time.value.problem.code, no_offset.value.problem.code} == {ContractError.code}
    with pytest.raises(TopologyMissing):
        await LineageConsumer(lineage_bus, "lineage-nobody").backlog()


async def test_a_file_that_another_process_holds_is_told_of_and_cannot_be_written_again(
    environment, running, publish, runs, settled, replay, backend_entry
) -> None:
    await publish(runs(range(3)))
    async with running(environment):
        await eventually(lambda: settled("file"))
    holder = FileBackend(Path(environment["FLOE_LINEAGE_FILE"]))
    await holder.open()
    try:
        async with running(environment):
            with pytest.raises(RequestFailed) as failed:
                await replay("file")
            entry = await eventually(lambda: _failed(backend_entry), timeout=60)
    finally:
        await holder.close()
    assert failed.value.problem.code == BackendNotReady.code
    assert "another process writes" in (entry.last_error or "")
    assert lines(environment) == runs(range(3))


async def _failed(look: Callable[[str], Awaitable[BackendEntry]]) -> BackendEntry | None:
    entry = await look("file")
    return entry if entry.breaker == "open" else None


async def test_a_consumer_that_somebody_made_otherwise_may_not_be_set_back(lineage_bus) -> None:
    await lineage_bus.js.add_consumer(
        LINEAGE, durable_name="lineage-odd", deliver_policy=DeliverPolicy.NEW, ack_policy=AckPolicy.EXPLICIT
    )
    with pytest.raises(ReplayRefused, match="not allowed"):
        await LineageConsumer(lineage_bus, "lineage-odd").set_back(1)
