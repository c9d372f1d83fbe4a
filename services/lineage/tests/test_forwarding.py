"""The whole service on a real bus, with a real file and a real HTTP server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from floe_chassis.dead_letter_box import kept_letters, replay
from floe_chassis.errors import SettingInvalid
from floe_chassis.testing import eventually
from floe_chassis.topology import declared
from floe_chassis.topology_apply import apply
from floe_contracts import subjects
from floe_contracts.digests import digest_of
from floe_lineage.app import create_app

pytestmark = pytest.mark.bus


def lines(environment: dict[str, str]) -> list[Any]:
    path = Path(environment["FLOE_LINEAGE_FILE"])
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""  # the last line may be half-written
    return [json.loads(line) for line in whole.splitlines()]


async def test_events_land_in_the_file_in_order_and_once(environment, running, publish, runs, settled) -> None:
    events = runs(range(200))
    await publish(events)
    await publish(events[:50])  # the same again: the bus has them already
    async with running(environment):
        await eventually(lambda: len(lines(environment)) == len(events))
        await eventually(lambda: settled("file"))
    assert lines(environment) == events


async def test_a_stopped_service_goes_on_where_it_was(environment, running, publish, runs) -> None:
    for numbers in (range(5), range(5, 10)):
        await publish(runs(numbers))
        async with running(environment):
            await eventually(lambda numbers=numbers: len(lines(environment)) == 2 * numbers.stop)
    assert lines(environment) == [*runs(range(5)), *runs(range(5, 10))]


async def test_a_stop_leaves_no_forwarder_behind(environment, running, lineage_bus, publish, runs, settled) -> None:
    for number in range(10):
        async with running(environment):
            await publish(runs(range(number, number + 1)))
            await eventually(lambda number=number: len(lines(environment)) == 2 * (number + 1))
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("forward ")] == []


async def test_the_position_saves_the_file_from_a_recreated_consumer(
    environment, running, publish, runs, lineage_bus, lineage_topology, settled
) -> None:
    await publish(runs(range(5)))
    async with running(environment):
        await eventually(lambda: settled("file"))
    await lineage_bus.js.delete_consumer("FLOE_LINEAGE", "lineage-file")
    await apply(lineage_bus, lineage_topology)
    async with running(environment):
        await eventually(lambda: settled("file"))
    assert lines(environment) == runs(range(5))


async def test_what_is_no_event_is_a_dead_letter_and_blocks_nobody(
    environment, running, publish, runs, dead_letters, settled
) -> None:
    events = runs(range(3))
    await publish([b"not json", *events, b"[1, 2]"])
    async with running(environment):
        await eventually(lambda: settled("file"))
        letters = await eventually(dead_letters)
    assert lines(environment) == events
    assert [letter.data for letter in letters] == [b"not json", b"[1, 2]"]
    assert letters[0].headers["Floe-Dlq-Code"] == "FLOE-LIN-003"
    assert letters[0].headers["Floe-Dlq-Consumer"] == "lineage-file"
    assert letters[0].headers["Floe-Dlq-Subject"].startswith("floe.v1.lineage.default.dev.orders.")


async def test_an_event_that_cannot_be_shaped_is_a_dead_letter_and_one_that_is_forged_stays_as_it_is(
    to_receiver, receiver, running, publish, runs, lineage_bus, dead_letters, settled
) -> None:
    deep = b'{"run": {"facets": {"x": {}}}, "deep": ' + b"[" * 500 + b"]" * 500 + b"}"
    forged = {
        "producer": "https://floe.dev/lineage",
        "job": {"namespace": "n", "name": "j", "facets": {"floe_enriched_run": {"parent": "zz", "sequence": -1}}},
        "outputs": ["x"],
    }
    await publish([deep])
    subject = subjects.lineage("default", "dev", "orders", "j", "JOB")
    await lineage_bus.publish_raw(subject, json.dumps(forged).encode(), {}, "forged")
    events = runs(range(3))
    await publish(events)
    wish = json.dumps({"jobEvents": "as-runs", "dropFacets": {"run": ["x"]}})
    async with running(to_receiver(True) | {"FLOE_LINEAGE_HTTP_FORWARDING": wish}):
        await eventually(lambda: settled("http"))
        letters = await dead_letters()
    assert receiver.taken == [forged, *events]
    assert [letter.data for letter in letters] == [deep]
    assert "cannot be shaped" in letters[0].headers["Floe-Dlq-Reason"]


async def test_a_replayed_event_goes_to_the_backend_that_had_refused_it_alone(
    to_receiver, receiver, running, publish, runs, lineage_bus, settled, environment
) -> None:
    async def refuse(_: list[Any]) -> web.Response:
        return web.Response(status=400)

    receiver.behave, takes = refuse, receiver.behave
    events = runs(range(1))
    await publish(events)
    async with running(to_receiver(False) | {"FLOE_LINEAGE_BACKENDS": "http,file"}):
        await eventually(lambda: settled("http"))
        await eventually(lambda: lines(environment) == events)
        receiver.behave = takes
        for kept in [kept async for kept in kept_letters(lineage_bus)]:
            await replay(lineage_bus, kept)
        await eventually(lambda: receiver.taken == events)
        await eventually(lambda: settled("file"))
    assert lines(environment) == events


@pytest.mark.parametrize("batch", [False, True])
async def test_a_server_gets_all_in_order_with_token_and_key(
    to_receiver, receiver, running, publish, runs, settled, batch
) -> None:
    events = runs(range(40))
    await publish(events)
    async with running(to_receiver(batch)):
        await eventually(lambda: settled("http"))
    assert receiver.taken == events
    assert {request.headers["Authorization"] for request in receiver.requests} == {"Bearer secret-token"}
    keys = [request.headers["Idempotency-Key"] for request in receiver.requests]
    assert len(set(keys)) == len(keys)
    assert len(receiver.requests) < len(events) if batch else keys[0] == "run-0:START"


@pytest.mark.parametrize("batch", [False, True])
async def test_an_outage_costs_nothing(to_receiver, receiver, running, publish, runs, settled, batch) -> None:
    asked_at: list[float] = []

    async def away(_: list[Any]) -> web.Response | None:
        asked_at.append(asyncio.get_running_loop().time())
        if len(asked_at) <= 3:
            return web.Response(status=503, headers={"Retry-After": "1"} if len(asked_at) == 1 else {})
        return None

    receiver.behave = away
    events = runs(range(20))
    await publish(events)
    async with running(to_receiver(batch)):
        await eventually(lambda: settled("http"))
    assert receiver.taken == events
    assert asked_at[1] - asked_at[0] >= 0.99  # Retry-After is honoured


async def test_events_that_wait_for_longer_than_ack_wait_are_given_to_nobody_else(
    to_receiver, receiver, running, publish, runs, lineage_bus, bus_settings, settled
) -> None:
    # Every third of it the service says that it is at work, from a loop that may be busy.
    await apply(lineage_bus, declared(bus_settings.model_copy(update={"ack_wait": 3.0}), ["http"]))
    go_on = asyncio.Event()

    async def slow(_: list[Any]) -> None:
        await go_on.wait()

    receiver.behave = slow
    events = runs(range(20))
    await publish(events)
    async with running(to_receiver(True)):
        await eventually(lambda: receiver.requests)
        other = await lineage_bus.js.pull_subscribe_bind("lineage-http", "FLOE_LINEAGE")
        with pytest.raises(TimeoutError):
            await other.fetch(1, timeout=4.5)
        await other.unsubscribe()
        go_on.set()
        await eventually(lambda: settled("http"))
    assert receiver.taken == events


@pytest.mark.parametrize("batch", [False, True])
async def test_a_poison_event_is_a_dead_letter_with_the_answer(
    to_receiver, receiver, running, publish, runs, settled, dead_letters, batch
) -> None:
    async def picky(events: list[Any]) -> web.Response | None:
        poisoned = any(event["run"]["runId"] == "run-7" for event in events)
        return web.Response(status=422, text="run-7 is not welcome ") if poisoned else None

    receiver.behave = picky
    events = runs(range(20))
    await publish(events)
    async with running(to_receiver(batch)):
        await eventually(lambda: settled("http"))
        letters = await dead_letters()
    assert receiver.taken == [event for event in events if event["run"]["runId"] != "run-7"]
    assert [json.loads(letter.data)["eventType"] for letter in letters] == ["START", "COMPLETE"]
    assert "HTTP 422: run-7 is not welcome" in letters[0].headers["Floe-Dlq-Reason"]


async def test_partial_success_settles_each_event_by_itself(
    to_receiver, receiver, running, publish, runs, settled, dead_letters
) -> None:
    async def partly(events: list[Any]) -> web.Response | None:
        if len(events) == 1:
            return None
        receiver.taken.extend(events[:-2])
        index = len(events) - 2
        failed = [
            {"index": index, "reason": "busy", "retriable": True},
            {"index": index + 1, "reason": "no producer", "retriable": False},
        ]
        return web.json_response({"status": "partial_success", "failed_events": failed})

    receiver.behave = partly
    events = runs(range(5))
    await publish(events)
    async with running(to_receiver(True)):
        await eventually(lambda: settled("http"))
        letters = await dead_letters()
    assert receiver.taken == events[:-1]
    assert [json.loads(letter.data) for letter in letters] == [events[-1]]
    assert "no producer" in letters[0].headers["Floe-Dlq-Reason"]


@pytest.mark.parametrize("batch", [False, True])
async def test_dropped_connections_lose_nothing(to_receiver, receiver, running, publish, runs, settled, batch) -> None:
    async def dropping(_: list[Any]) -> web.Response | None:
        request = receiver.requests[-1]
        if len(receiver.requests) <= 3:
            assert request.transport is not None
            request.transport.abort()
        return None if len(receiver.requests) > 3 else web.Response(status=500)

    receiver.behave = dropping
    events = runs(range(10))
    await publish(events)
    async with running(to_receiver(batch)):
        await eventually(lambda: settled("http"))
    assert receiver.taken == events


async def test_a_server_without_an_endpoint_for_batches_gets_single_events(
    to_receiver, receiver, running, publish, runs, settled, dead_letters
) -> None:
    async def without_batches(_: list[Any]) -> web.Response | None:
        return web.Response(status=404) if receiver.requests[-1].path.endswith("/batch") else None

    receiver.behave = without_batches
    events = runs(range(20))
    await publish(events)
    async with running(to_receiver(True)):
        await eventually(lambda: settled("http"))
    assert receiver.taken == events
    assert sum(request.path.endswith("/batch") for request in receiver.requests) == 1
    assert await dead_letters() == []


async def test_a_dead_backend_does_not_hold_up_another(
    to_receiver, environment, receiver, running, publish, runs, settled
) -> None:
    async def away(_: list[Any]) -> web.Response:
        return web.Response(status=503)

    receiver.behave = away
    await publish(runs(range(10)))
    async with running(to_receiver(True) | {"FLOE_LINEAGE_BACKENDS": "http,file"}):
        await eventually(lambda: settled("file"))
        assert not await settled("http")
    assert lines(environment) == runs(range(10))


async def test_what_a_dead_reader_left_in_flight_comes_at_once_and_before_what_follows(
    environment, running, publish, runs, lineage_bus, bus_settings, settled
) -> None:
    # Longer than the test may take: whoever waits for the server to give the events back fails.
    await apply(lineage_bus, declared(bus_settings.model_copy(update={"ack_wait": 3600.0}), ["file"]))
    events = runs(range(20))
    await publish(events[:10])
    dead = await lineage_bus.js.pull_subscribe_bind("lineage-file", "FLOE_LINEAGE")
    assert len(await dead.fetch(5, timeout=30)) == 5
    await dead.unsubscribe()
    await publish(events[10:])
    async with running(environment):
        await eventually(lambda: settled("file"))
    assert lines(environment) == events


async def test_a_delivery_that_is_lost_on_the_way_comes_before_what_follows(
    to_receiver, receiver, running, publish, runs, lineage_bus, settled
) -> None:
    go_on = asyncio.Event()

    async def slow(_: list[Any]) -> None:
        await go_on.wait()

    receiver.behave = slow
    events = runs(range(20))
    await publish(events[:1])
    async with running(to_receiver(True)):
        await eventually(lambda: receiver.requests)
        await publish(events[1:10])
        lost = await lineage_bus.js.pull_subscribe_bind("lineage-http", "FLOE_LINEAGE")
        assert len(await lost.fetch(5, timeout=30)) == 5
        await lost.unsubscribe()
        await publish(events[10:])
        go_on.set()
        await eventually(lambda: settled("http"))
    assert receiver.taken == events


async def test_a_missing_consumer_fails_readiness_and_is_waited_for(
    environment, running, bus, bus_settings, runs
) -> None:
    async with running(environment) as service:
        await eventually(lambda: _missing(service))
        await apply(bus, declared(bus_settings, ["file"]))
        await eventually(lambda: _ready(service))
        body = json.dumps(runs(range(1))[0]).encode()
        await bus.publish_raw("floe.v1.lineage.default.dev.orders.job.start", body, {}, digest_of(body))
        await eventually(lambda: len(lines(environment)) == 1)


async def _missing(service: Any) -> bool:
    return "run floe topology apply" in (await service.readiness()).get("consumer lineage-file", "")


async def _ready(service: Any) -> bool:
    return (await service.readiness())["consumer lineage-file"] == "ok"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"FLOE_LINEAGE_BACKENDS": ","}, "no backend is named"),
        ({"FLOE_LINEAGE_BACKENDS": "file,file"}, "twice"),
        ({"FLOE_LINEAGE_BACKENDS": "http"}, "FLOE_LINEAGE_HTTP_URL"),
        ({"FLOE_LINEAGE_HTTP_URL": "nowhere"}, "FLOE_LINEAGE_HTTP_URL"),
        ({"FLOE_LINEAGE_HTTP_BATCH": "often"}, "FLOE_LINEAGE_HTTP_BATCH"),
        ({"FLOE_LINEAGE_HTTP_FORWARDING": '{"rate": 0}'}, "FLOE_LINEAGE_HTTP_FORWARDING"),
        ({"FLOE_LINEAGE_FILE_FORWARDING": "fast"}, "FLOE_LINEAGE_FILE_FORWARDING"),
        ({"FLOE_LINEAGE_FILE_MAX_BYTES": "0"}, "FLOE_LINEAGE_FILE_MAX_BYTES"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingInvalid, match=said):
        create_app(settings)
