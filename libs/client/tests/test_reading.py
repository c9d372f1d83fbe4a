"""Reading inside of floe's own account, on a real server that may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_client import ConsumerGone, ConsumerUnsuitable, Floe, LineageEvent, connect
from floe_client.__main__ import main
from floe_client.consumers import Asking, Consumer, Standing
from floe_client.reading import Reading
from floe_contracts import subjects
from floe_contracts.errors import ContractError, Unreachable
from floe_contracts.openlineage.envelope import REPLAY_HEADER, Envelope, message_headers, message_subject
from floe_contracts.openlineage.naming import Place, foreign_place

pytestmark = pytest.mark.bus

STREAM = "FLOE_LINEAGE"
ORDERS = Place("default", "dev", "orders")
RUN = "0192f0a4-1b2c-7d3e-8f40-5a6b7c8d9e0f"


async def tell(bus: Bus, *numbers: int, place: Place = ORDERS, headers: dict[str, str] | None = None) -> None:
    for number in numbers:
        envelope = Envelope("START", "floe://default/dev", f"orders.model {number}", RUN, None)
        body = json.dumps({"number": number}).encode()
        complete = message_headers(envelope) | (headers or {})
        await bus.publish_raw(message_subject(envelope, place), body, complete, f"event-{number}")


async def read(floe: Floe, count: int, durable: str = "reader", **places: str) -> list[int]:
    """The numbers of so many events; all are acknowledged."""
    events = floe.lineage(durable, limit=count, **places)  # type: ignore[arg-type]
    return [event.document["number"] async for event in events]


@pytest.fixture
async def floe(bus: Bus, bus_settings: ChassisSettings) -> AsyncIterator[Floe]:
    async with connect(bus_settings.nats_url) as connected:
        yield connected


async def test_an_event_tells_what_it_is_without_being_decoded(bus: Bus, floe: Floe) -> None:
    before = datetime.now(UTC) - timedelta(seconds=60)
    await tell(bus, 1)
    await tell(bus, 2, place=foreign_place("acme", "prod", "airflow"))
    await bus.js.publish("floe.v1.lineage.odd", b"[1]")
    first, second, odd = [event async for event in floe.lineage("reader", limit=3)]
    assert (first.sequence, first.event_type, first.job) == (1, "START", "orders.model 1")
    assert (first.place, first.job_namespace) == (ORDERS, "floe://default/dev")
    assert (first.run_id, first.root_run_id, first.redelivered) == (RUN, RUN, False)
    assert before < first.stored_at < datetime.now(UTC) + timedelta(seconds=60)
    assert (first.body, first.document) == (b'{"number": 1}', {"number": 1})
    assert second.place == Place("acme", "prod", "-airflow")
    assert (odd.place, odd.event_type, odd.job, odd.run_id) == (None, "ODD", None, None)
    with pytest.raises(ContractError, match="no JSON object"):
        _ = odd.document


async def test_a_reader_goes_on_where_the_one_before_it_was(
    bus: Bus, floe: Floe, bus_settings: ChassisSettings
) -> None:
    await tell(bus, 1, 2, 3)
    assert await read(floe, 2) == [1, 2]
    async with connect(bus_settings.nats_url) as another:
        reading = asyncio.create_task(read(another, 2))
        await eventually(lambda: pending(bus, 0))
        await tell(bus, 4)
        assert await reading == [3, 4]
        assert await read(another, 4, "elsewhere") == [1, 2, 3, 4]


async def pending(bus: Bus, count: int, durable: str = "reader") -> bool:
    """Whether the consumer has handed out all but so many."""
    return (await bus.js.consumer_info(STREAM, durable)).num_pending == count


@pytest.mark.parametrize("way", ["break", "error"])
async def test_an_event_that_is_not_finished_comes_again_in_its_place(
    bus: Bus, bus_settings: ChassisSettings, way: str
) -> None:
    await tell(bus, 1, 2, 3)
    seen: list[LineageEvent] = []

    async def leave() -> None:
        async with connect(bus_settings.nats_url) as floe:
            async for event in floe.lineage("reader"):
                seen.append(event)
                if len(seen) < 2:
                    continue
                await eventually(lambda: pending(bus, 0))
                if way == "error":
                    raise LookupError("of the reader's own")
                break

    if way == "error":
        with pytest.raises(LookupError):
            await leave()
    else:
        await leave()
    async with connect(bus_settings.nats_url) as floe:
        again = [event async for event in floe.lineage("reader", limit=2)]
    assert [event.document["number"] for event in (*seen, *again)] == [1, 2, 2, 3]
    assert [event.redelivered for event in again] == [True, True]


async def test_one_reads_of_a_place_and_from_a_time_on(bus: Bus, floe: Floe) -> None:
    await tell(bus, 1)
    await tell(bus, 2, place=Place("default", "prod", "orders"))
    await tell(bus, 3, place=Place("acme", "prod", "orders"))
    await tell(bus, 4)
    assert await read(floe, 2, "prod", environment="prod") == [2, 3]
    assert await read(floe, 2, "dev", tenant="default", environment="dev", product="orders") == [1, 4]
    third = [event async for event in floe.lineage("all", limit=3)][-1]
    later = [event async for event in floe.lineage("later", since=third.stored_at, limit=2)]
    assert [event.document["number"] for event in later] == [3, 4]
    new = floe.lineage("new", since="now", limit=1)
    coming = asyncio.ensure_future(anext(new))
    await eventually(lambda: waits(bus, "new"))
    await tell(bus, 5)
    assert (await coming).document == {"number": 5}
    await new.aclose()


async def waits(bus: Bus, durable: str) -> bool:
    """Whether somebody waits at the consumer, once it is there."""
    with contextlib.suppress(NotFoundError):
        return bool((await bus.js.consumer_info(STREAM, durable)).num_waiting)
    return False


async def test_a_durable_is_set_back_to_a_time(bus: Bus, floe: Floe) -> None:
    await tell(bus, *range(1, 8))
    events = [event async for event in floe.lineage("reader", limit=7)]
    await floe.replay("reader", since=events[4].stored_at)
    assert await read(floe, 3) == [5, 6, 7]
    await floe.replay("reader", since="beginning")
    assert await read(floe, 1) == [1]
    await floe.replay("reader", since="now")
    await tell(bus, 8)
    assert await read(floe, 1) == [8]
    await floe.replay("reader", since=datetime.now(UTC) + timedelta(days=1))
    await tell(bus, 9)
    assert await read(floe, 1) == [9]
    await floe.replay("reader", since=datetime(2020, 1, 1, tzinfo=UTC))
    assert await read(floe, 9) == list(range(1, 10))


async def test_what_is_sent_again_to_another_consumer_is_passed_over(bus: Bus, floe: Floe) -> None:
    await tell(bus, 1, headers={REPLAY_HEADER: "lineage-http"})
    await tell(bus, 2)
    assert await read(floe, 1) == [2]


async def test_an_event_in_work_stays_with_its_reader(bus: Bus, bus_settings: ChassisSettings, floe: Floe) -> None:
    """It is worked on for longer than the bus waits for an acknowledgement, while another reader waits."""
    await tell(bus, 1)
    events = floe.lineage("reader")
    assert (await anext(events)).document == {"number": 1}
    await shorten(bus, "reader", seconds=3)
    await events.aclose()
    async with connect(bus_settings.nats_url) as worker, connect(bus_settings.nats_url) as other:
        working, waiting = worker.lineage("reader"), other.lineage("reader")
        held = await anext(working)
        coming = asyncio.ensure_future(anext(waiting))
        await eventually(lambda: waits(bus, "reader"))
        done, _ = await asyncio.wait({coming}, timeout=5)
        assert (held.document, done) == ({"number": 1}, set())
        await tell(bus, 2)
        following = asyncio.ensure_future(anext(working))
        first = (await asyncio.wait({coming, following}, return_when=asyncio.FIRST_COMPLETED))[0].pop()
        assert first.result().document == {"number": 2}
        for task in (coming, following):
            task.cancel()
        await asyncio.wait({coming, following})


async def shorten(bus: Bus, durable: str, seconds: float) -> None:
    """Let the consumer wait so long for an acknowledgement."""
    told = json.loads((await bus.nc.request(f"$JS.API.CONSUMER.INFO.{STREAM}.{durable}", b"")).data)
    config = told["config"] | {"ack_wait": int(seconds * 1e9)}
    request = json.dumps({"stream_name": STREAM, "config": config, "action": "update"}).encode()
    answer = json.loads((await bus.nc.request(f"$JS.API.CONSUMER.CREATE.{STREAM}.{durable}", request)).data)
    assert "error" not in answer


READER = """
import asyncio, sys
from floe_client import connect

async def main():
    async with connect(sys.argv[1]) as floe:
        async for event in floe.lineage("reader"):
            print(event.document["number"], flush=True)
            if event.document["number"] == 3 and not event.redelivered:
                await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_reader_loses_nothing(bus: Bus, bus_settings: ChassisSettings, floe: Floe) -> None:
    await tell(bus, *range(1, 7))
    assert await read(floe, 1) == [1]
    await shorten(bus, "reader", seconds=2)
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", READER, bus_settings.nats_url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert [await asyncio.to_thread(process.stdout.readline) for _ in range(2)] == ["2\n", "3\n"]

    async def two_acknowledged() -> bool:
        floor = (await bus.js.consumer_info(STREAM, "reader")).ack_floor
        return floor is not None and floor.stream_seq == 2

    await eventually(two_acknowledged)
    await eventually(lambda: pending(bus, 0))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    again = [event async for event in floe.lineage("reader", limit=4)]
    assert sorted(event.document["number"] for event in again) == [3, 4, 5, 6]
    assert all(event.redelivered for event in again)


async def test_a_killed_bus_is_waited_for(own_server: NatsServer, own_bus: Bus) -> None:
    await tell(own_bus, 1, 2)
    got: list[int] = []

    async def follow() -> None:
        async with connect(own_server.url) as floe:
            async for event in floe.lineage("reader"):
                got.append(event.document["number"])

    following = asyncio.create_task(follow())
    await eventually(lambda: got == [1, 2])
    for number in (3, 4):
        own_server.kill()
        own_server.start()
        await tell(own_bus, number)
        await eventually(lambda wanted=number: wanted in got)
    assert sorted(set(got)) == [1, 2, 3, 4]
    following.cancel()
    await asyncio.wait({following})


async def test_nothing_grows_while_a_bus_is_away(own_server: NatsServer, own_bus: Bus) -> None:
    async with connect(own_server.url) as floe:
        own_server.kill()
        await eventually(lambda: not floe._client.is_connected)
        for _ in range(200):
            await floe._on_error(ConnectionRefusedError("nobody listens"))
            await floe._on_error(LookupError('nats: permissions violation for publish to "$js.ack"'))
        assert floe._errors.empty()
        assert len(floe._refusals) <= 100
        own_server.start()
        await eventually(lambda: floe._client.is_connected)
        own_server.kill()
        await eventually(lambda: not floe._refusals)
        own_server.start()


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancellation_that_comes_with_news_is_not_lost(steps: int) -> None:
    consumer = Consumer("$JS.API", "reader", "")
    standing = Standing("floe.v1.lineage.>", 1, 30.0, untouched=True, unacknowledged=True, floor=0)
    client = Client()
    reading = Reading(client, Asking(client, ()), consumer, standing)
    waiting = asyncio.create_task(reading.next())
    for _ in range(5):
        await asyncio.sleep(0)
    reading.reconnected()
    for _ in range(steps):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting}, timeout=5)
    assert waiting.cancelled()


async def test_a_bus_that_is_not_there_is_told_or_waited_for(own_server: NatsServer, own_bus: Bus) -> None:
    await tell(own_bus, 1)
    own_server.kill()
    for url in (own_server.url, f"{own_server.url},nats://127.0.0.1:1"):
        with pytest.raises(Unreachable, match="no bus answers"):
            await connect(url).__aenter__()

    async def waited() -> list[int]:
        async with connect(own_server.url, wait=True) as floe:
            return await read(floe, 1)

    waiting = asyncio.create_task(waited())
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert done == set()
    own_server.start()
    assert await waiting == [1]
    async with connect(f"nats://127.0.0.1:1,{own_server.url}") as floe:
        assert await read(floe, 1, "other") == [1]


async def test_a_consumer_that_is_deleted_is_told(bus: Bus, floe: Floe) -> None:
    reading = asyncio.create_task(read(floe, 1))

    await eventually(lambda: waits(bus, "reader"))
    await bus.js.delete_consumer(STREAM, "reader")
    with pytest.raises(ConsumerGone, match="deleted"):
        await reading
    await bus.js.delete_stream(STREAM)
    with pytest.raises(ConsumerGone, match="no stream"):
        await read(floe, 1)


async def test_a_durable_that_reads_something_else_is_told(bus: Bus, floe: Floe) -> None:
    await tell(bus, 1)
    await read(floe, 1, "dev", environment="dev")
    with pytest.raises(ConsumerUnsuitable, match=r"reads floe\.v1\.lineage\.\*\.dev\.>"):
        await read(floe, 1, "dev")
    await bus.js.add_consumer(STREAM, durable_name="pushed", deliver_subject="x", ack_policy="none")
    with pytest.raises(ConsumerUnsuitable, match="another kind"):
        await read(floe, 1, "pushed")


async def test_what_cannot_be_read_with_is_refused(floe: Floe) -> None:
    for name in (None, "", "lineage-file", "subscriber-bi", "a.b", "a b"):
        with pytest.raises(ValueError, match="durable"):
            await anext(floe.lineage(name))
    with pytest.raises(ValueError, match="zone"):
        await anext(floe.lineage("reader", since=datetime(2026, 1, 1)))  # noqa: DTZ001
    with pytest.raises(OSError, match="nowhere"):
        await connect(seed_file="nowhere.seed").__aenter__()


async def test_the_shell_gets_a_line_an_event(
    bus: Bus, bus_settings: ChassisSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    await tell(bus, 1)
    await bus.js.publish(subjects.lineage("default", "dev", "orders", "job", "START"), b"rubbish")
    arguments = ["--url", bus_settings.nats_url, "--durable", "shell", "--count", "2"]
    assert await asyncio.to_thread(main, arguments) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["sequence"], first["event"], second["event"]) == (1, {"number": 1}, "rubbish")
    assert await asyncio.to_thread(main, ["--url", bus_settings.nats_url]) == 1
    assert "a durable needs a name" in capsys.readouterr().err


async def test_a_long_backlog_comes_in_order(bus: Bus, floe: Floe) -> None:
    numbers = list(range(1, 1001))
    await asyncio.gather(*(tell(bus, number) for number in numbers))
    stored = [json.loads((await bus.js.get_msg(STREAM, sequence)).data)["number"] for sequence in (1, 500, 1000)]
    got = await read(floe, 1000)
    assert (sorted(got), [got[0], got[499], got[999]]) == (numbers, stored)
