"""Lineage as server-sent events over real HTTP: what comes, where it goes on, and what ends it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from floe_chassis import http_server
from floe_chassis.bus import Bus
from floe_chassis.dead_letters import REPLAY_FOR
from floe_chassis.nats_server import NatsServer
from floe_chassis.service import Service
from floe_chassis.testing import eventually, held_by_its_server
from floe_chassis.topology import LINEAGE
from floe_contracts import subjects
from floe_contracts.openlineage.envelope import RUN_HEADER

from .event_stream import Event, event_source

pytestmark = pytest.mark.bus

PATH = "/v1/lineage/events"
BEGINNING = {"from": "beginning"}


def event(job: str, event_type: str = "START", run: int = 0) -> dict[str, Any]:
    return {
        "eventType": event_type,
        "eventTime": "2026-11-21T10:00:00Z",
        "producer": "https://example.com/airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(uuid.UUID(int=run))},
        "job": {"namespace": "airflow", "name": job},
    }


async def send(door: Any, *events: dict[str, Any], **options: Any) -> None:
    status, *_ = await door.send("POST", "/api/v1/lineage/batch", json=list(events), **options)
    assert status == 204


async def publish(bus: Bus, tenant: str, environment: str, product: str, job: str, run: str = "r") -> None:
    subject = subjects.lineage(tenant, environment, product, job, "COMPLETE")
    body = json.dumps({"job": {"name": job}}).encode()
    await bus.publish_raw(subject, body, {RUN_HEADER: run}, uuid.uuid4().hex)


def jobs(events: list[Event]) -> list[str]:
    return [each.job for each in events]


async def consumers(bus: Bus) -> int:
    return sum(info.name.startswith("gateway-") for info in await bus.js.consumers_info(LINEAGE))


async def test_events_come_as_they_are_stored(door, bus) -> None:
    async with event_source(door.service.http_address) as source:
        await send(door, event("load"), event("load", "COMPLETE"))
        first, second = await source.read(2)
    stored = [(await bus.js.get_msg(LINEAGE, number)).data.decode() for number in (1, 2)]
    assert [first.data, second.data] == stored
    assert [(each.kind, each.id) for each in (first, second)] == [("lineage", "1"), ("lineage", "2")]


async def test_an_event_of_many_lines_is_one_line_of_the_same_json(door) -> None:
    written = json.dumps(event("über\u2028 load\r\n"), indent=2, ensure_ascii=False).replace("\n", "\r\n")
    status, *_ = await door.send("POST", "/api/v1/lineage", data=written.encode())
    assert status == 201
    async with event_source(door.service.http_address, BEGINNING) as source:
        (found,) = await source.read(1)
    assert json.loads(found.data) == json.loads(written)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([("product", "shop")], ["a", "b"]),
        ([("environment", "prod")], ["b", "d"]),
        ([("job", "a"), ("job", "c")], ["a", "c"]),
        ([("product", "shop"), ("environment", "prod")], ["b"]),
        ([("event_type", "complete"), ("event_type", "FAIL")], ["a", "b", "c", "d"]),
        ([("event_type", "FAIL")], []),
        ([("run", "r2")], ["d"]),
        ([("product", "*")], []),
        ([("product", ">")], []),
        ([("job", "a.>")], []),
        ([("job", "*")], []),
        ([("environment", "prod.shop")], []),
        ([("job", "größe ☃")], []),
        ([("job", "x" * 9000), ("environment", "y" * 9000)], []),
    ],
    ids=[
        "product", "environment", "jobs", "both", "types", "other type", "run", "star", "arrow", "dots",
        "job star", "dot", "unicode", "long",
    ],
)  # fmt: skip
async def test_only_what_is_asked_for_comes(door, bus, query, expected) -> None:
    for environment, product, job, run in [
        ("dev", "shop", "a", "r1"),
        ("prod", "shop", "b", "r1"),
        ("dev", "other", "c", "r1"),
        ("prod", "other", "d", "r2"),
    ]:
        await publish(bus, "acme", environment, product, job, run)
    async with event_source(door.service.http_address, [*query, *BEGINNING.items()]) as source:
        assert jobs(await source.read(len(expected))) == expected
        info = [info for info in await bus.js.consumers_info(LINEAGE) if info.name.startswith("gateway-")]
        # What does not match has not even been fetched.
        assert [each.delivered.consumer_seq for each in info] in ([len(expected)], [4])
        assert all(each.num_pending == 0 for each in info)


@pytest.mark.parametrize(
    ("query", "headers", "path"),
    [
        ("product=", {}, "product"),
        ("produkt=shop", {}, "produkt"),
        ("event_type=DONE", {}, "event_type"),
        ("after=x", {}, "after"),
        ("after=-1", {}, "after"),
        ("after=1&after=2", {}, "after"),
        (f"after={2**63}", {}, "after"),
        ("after=" + "9" * 5000, {}, "after"),
        ("since=yesterday", {}, "since"),
        ("since=2h&after=3", {}, "since"),
        ("from=now", {}, "from"),
        ("&".join(f"job=j{n}" for n in range(101)), {}, None),
        ("", {"Last-Event-ID": "x"}, "Last-Event-ID"),
        ("", {"Last-Event-ID": "²"}, "Last-Event-ID"),
    ],
    ids=[
        "empty", "unknown", "type", "word", "negative", "twice", "large", "very-large", "no-time", "both", "from",
        "many", "header", "no-digit",
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused(door, query, headers, path) -> None:
    status, problem, _ = await door.ask("GET", f"{PATH}?{query}", headers=headers)
    assert (status, problem["code"], problem.get("path")) == (400, "FLOE-GATE-003", path)


async def test_a_typo_is_told(door) -> None:
    _, problem, _ = await door.ask("GET", f"{PATH}?produkt=shop")
    assert problem["hint"] == "did you mean 'product'?"


async def test_it_begins_where_it_is_told(door, bus) -> None:
    await send(door, *(event(f"j{number}") for number in range(1, 5)))
    third = (await bus.js.get_msg(LINEAGE, 3)).time.isoformat()
    address = door.service.http_address
    for query, headers, expected in (
        ({"after": "2"}, {}, ["j3", "j4"]),
        ({}, {"Last-Event-ID": "3"}, ["j4"]),
        ({"from": "beginning"}, {"Last-Event-ID": "3"}, ["j4"]),
        ({"since": third}, {}, ["j3", "j4"]),
        ({"since": "1h"}, {}, ["j1", "j2", "j3", "j4"]),
    ):
        async with event_source(address, query, headers) as source:
            assert jobs(await source.read(len(expected))) == expected


async def test_what_the_stream_no_longer_holds_is_told(door, bus) -> None:
    await send(door, *(event(f"j{number}") for number in range(1, 6)))
    await bus.js.purge_stream(LINEAGE, seq=4)
    async with event_source(door.service.http_address, {"after": "1"}) as source:
        gap, oldest = await source.read(2)
    assert (gap.kind, json.loads(gap.data), gap.id) == ("gap", {"after": 1}, "3")
    assert (oldest.job, oldest.id) == ("j4", "4")


async def test_what_one_backend_gets_again_does_not_come_again(door, bus) -> None:
    await send(door, event("a"))
    again = await bus.js.get_msg(LINEAGE, 1)
    await bus.publish_raw(again.subject, again.data, {REPLAY_FOR: "lineage-http"}, "again")
    await send(door, event("b"))
    async with event_source(door.service.http_address, BEGINNING) as source:
        assert jobs(await source.read(2)) == ["a", "b"]


async def test_a_reader_that_is_cut_off_again_and_again_misses_nothing_and_gets_nothing_twice(door, bus) -> None:
    total, found, last = 400, [], None

    async def produce() -> None:
        for first in range(0, total, 20):
            await send(door, *(event(f"j{number}") for number in range(first, first + 20)))

    producing = asyncio.create_task(produce())
    while len(found) < total:
        headers = {"Last-Event-ID": last} if last else {}
        async with event_source(door.service.http_address, BEGINNING, headers) as source:
            found += await source.read(min(37, total - len(found)))
            last = source.last_id
    await producing
    assert jobs(found) == [f"j{number}" for number in range(total)]

    async def nothing_is_left() -> bool:
        return await consumers(bus) == 0

    assert await eventually(nothing_is_left)


async def test_a_gateway_that_restarts_ends_its_streams_and_they_go_on_at_the_next(bus, gateway, environment) -> None:
    async with gateway(environment) as door:
        await send(door, event("a"))
        async with event_source(door.service.http_address, BEGINNING) as source:
            assert jobs(await source.read(1)) == ["a"]
            stopping = asyncio.create_task(door.service.stop())
            assert await source.rest() == []  # a clean end, not a broken connection
            await stopping
            last = source.last_id
        assert await consumers(bus) == 0
    async with gateway(environment) as door:
        await send(door, event("b"))
        async with event_source(door.service.http_address, BEGINNING, {"Last-Event-ID": last}) as source:
            assert jobs(await source.read(1)) == ["b"]


@pytest.mark.parametrize("query", [{}, {"since": "1h"}, {"job": "b"}], ids=["next", "since", "filter"])
async def test_a_reader_that_has_got_nothing_goes_on_where_it_began(bus, gateway, environment, query) -> None:
    async with gateway(environment) as door:
        if "since" not in query:
            await send(door, event("a"))
        async with event_source(door.service.http_address, query) as source:
            await source.begun()
            await door.service.stop()
            assert await source.rest() == []
    async with gateway(environment) as door:
        await send(door, event("b"))
        async with event_source(door.service.http_address, query, {"Last-Event-ID": str(source.last_id)}) as source:
            assert jobs(await source.read(1)) == ["b"]


async def test_a_gap_is_told_once(door, bus) -> None:
    await send(door, *(event(f"j{number}") for number in range(1, 4)))
    await bus.js.purge_stream(LINEAGE)
    async with event_source(door.service.http_address, {"after": "1"}) as source:
        assert (await source.begun())["id"] == "1"
        assert [each.kind for each in await source.read(1)] == ["gap"]
        last = source.last_id
    await send(door, event("j4"))
    async with event_source(door.service.http_address, {"after": "1"}, {"Last-Event-ID": str(last)}) as source:
        assert jobs(await source.read(1)) == ["j4"]


async def test_a_bus_that_is_killed_interrupts_a_stream_and_costs_nothing(
    own_bus: Bus, own_server: NatsServer, gateway: Callable[..., Any], environment: dict[str, str]
) -> None:
    async with gateway(environment | {"FLOE_NATS_URL": own_server.url}) as door:
        await send(door, *(event(f"j{number}") for number in range(100)))
        async with event_source(door.service.http_address, BEGINNING) as source, AsyncExitStack() as live:
            other = await live.enter_async_context(event_source(door.service.http_address))
            found = await source.read(50)
            own_server.kill()
            own_server.stop()
            status, problem, headers = await door.ask("GET", PATH)
            assert (status, problem["code"], headers["Retry-After"]) == (503, "FLOE-BUS-002", "5")
            own_server.start()
            await eventually(lambda: door.service.bus.connected)
            await send(door, *(event(f"j{number}") for number in range(100, 200)))
            assert jobs(found + await source.read(150)) == [f"j{number}" for number in range(200)]
            assert jobs(await other.read(100)) == [f"j{number}" for number in range(100, 200)]


async def test_a_stream_says_that_it_is_there(bus, gateway, environment) -> None:
    async with (
        gateway(environment | {"FLOE_GATEWAY_HEARTBEAT_SECONDS": "0.1"}) as door,
        event_source(door.service.http_address, {"run": "none"}) as source,
    ):
        assert await source.begun() == {"retry": "2000", "id": "0"}
        await source.comment()
        await send(door, event("of another run"))
        await source.comment()
        assert await source.comment() == "alive"


async def test_a_hundred_streams_at_once_get_every_event(door) -> None:
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(event_source(door.service.http_address)) for _ in range(100)]
        await send(door, *(event(f"j{number}") for number in range(50)))
        found = await asyncio.gather(*(source.read(50) for source in sources))
    assert all(jobs(events) == [f"j{number}" for number in range(50)] for events in found)


async def test_no_more_streams_are_served_than_the_settings_allow(bus, gateway, environment) -> None:
    async with gateway(environment | {"FLOE_GATEWAY_LINEAGE_STREAMS": "2"}) as door:
        address = door.service.http_address
        async with event_source(address), event_source(address):
            status, problem, headers = await door.ask("GET", PATH)
            assert (status, problem["code"]) == (503, "FLOE-GATE-017")
            assert int(headers["Retry-After"]) > 0

        async def served() -> bool:
            async with aiohttp.ClientSession() as session, session.get(f"{address}{PATH}") as response:
                return response.status == 200

        assert await eventually(served)


async def test_what_cannot_be_read_at_all_holds_no_place(bus, gateway, environment) -> None:
    async with gateway(environment | {"FLOE_GATEWAY_LINEAGE_STREAMS": "1"}) as door:
        await bus.js.delete_stream(LINEAGE)
        for _ in range(3):
            status, problem, _ = await door.ask("GET", PATH)
            assert (status, problem["code"]) == (503, "FLOE-BUS-004")


async def test_a_reader_that_takes_nothing_holds_little_and_is_given_up(bus, gateway, environment, monkeypatch) -> None:
    monkeypatch.setattr(http_server, "UNTAKEN_SECONDS", 6.0)
    count, size = 200, 500_000
    body = b'{"x": "%s"}' % (b"x" * size)
    for number in range(count):
        await bus.publish_raw(subjects.lineage("acme", "dev", "shop", "a", "START"), body, {}, str(number))
    async with gateway(environment | {"FLOE_GATEWAY_HEARTBEAT_SECONDS": "1"}) as door:
        service: Service = door.service
        host, port = service.http_address.removeprefix("http://").split(":")
        reader = socket.create_connection((host, int(port)))
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reader.sendall(f"GET {PATH}?from=beginning HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        delivered = 0

        async def given_up() -> bool:
            nonlocal delivered
            infos = [info for info in await bus.js.consumers_info(LINEAGE) if info.name.startswith("gateway-")]
            delivered = max([delivered, *(info.delivered.stream_seq for info in infos)])
            return delivered > 0 and not infos

        assert await eventually(given_up)
        if sys.platform == "linux":
            assert await eventually(lambda: not held_by_its_server(reader))
        # What was fetched fits into the buffers of the connection and of two windows; the rest stayed on the bus.
        assert delivered * size < 20_000_000
        reader.close()
