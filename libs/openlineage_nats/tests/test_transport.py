"""The transport on a real server: stored events, the same rules as floe's own, and a bus that goes away."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import nats.errors
import pytest
from openlineage.client import OpenLineageClient, event_v2
from openlineage.client.facet_v2 import parent_run

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import frozen
from floe_chassis.topology import LINEAGE
from floe_contracts.openlineage import envelope
from floe_contracts.openlineage.naming import Place
from floe_openlineage_nats import NatsConfig, NatsTransport
from floe_openlineage_nats.messages import headers_of, message_id, subject_of

pytestmark = pytest.mark.bus

TEMPLATE = "floe.v1.lineage.acme.prod.airflow.{job}.{eventType}"
TIME = "2026-11-21T10:00:00Z"


def run_event(number: int, state: event_v2.RunState = event_v2.RunState.START, job: str = "load") -> event_v2.RunEvent:
    run = event_v2.Run(str(uuid.UUID(int=number)))
    return event_v2.RunEvent(eventTime=TIME, run=run, job=event_v2.Job("airflow", job), eventType=state)


@pytest.fixture
def transport(bus_settings) -> Iterator[Callable[..., NatsTransport]]:
    """Makes transports, and closes them."""
    made: list[NatsTransport] = []

    def make(**options: Any) -> NatsTransport:
        config = {"url": bus_settings.nats_url, "subject": TEMPLATE} | options
        made.append(NatsTransport(NatsConfig.from_dict(config)))
        return made[-1]

    yield make
    for each in made:
        each.close(0)


@pytest.fixture
def stored(bus: Bus) -> Callable[[], Any]:
    async def read(of: Bus = bus) -> list[Any]:
        return [message async for message in read_stream(of.js, LINEAGE, "floe.v1.lineage.>")]

    return read


async def test_what_emit_returned_from_is_stored_once(transport, stored) -> None:
    nats_transport = transport()
    for event in (run_event(1), run_event(1), run_event(1, event_v2.RunState.COMPLETE)):
        await asyncio.to_thread(nats_transport.emit, event)
    messages = await stored()
    assert [message.subject for message in messages] == [
        "floe.v1.lineage.acme.prod.airflow.load.start",
        "floe.v1.lineage.acme.prod.airflow.load.complete",
    ]
    assert json.loads(messages[0].data)["run"]["runId"] == str(uuid.UUID(int=1))


async def test_the_client_finds_it_by_its_dotted_path(bus_settings, stored) -> None:
    configured = {"type": "floe_openlineage_nats.NatsTransport", "url": bus_settings.nats_url, "subject": TEMPLATE}

    def send() -> bool:
        client = OpenLineageClient(config={"transport": configured})
        client.emit(run_event(1))
        job = event_v2.JobEvent(eventTime=TIME, job=event_v2.Job("airflow", "load"))
        client.emit(job)
        client.emit(event_v2.DatasetEvent(eventTime=TIME, dataset=event_v2.StaticDataset("s3://raw", "a.csv")))
        return bool(client.close())

    assert await asyncio.to_thread(send)
    assert [message.subject.split(".")[6:] for message in await stored()] == [
        ["load", "start"],
        ["load", "job"],
        ["a_2ecsv", "dataset"],
    ]


@pytest.mark.parametrize("name", ["load", "grün.x * >", "ä" * 3000, "line\nbreak 100%"], ids=["a", "b", "long", "line"])
def test_messages_are_addressed_like_those_of_the_receiver(name: str) -> None:
    parent = parent_run.ParentRunFacet(
        run=parent_run.Run(str(uuid.UUID(int=2))),
        job=parent_run.Job("airflow", "dag"),
        root=parent_run.Root(parent_run.RootRun(str(uuid.UUID(int=3))), parent_run.RootJob("airflow", "dag")),
    )
    run = {"runId": str(uuid.UUID(int=1)), "facets": {"parent": json.loads(json.dumps({"run": {"runId": "p"}}))}}
    rooted = {"runId": run["runId"], "facets": {"parent": {"root": {"run": {"runId": parent.root.run.runId}}}}}
    for event in (
        {"eventType": "FAIL", "run": run, "job": {"namespace": "n", "name": name}},
        {"run": rooted, "job": {"namespace": "n", "name": name}},
        {"job": {"namespace": "n", "name": name}},
        {"dataset": {"namespace": "n", "name": name}},
    ):
        body = json.dumps(event).encode()
        read = envelope.read_envelope(event)
        place = Place("acme", "prod", "airflow")
        assert subject_of(TEMPLATE, event) == envelope.message_subject(read, place)
        assert headers_of(event) == envelope.message_headers(read)
        assert message_id(event, body) == envelope.content_id(read, body)
    assert subject_of("lineage", event) == "lineage"


async def test_a_bus_that_is_away_costs_its_patience_once_and_nothing_is_lost(
    own_server: NatsServer, own_bus: Bus, transport, stored
) -> None:
    nats_transport = transport(url=own_server.url, publishTimeout=1)
    await asyncio.to_thread(nats_transport.emit, run_event(0))
    with frozen(own_server.pid):
        started = time.monotonic()
        for number in range(1, 200):
            await asyncio.to_thread(nats_transport.emit, run_event(number))
        assert time.monotonic() - started < 10  # 199 times its patience would be over three minutes
    assert await asyncio.to_thread(nats_transport.close, 30)
    assert [json.loads(message.data)["run"]["runId"] for message in await stored(own_bus)] == [
        str(uuid.UUID(int=number)) for number in range(200)
    ]


async def test_a_bus_that_is_not_there_yet_gets_what_was_told_before(
    own_server: NatsServer, own_bus: Bus, transport, stored
) -> None:
    nats_transport = transport(url=own_server.url, publishTimeout=1)
    own_server.stop()
    for number in range(3):
        await asyncio.to_thread(nats_transport.emit, run_event(number))
    own_server.start()
    assert await asyncio.to_thread(nats_transport.close, 30)
    await own_bus.until_connected(10)
    assert len(await stored(own_bus)) == 3


async def test_what_is_lost_is_told(own_server: NatsServer, transport, caplog) -> None:
    nats_transport = transport(url=f"nats://me:secret@{own_server.url.partition('//')[2]}", publishTimeout=0.5)
    own_server.stop()
    with caplog.at_level(logging.WARNING):
        await asyncio.to_thread(nats_transport.emit, run_event(1))
        assert not await asyncio.to_thread(nats_transport.close)
    assert "1 events are lost" in caplog.text
    assert "secret" not in caplog.text + repr(nats_transport._config)


async def test_a_subject_that_no_stream_takes_is_raised(transport) -> None:
    with pytest.raises(nats.errors.Error):
        await asyncio.to_thread(transport(subject="nobody.listens").emit, run_event(1))


async def test_without_jetstream_who_listens_gets_it(bus: Bus, transport) -> None:
    heard = await bus.nc.subscribe("anywhere.>")
    await bus.nc.flush()
    await bus.nc.flush()
    await asyncio.to_thread(transport(subject="anywhere.{eventType}", jetstream="false").emit, run_event(1))
    message = await heard.next_msg(timeout=60)
    assert (message.subject, message.headers["Floe-Event-Type"]) == ("anywhere.start", "START")


_FORKING = """
import os, sys, uuid
from floe_openlineage_nats import NatsConfig, NatsTransport
from openlineage.client import event_v2

def event(number):
    run = event_v2.Run(str(uuid.UUID(int=number)))
    return event_v2.RunEvent(eventTime="2026-11-21T10:00:00Z", run=run, job=event_v2.Job("airflow", "load"))

transport = NatsTransport(NatsConfig.from_dict({"url": sys.argv[1], "subject": sys.argv[2]}))
transport.emit(event(1))
child = os.fork()
if child == 0:
    transport.emit(event(2))
    os._exit(0 if transport.close() else 1)
assert os.waitpid(child, 0)[1] == 0
transport.emit(event(3))
"""


async def test_a_forked_process_has_a_connection_of_its_own(bus_settings, stored) -> None:
    command = [sys.executable, "-c", _FORKING, bus_settings.nats_url, TEMPLATE]
    shown = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert (shown.returncode, shown.stderr) == (0, "")
    ids = [json.loads(message.data)["run"]["runId"] for message in await stored()]
    assert ids == [str(uuid.UUID(int=number)) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("options", "match"),
    [({}, "transport.subject"), ({"subject": "x", "seedFile": "/nowhere/seed"}, "seedFile")],
    ids=["subject", "file"],
)
def test_wrong_options_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        NatsConfig.from_dict(options)


def test_it_needs_nothing_else_of_floe() -> None:
    code = "import sys, floe_openlineage_nats; print([m for m in sys.modules if m.startswith(('floe_c', 'pydantic'))])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
