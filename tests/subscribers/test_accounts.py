"""External subscribers on a real server with the generated file: what they see, and that they can do nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import watch_advisories
from floe_chassis.service import Service
from floe_chassis.testing import eventually
from floe_chassis.topology import DEAD_LETTERS, DLQ, LINEAGE, LINEAGE_JOBS_BUCKET
from floe_contracts import subjects
from floe_contracts.subscribers import API, DOMAIN, Subscriber

from .subscribed_bus import SubscribedBus, script, tell

BI = Subscriber("bi", "acme")
BI_PLACE = f"{LINEAGE}.{BI.consumer}"
Read = Callable[[str], Awaitable[Client]]

pytestmark = pytest.mark.bus


@pytest.fixture
async def stored(operator: Bus) -> Bus:
    """The operator, with events 0 to 5 of three places on the stream."""
    for number in range(6):
        tenant, environment = (("acme", "prod"), ("globex", "prod"), ("acme", "dev"))[number % 3]
        await tell(operator, number, tenant, environment)
    return operator


@pytest.fixture
async def read(subscribed: SubscribedBus) -> AsyncIterator[Read]:
    """Connects as a subscriber."""
    async with contextlib.AsyncExitStack() as stack:

        async def connected(name: str) -> Client:
            refused: list[str] = []

            async def note(error: Exception) -> None:
                refused.append(str(error))

            seed = str(subscribed.seed(f"subscriber-{name}"))
            client = await nats.connect(subscribed.url, nkeys_seed=seed, error_cb=note, allow_reconnect=False)
            client.refused = refused
            stack.push_async_callback(client.close)
            return client

        yield connected


def number_of(message: Msg) -> int:
    return int(json.loads(message.data)["job"]["name"].removeprefix("orders "))


async def fetched(client: Client, name: str, count: int, *, acknowledge: bool = True) -> list[Msg]:
    """So many events as there are, `count` at most."""
    subscription = await client.jetstream(domain=DOMAIN).pull_subscribe_bind(f"subscriber-{name}", LINEAGE)
    found: list[Msg] = []
    with contextlib.suppress(TimeoutError, NatsError):
        while len(found) < count:
            found += await subscription.fetch(count - len(found), timeout=5)
    for message in found if acknowledge else ():
        await message.ack_sync(timeout=5)
    await subscription.unsubscribe()
    return found


async def asked(client: Client, call: str, body: Any = None) -> dict[str, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    answer: dict[str, Any] = json.loads((await client.request(f"{API}.{call}", content, timeout=5)).data)
    return answer


async def refused(client: Client, *candidates: str) -> set[str]:
    """Those of the subjects where the server does not let the subscriber publish."""
    last = f"nobody.may.{uuid.uuid4()}"
    for subject in (*candidates, last):
        await client.publish(subject, b"")
    errors: list[str] = client.refused
    await eventually(lambda: any(last in text for text in errors))
    return {subject for subject in candidates if any(f'"{subject.lower()}"' in text.lower() for text in errors)}


async def test_each_subscriber_reads_its_own_from_the_beginning_and_live(stored: Bus, read: Read) -> None:
    expected = {"bi": [0, 2, 3, 5], "ops": [2, 5], "other": [1, 4]}
    for name, numbers in expected.items():
        client = await read(name)
        assert [number_of(message) for message in await fetched(client, name, len(numbers))] == numbers
        info = await asked(client, f"CONSUMER.INFO.{LINEAGE}.subscriber-{name}")
        assert (info["num_pending"], info["num_ack_pending"]) == (0, 0)
    bi = await read("bi")
    waiting = asyncio.create_task(fetched(bi, "bi", 1))
    await tell(stored, 6, "globex")
    await tell(stored, 7)
    assert [number_of(message) for message in await waiting] == [7]


async def test_what_is_not_acknowledged_comes_again_and_the_position_is_kept(stored: Bus, read: Read) -> None:
    first = await fetched(await read("bi"), "bi", 1, acknowledge=False)
    await first[0].nak()
    again = await fetched(await read("bi"), "bi", 4)
    assert sorted(number_of(message) for message in again) == [0, 2, 3, 5]
    assert max(message.metadata.num_delivered or 0 for message in again) == 2
    sequence = await tell(stored, 6)
    assert [message.metadata.sequence.stream for message in await fetched(await read("bi"), "bi", 1)] == [sequence]


async def test_a_subscriber_sets_its_own_consumer_back(stored: Bus, read: Read) -> None:
    client = await read("bi")
    events = await fetched(client, "bi", 4)
    third = events[2].metadata.sequence.stream
    answer = await asked(client, f"CONSUMER.RESET.{BI_PLACE}", {"seq": third})
    assert (answer["num_pending"], answer["num_ack_pending"]) == (2, 0)
    assert [number_of(message) for message in await fetched(client, "bi", 2)] == [3, 5]
    assert [number_of(message) for message in await fetched(await read("ops"), "ops", 2)] == [2, 5]


async def test_the_last_event_is_looked_up_among_its_own(stored: Bus, read: Read) -> None:
    other, bi = await read("other"), await read("bi")
    last = await other.request(f"{API}.DIRECT.GET.{LINEAGE}.floe.v1.lineage.globex.>", b"", timeout=5)
    assert (number_of(last), last.headers["Nats-Subject"].split(".")[3]) == (4, "globex")
    # What would widen the question in its body is refused by the server.
    wider = [
        {"last_by_subj": "floe.v1.lineage.globex.>"},
        {"next_by_subj": "floe.v1.lineage.globex.>", "seq": 1},
        {"seq": 2},
        {"seq": 1, "batch": 10},
        {"multi_last": ["floe.v1.lineage.>"]},
    ]
    for body in wider:
        answer = await bi.request(
            f"{API}.DIRECT.GET.{LINEAGE}.floe.v1.lineage.acme.>", json.dumps(body).encode(), timeout=5
        )
        assert (answer.headers["Status"], answer.data) == ("408", b"")


async def test_a_subscriber_publishes_nothing_and_asks_nothing_else(subscribed: SubscribedBus, read: Read) -> None:
    client = await read("bi")
    streams = [item.name for item in subscribed.topology.streams]
    others = [f"{item.stream}.{item.name}" for item in subscribed.topology.consumers if item.name != BI.consumer]
    prefixes = ("$JS.API", API)
    calls = [
        *(f"STREAM.{call}.{stream}" for stream in streams for call in ("INFO", "DELETE", "PURGE", "MSG.GET")),
        *(f"CONSUMER.{call}.{other}" for other in others for call in ("INFO", "MSG.NEXT", "RESET", "DELETE")),
        *(f"CONSUMER.{call}.{BI_PLACE}" for call in ("CREATE", "DELETE", "PAUSE", "UNPIN")),
        f"CONSUMER.CREATE.{LINEAGE}",
        f"CONSUMER.CREATE.{BI_PLACE}.{BI.filter}",
        f"CONSUMER.CREATE.{BI_PLACE}.floe.v1.lineage.>",
        f"CONSUMER.DURABLE.CREATE.{BI_PLACE}",
        f"DIRECT.GET.{LINEAGE}",
        f"DIRECT.GET.{LINEAGE}.floe.v1.lineage.globex.>",
        f"DIRECT.GET.{LINEAGE}.floe.v1.lineage.>",
        f"DIRECT.GET.{LINEAGE}.>",
        "STREAM.LIST",
        "STREAM.NAMES",
        "INFO",
    ]
    forbidden = [
        *(f"{prefix}.{call}" for prefix in prefixes for call in calls),
        f"$JS.API.CONSUMER.INFO.{BI_PLACE}",
        *(f"$JS.ACK.{other}.1.1.1.1.1" for other in others),
        *(f"$KV.{bucket.name}.key" for bucket in subscribed.topology.buckets),
        subjects.lineage("acme", "prod", "orders", "job", "START"),
        "floe.v1.spec.submitted.acme.orders",
        "floe.v1.request.lineage.read-graph.acme.prod",
        "_INBOX.anybody",
    ]
    assert await refused(client, *forbidden) == set(forbidden)
    heard = (">", "floe.v1.>", "$JS.>", "$KV.>", "_INBOX_compiler.>", "_R_.>")
    for subject in heard:
        await client.subscribe(subject)
    await eventually(lambda: sum("subscription" in text.lower() for text in client.refused) == len(heard))


async def test_an_answer_goes_to_nobody_else(stored: Bus, read: Read) -> None:
    """Events that a subscriber asks for come to its own account, whatever reply subject it names."""
    client, specs = await read("bi"), (await stored.js.stream_info("FLOE_SPECS")).state.messages
    for reply in (
        "floe.v1.spec.submitted.acme.orders",
        f"$KV.{LINEAGE_JOBS_BUCKET}.key",
        "$JS.API.STREAM.DELETE.FLOE_DLQ",
    ):
        with contextlib.suppress(NatsError):
            await client.publish(f"{API}.CONSUMER.MSG.NEXT.{BI_PLACE}", b'{"batch": 1, "no_wait": true}', reply=reply)
    await asked(client, f"CONSUMER.INFO.{BI_PLACE}")
    assert (await stored.js.stream_info("FLOE_SPECS")).state.messages == specs
    assert (await stored.js.stream_info(f"KV_{LINEAGE_JOBS_BUCKET}")).state.messages == 0
    assert (await stored.js.stream_info(DLQ)).state.messages == 0


async def test_what_a_subscriber_gives_up_is_no_dead_letter(stored: Bus, read: Read, subscribed: SubscribedBus) -> None:
    gateway = Service("gateway", subscribed.settings("gateway"))
    watch_advisories(gateway)
    await gateway.start()
    try:
        (event,) = await fetched(await read("bi"), "bi", 1, acknowledge=False)
        await event.term()
        # One of floe's own consumers after it: advisories come in their order.
        own = await stored.js.pull_subscribe_bind("lineage-file", LINEAGE)
        (message,) = await own.fetch(1, timeout=30)
        await message.term()

        async def letters() -> list[str]:
            found = await stored.js.stream_info(DLQ, subjects_filter=">")
            return list(found.state.subjects or ())

        assert await eventually(letters) == [subjects.dead_letter(LINEAGE, "lineage-file")]
        info = await stored.js.consumer_info("FLOE_ADVISORIES", DEAD_LETTERS)
        assert info.num_pending == 0
    finally:
        await gateway.stop()


async def test_one_subscriber_holds_few_connections(subscribed: SubscribedBus) -> None:
    limit = script("generate_config").CONNECTIONS
    seed = str(subscribed.seed("subscriber-bi"))
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(limit):
            stack.push_async_callback((await nats.connect(subscribed.url, nkeys_seed=seed)).close)
        with pytest.raises(NatsError, match="maximum"):
            await nats.connect(subscribed.url, nkeys_seed=seed, allow_reconnect=False, connect_timeout=30)


def test_who_subscribes_to_what_is_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    generate = script("generate_config").main
    for wrong in (["bi"], ["BI=acme"], ["bi=acme/"], ["bi=acme", "bi=globex"], ["bi=a/b/c/d"]):
        with pytest.raises(SystemExit) as ended:
            generate([*(f"--subscriber={text}" for text in wrong), "--output", str(tmp_path / "conf")])
        assert ended.value.code == 2
        assert "FLOE-BUS-001" in capsys.readouterr().err
    assert Subscriber("bi", "Acme Inc", "dev", "orders").filter == "floe.v1.lineage._41cme_20_49nc.dev.orders.>"


def test_a_websocket_has_tls_or_takes_this_machine_alone(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    script("generate_config").main(["--websocket=9222", "--output", str(file)])
    assert "cert_file: $FLOE_NATS_WEBSOCKET_CERTIFICATE" in file.read_text()
    script("generate_config").main(["--websocket-plain=9222", "--output", str(file)])
    assert 'listen: "127.0.0.1:9222"' in file.read_text()
