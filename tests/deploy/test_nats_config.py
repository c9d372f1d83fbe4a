"""The server's configuration, tried on a real server with generated keys: what each identity may do, and may not."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import aiohttp
import nkeys
import pytest
from nats.errors import Error as NatsError

from floe_catalog.adapters.catalog_products import CatalogProducts
from floe_catalog.adapters.rollback_journal import RollbackJournal
from floe_catalog.adapters.run_leases import is_running
from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.adapters.table_states import TableStates
from floe_chassis.answers import Asked
from floe_chassis.blobs import open_blobs
from floe_chassis.bus import Bus
from floe_chassis.dead_letter_box import drop, kept_letters, replay
from floe_chassis.dead_letters import DeadLetter, bury, watch_advisories
from floe_chassis.delivery import RawMessage
from floe_chassis.errors import BusForbidden
from floe_chassis.http_server import HttpServer
from floe_chassis.key_values import entries_below
from floe_chassis.leases import Lease
from floe_chassis.nats_server import HOST, find_binary
from floe_chassis.requests import ask
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_follower import Start, StreamFollower
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually, free_port
from floe_chassis.topology import (
    ARTIFACTS,
    CATALOG_PRODUCTS_BUCKET,
    CUBE_INSTANCES_BUCKET,
    DLQ,
    EVENTS,
    LEASES_BUCKET,
    LINEAGE,
    LINEAGE_DATASETS_BUCKET,
    LINEAGE_JOBS_BUCKET,
    LIVE_PRODUCTS_BUCKET,
    OPEN_QUERIES_BUCKET,
    PRODUCTS_BUCKET,
    RUNS_BUCKET,
    SEMANTIC_STATES_BUCKET,
    SNAPSHOT_PINS_BUCKET,
    SPECS,
    TABLES_BUCKET,
    declared,
)
from floe_chassis.topology_apply import apply
from floe_compiler.adapters.artifact_history import StreamArtifactHistory
from floe_compiler.adapters.product_registry import ProductRegistry
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.digests import canonical_json
from floe_contracts.errors import Unreachable
from floe_contracts.events import ArtifactCompiled, ArtifactRetired, TableSchema
from floe_contracts.lineage_requests import READ_COLUMN, ReadColumn
from floe_contracts.live_products import LiveProduct
from floe_contracts.nodes import Column, Node, NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.requests import Answer, Operation, Request
from floe_contracts.rollbacks import Rollback
from floe_contracts.runs import RunRecord, RunStatus, place_key
from floe_contracts.semantic_requests import LIST_SERVED, ListServed
from floe_contracts.subjects import EventKind
from floe_contracts.table_states import TableState
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.adapters.told_events import publish_unless_told
from floe_executor.core.run_states import queued_event
from floe_executor.starts.restoring import Restoring
from floe_lineage.adapters.lineage_consumer import LineageConsumer
from floe_lineage.adapters.stored_events import StoredEvents
from floe_lineage.app import create_app
from floe_semantic.adapters.open_queries import OpenQueries
from floe_semantic.app import create_app as create_semantic

FOLDER = Path(__file__).parents[2] / "deploy" / "nats"
FILE = FOLDER / "nats-server.conf"
SERVICES = ("gateway", "compiler", "executor", "catalog", "semantic", "lineage")
IDENTITIES = (*SERVICES, "cli")
TOPOLOGY = declared(ChassisSettings(), ["file", "http"])
Connect = Callable[[str], Awaitable[Bus]]

pytestmark = pytest.mark.bus


def script(name: str) -> ModuleType:
    """A script of the folder, as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nkeys") / "keys"
    script("generate_keys").generate(folder)
    return folder


@pytest.fixture(scope="module")
def public_keys(keys: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (keys / "nats.env").read_text().splitlines())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, public_keys: Mapping[str, str]) -> Iterator[str]:
    """A server that runs the committed file; only its addresses and its store are the test's own."""
    port = free_port()
    store = tmp_path_factory.mktemp("store")
    places = ["-a", HOST, "-p", str(port), "-m", str(free_port()), "-l", str(store / "log")]
    environment = {**public_keys, "FLOE_NATS_STORE": str(store)}
    server = subprocess.Popen([find_binary(), "-c", str(FILE), *places], env=environment)
    try:
        asyncio.run(eventually(lambda: answers(port)))
        yield f"nats://{HOST}:{port}"
    finally:
        server.terminate()
        server.wait(10)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1) as connection:
        return connection.recv(4) == b"INFO"
    return False


@pytest.fixture
async def connect(url: str, keys: Path) -> AsyncIterator[Connect]:
    """Connects as an identity; the topology is there."""
    async with contextlib.AsyncExitStack() as stack:

        async def connected(identity: str) -> Bus:
            bus = Bus(identity, settings(url, keys / f"{identity}.seed"))
            await bus.connect(wait=False)
            stack.push_async_callback(bus.close)
            return bus

        await apply(await connected("operator"), TOPOLOGY)
        yield connected


def settings(url: str, seed: Path | None) -> ChassisSettings:
    return ChassisSettings(nats_url=url, nats_seed_file=seed, publish_budget=3.0, lease_seconds=3.0, http_port=0)


def subject_of(kind: str) -> str:
    names = {"tenant": "acme", "environment": "dev", "product": "orders", "detail": "x", "repository": "shop"}
    return ".".join([subjects.ROOT, kind, *(names[name] for name in EventKind(kind).scope.names)])


def own(service: str) -> list[tuple[str, str]]:
    """Stream and name of a service's consumers."""
    return [(item.stream, item.name) for item in TOPOLOGY.consumers if item.name.partition("-")[0] == service]


ANY_LINEAGE = subjects.lineage("acme", "dev", "orders", "job", "START")
CHANGING_STREAMS = ("CREATE", "UPDATE", "PURGE", "DELETE", "MSG.DELETE", "SNAPSHOT")
CHANGING_CONSUMERS = ("CREATE", "DURABLE.CREATE", "DELETE")
EVERY_CONSUMER = [(item.stream, item.name) for item in TOPOLOGY.consumers]
BUCKETS = {
    RUNS_BUCKET: {"executor"},
    LEASES_BUCKET: {"executor", "catalog"},
    LIVE_PRODUCTS_BUCKET: {"executor"},
    PRODUCTS_BUCKET: {"compiler"},
    CATALOG_PRODUCTS_BUCKET: {"catalog"},
    TABLES_BUCKET: {"catalog"},
    SNAPSHOT_PINS_BUCKET: {"catalog"},
    LINEAGE_DATASETS_BUCKET: {"lineage"},
    LINEAGE_JOBS_BUCKET: {"lineage"},
    SEMANTIC_STATES_BUCKET: {"semantic"},
    CUBE_INSTANCES_BUCKET: {"semantic"},
    OPEN_QUERIES_BUCKET: {"semantic"},
}
MAY_PUBLISH = {
    "gateway": {"spec.submitted"},
    "compiler": {"artifacts.compiled", "artifacts.planned", "artifacts.rejected", "artifacts.retired"},
    "executor": {kind for kind in EventKind if kind.startswith(("run.", "node.", "backfill."))},
    "catalog": {kind for kind in EventKind if kind.startswith("table.")},
    "semantic": {kind for kind in EventKind if kind.startswith("semantic.")},
    "lineage": set(),
    "cli": {"spec.submitted", "run.requested", "cancellation.requested"},
}


async def refused(bus: Bus, *candidates: str) -> set[str]:
    """Those of the subjects where the server does not let the identity publish.

    Refusals come in order, a moment after the publishing: when that of the last subject is there, all are.
    """
    for subject in (*candidates, f"nobody.may.{uuid.uuid4()}"):
        last = subject
        await bus.nc.publish(subject, b"")
    await eventually(lambda: last in bus.forbidden[-1] if bus.forbidden else False)
    return {subject for subject in candidates if any(f'"{subject.lower()}"' in text for text in bus.forbidden)}


def test_the_committed_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == script("generate_config").config()


def test_the_real_server_accepts_the_file_and_needs_every_key(public_keys: Mapping[str, str]) -> None:
    def check(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        command = [find_binary(), "-t", "-c", str(FILE)]
        return subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)

    environment = {**public_keys, "FLOE_NATS_STORE": "/data"}
    accepted = check(environment)
    assert (accepted.returncode, "is valid" in accepted.stdout + accepted.stderr) == (0, True)
    for variable in environment:
        incomplete = check({name: value for name, value in environment.items() if name != variable})
        assert incomplete.returncode != 0
        assert variable in incomplete.stderr


def test_keys_of_subscribers_stay_until_their_files_are_deleted(tmp_path: Path) -> None:
    generate = script("generate_keys").generate
    first = generate(tmp_path / "keys", ["bi"]).read_text()
    second = generate(tmp_path / "keys", ["ops"]).read_text()
    names = [line.partition("=")[0] for line in second.splitlines()]
    assert len(set(names)) == len(names) == len(IDENTITIES) + 3
    assert set(first.splitlines()) < set(second.splitlines())
    (tmp_path / "keys" / "subscriber-bi.seed").unlink()
    last = generate(tmp_path / "keys").read_text().splitlines()
    assert set(second.splitlines()) - set(last) == set(first.splitlines()) - set(last)
    assert len(last) == len(IDENTITIES) + 2


def test_keys_are_made_once_and_closed_to_others(keys: Path) -> None:
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    script("generate_keys").generate(keys)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    assert set(before) == {"nats.env", "operator.seed", *(f"{identity}.seed" for identity in IDENTITIES)}
    assert len(set(before.values())) == len(before)
    assert keys.stat().st_mode & 0o077 == 0


async def test_nobody_comes_in_without_a_known_key(url: str, tmp_path: Path) -> None:
    strange = tmp_path / "strange.seed"
    strange.write_bytes(bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)))
    for seed in (None, strange):
        with pytest.raises(Unreachable, match="does not let"):
            await Bus("compiler", settings(url, seed)).connect(wait=False)


@pytest.mark.parametrize("service", IDENTITIES)
async def test_a_service_publishes_its_own_events_and_no_others(connect: Connect, service: str) -> None:
    bus = await connect(service)
    events = {subject_of(kind): kind.value for kind in EventKind}
    letters = {subjects.dead_letter(*place): place for place in EVERY_CONSUMER}
    refusals = await refused(bus, *events, *letters, ANY_LINEAGE)
    assert {kind for subject, kind in events.items() if subject not in refusals} == MAY_PUBLISH[service]
    assert (ANY_LINEAGE in refusals) == (service not in ("executor", "gateway", "lineage", "semantic"))
    buried = {place for subject, place in letters.items() if subject not in refusals}
    assert buried == set(EVERY_CONSUMER if service == "gateway" else own(service))


@pytest.mark.parametrize("service", IDENTITIES)
async def test_a_service_cannot_touch_what_belongs_to_others(connect: Connect, service: str) -> None:
    bus = await connect(service)
    streams = [item.name for item in TOPOLOGY.streams]
    buckets = [f"$KV.{bucket}.key" for bucket, writers in BUCKETS.items() if service not in writers]
    foreign = [f"{stream}.{name}" for stream, name in EVERY_CONSUMER if (stream, name) not in own(service)]
    owned = [f"{stream}.{name}" for stream, name in own(service)]
    forbidden = [
        *(f"$JS.API.STREAM.{call}.{stream}" for call in CHANGING_STREAMS for stream in streams),
        *(f"$JS.API.STREAM.{call}.KV_{bucket}" for call in CHANGING_STREAMS for bucket in BUCKETS),
        *(f"$JS.API.CONSUMER.{call}.{place[0]}.{place[1]}" for call in CHANGING_CONSUMERS for place in EVERY_CONSUMER),
        *(f"$JS.API.CONSUMER.CREATE.{stream}.{name}.floe.v1.x" for stream, name in EVERY_CONSUMER),
        *(f"$JS.API.CONSUMER.MSG.NEXT.{place}" for place in foreign),
        *(f"$JS.API.CONSUMER.RESET.{place}" for place in (*foreign, *(() if service == "lineage" else owned))),
        *(f"$JS.ACK.{place}.1.1.1.1.1" for place in foreign),
        *buckets,
    ]
    assert await refused(bus, *forbidden) == set(forbidden)


@pytest.mark.parametrize("service", IDENTITIES)
async def test_a_service_hears_its_own_inbox_alone(connect: Connect, service: str) -> None:
    bus = await connect(service)
    others = "compiler" if service == "catalog" else "catalog"
    requests = (f"floe.v1.request.{others}.>", f"floe.v1.flow.{others}.>", f"floe.v1.answer.{others}.operator.>")
    heard = (">", "floe.v1.>", "_INBOX.>", "_INBOX_operator.>", "$JS.EVENT.>", "$KV.>", *requests)
    for subject in heard:
        await bus.nc.subscribe(subject)
    await eventually(lambda: len(bus.forbidden) == len(heard))
    assert all("subscription" in text for text in bus.forbidden)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_reads_through_its_consumers(connect: Connect, url: str, keys: Path, service: str) -> None:
    operator = await connect("operator")
    running = Service(service, settings(url, keys / f"{service}.seed"))
    heard: dict[str, list[str]] = {consumer: [] for _, consumer in own(service)}

    def hear(consumer: str) -> Callable[[RawMessage], Awaitable[None]]:
        async def handler(message: RawMessage) -> None:
            heard[consumer].append(message.subject)

        return handler

    for consumer in heard:
        running.subscribe_raw(consumer, hear(consumer))
    await running.start()
    try:
        for item in TOPOLOGY.consumers:
            if item.name in heard:
                await operator.js.publish(item.filters[0].replace(">", "acme.one"), b"{}")
        await eventually(lambda: all(heard.values()))
        assert set((await running.readiness()).values()) == {"ok"}
        assert running.bus.forbidden == []
    finally:
        await running.stop()


class Echo(Request):
    text: str


class Echoed(Answer):
    text: str


async def test_people_ask_the_catalog_and_hear_its_answer(connect: Connect, url: str, keys: Path) -> None:
    """Also one of many parts, for which the asker says how many it has taken."""
    operation = Operation("catalog", "echo", Echo, Echoed)
    received = bytearray()

    async def echo(asked: Asked[Echo]) -> Echoed:
        await asked.data(bytes(4 << 20))
        return Echoed(text=asked.request.text)

    catalog, cli = Service("catalog", settings(url, keys / "catalog.seed")), await connect("cli")
    catalog.answer(operation, echo)
    await catalog.start()
    try:
        asking = ask(cli, operation, Echo(text="é"), tenant="acme", environment="dev", on_data=received.extend)
        assert (await asking).text == "é"
        assert len(received) == 4 << 20
        assert set((await catalog.readiness()).values()) == {"ok"}
        assert (catalog.bus.forbidden, cli.forbidden) == ([], [])
    finally:
        await catalog.stop()


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "catalog"])
async def test_no_service_asks_another_or_answers_for_it(connect: Connect, service: str) -> None:
    bus = await connect(service)
    subject = Operation("catalog", "echo", Echo, Echoed).subject("acme", "dev")
    wished = [subject, subjects.answer("catalog", "cli", "t"), subjects.flow("catalog", "t"), "_INBOX_cli.x"]
    assert await refused(bus, *wished) == set(wished)


async def test_the_catalog_answers_nobody_in_their_inbox(connect: Connect) -> None:
    """An answer has subjects of its own, so that the catalog can forge none of the bus to those who ask it."""
    bus = await connect("catalog")
    wished = ["_INBOX_cli.x", "_INBOX_executor.x", subjects.answer("executor", "cli", "t")]
    assert await refused(bus, *wished) == set(wished)


async def test_people_look_at_runs_events_and_what_is_live(connect: Connect) -> None:
    operator, cli = await connect("operator"), await connect("cli")
    subject = subject_of("run.completed")
    await operator.js.publish(subject, b"{}")
    assert [message.data async for message in read_stream(cli.js, EVENTS, subject)][-1:] == [b"{}"]
    await (await operator.key_value(RUNS_BUCKET)).put("acme.dev.orders.r9", b"{}")
    for bucket in (RUNS_BUCKET, LIVE_PRODUCTS_BUCKET):
        found = [entry.key for entry in await entries_below(await cli.key_value(bucket), "acme.dev.orders.*")]
        assert ("acme.dev.orders.r9" in found) == (bucket == RUNS_BUCKET)
    assert cli.forbidden == []


async def test_people_look_at_dead_letters_and_the_operator_replays_them(connect: Connect) -> None:
    operator, cli = await connect("operator"), await connect("cli")
    for kept in [kept async for kept in kept_letters(operator)]:
        await drop(operator, kept.sequence)
    subject = subject_of("spec.submitted")
    await bury(operator, DeadLetter(subject, SPECS, 1, "compiler", 5, "why", "FLOE-X-001", {}, b"again"))
    (kept,) = [kept async for kept in kept_letters(cli)]
    assert cli.forbidden == []
    with pytest.raises(BusForbidden, match="operator's seed"):
        await drop(cli, kept.sequence)
    with pytest.raises(BusForbidden):
        await replay(cli, kept)
    await replay(operator, kept)
    assert (await operator.js.get_last_msg(SPECS, subject)).data == b"again"
    assert [kept async for kept in kept_letters(cli)] == []


async def test_the_gateway_buries_what_another_service_gave_up(connect: Connect, url: str, keys: Path) -> None:
    operator, compiler = await connect("operator"), await connect("compiler")
    subject = subject_of("spec.submitted")
    await operator.js.purge_stream(SPECS)
    await operator.js.publish(subject, b"given up")
    reading = await compiler.js.pull_subscribe_bind("compiler", SPECS)
    (message,) = await reading.fetch(1, timeout=30)
    await message.term()
    gateway = Service("gateway", settings(url, keys / "gateway.seed"))
    watch_advisories(gateway)
    await gateway.start()
    try:
        letters = subjects.dead_letter(SPECS, "compiler")

        async def letter() -> bytes | None:
            found = [message async for message in read_stream(operator.js, DLQ, letters)]
            return found[-1].data if found else None

        assert await eventually(letter) == b"given up"
        assert gateway.bus.forbidden == []
    finally:
        await gateway.stop()


async def test_the_executor_keeps_runs_and_leases_and_reads_lineage_back(connect: Connect) -> None:
    operator, executor = await connect("operator"), await connect("executor")
    store = RunStore(lambda: executor.key_value(RUNS_BUCKET))
    record = RunRecord(
        run_id="r1",
        tenant="acme",
        environment="dev",
        product="orders",
        artifact_digest="sha256:" + "0" * 64,
        status=RunStatus.QUEUED,
        cause="c1",
        requested_at=datetime.now(UTC).isoformat(),
    )
    stored = await store.add(record)
    assert [run.record async for run in store.pending()] == [record]
    started = await store.update(stored, record.model_copy(update={"status": RunStatus.STARTED}))
    await store.settle(started.record)
    assert [run async for run in store.pending()] == []

    lease = await Lease.acquire(executor, executor.settings, "acme.dev.orders")
    assert lease is not None
    await lease.verify()
    await lease.release()

    await operator.js.publish(ANY_LINEAGE, b"{}")
    assert [message.data async for message in read_stream(executor.js, LINEAGE, ANY_LINEAGE)][-1:] == [b"{}"]

    queued, since = queued_event(record), datetime.fromisoformat(record.requested_at)
    await publish_unless_told(executor, queued, id="r1:queued", since=since)
    told = [message async for message in read_stream(executor.js, EVENTS, queued.subject())]
    assert (told[-1].headers or {})["Nats-Msg-Id"] == "r1:queued"
    assert executor.forbidden == []


async def test_the_executor_keeps_what_is_live_and_restores_it_from_the_artifacts(connect: Connect) -> None:
    operator, executor = await connect("operator"), await connect("executor")
    products = LiveProducts(lambda: executor.key_value(LIVE_PRODUCTS_BUCKET))
    live = LiveProduct(
        tenant="acme",
        environment="dev",
        product="orders",
        artifact_digest="sha256:" + "0" * 64,
        sequence=1,
        since=datetime.now(UTC).isoformat(),
    )
    await products.change(live.place, lambda _: live)
    assert await products.find(live.place) == live
    assert await products.live(tenant="acme") == (live,)
    assert not await products.empty()
    await operator.js.delete_key_value(LIVE_PRODUCTS_BUCKET)
    await apply(operator, TOPOLOGY)
    await Restoring(executor, products).restore()
    assert [message async for message in read_stream(executor.js, ARTIFACTS, "floe.v1.artifacts.compiled.none.*")] == []
    assert executor.forbidden == []


async def test_the_catalog_remembers_products_tables_pins_and_rollbacks(connect: Connect) -> None:
    catalog = await connect("catalog")
    place = Place("acme", "dev", "orders")
    products = CatalogProducts(lambda: catalog.key_value(CATALOG_PRODUCTS_BUCKET))
    product = CatalogProduct(
        tenant="acme", environment="dev", product="orders", artifact_digest="sha256:" + "0" * 64, sequence=1
    )
    await products.change(place, lambda _: product)
    assert await products.live() == (product,)
    journal = RollbackJournal(lambda: catalog.key_value(CATALOG_PRODUCTS_BUCKET))
    rollback = Rollback(
        tenant="acme", environment="dev", product="orders", cause="c", requester="cli", to="1", asked_at="", tables=()
    )
    assert await journal.begin(rollback)
    assert await journal.all() == [rollback]
    await journal.end(rollback)

    states = TableStates(lambda: catalog.key_value(TABLES_BUCKET))
    state = TableState(
        tenant="acme",
        environment="dev",
        product="orders",
        identifier="main.orders",
        table_uuid="u1",
        table_schema=TableSchema(schema_id=0, columns=()),
    )
    assert await states.write(state, 0)
    assert await states.of_product(place) == (state,)
    assert await states.forget(place, state.identifier, (await states.told(place, state.identifier)).revision)

    pins = SnapshotPins(lambda: catalog.key_value(SNAPSHOT_PINS_BUCKET))
    async with pins.hold("u1", 7):
        assert await pins.pinned("u1") == {7}
    lease = await Lease.acquire(catalog, catalog.settings, place_key(place))
    assert lease is not None
    assert await is_running(catalog, place)
    await lease.confirm()
    await lease.release()
    assert catalog.forbidden == []


async def test_the_compiler_remembers_refs_and_owners(connect: Connect) -> None:
    compiler = await connect("compiler")
    registry = ProductRegistry(lambda: compiler.key_value(PRODUCTS_BUCKET))
    stored = await registry.ref_state("acme", "git.example.com/shop", "refs/heads/main")
    stored = await registry.save("acme", stored, stored.state)
    assert await registry.ref_state("acme", "git.example.com/shop", "refs/heads/main") == stored
    assert await registry.other_refs("acme", "git.example.com/shop", "refs/heads/topic") == (stored.state,)
    assert await registry.claim("acme", "orders", "git.example.com/shop") == "git.example.com/shop"
    await registry.release("acme", "orders", "git.example.com/shop")
    assert await registry.owner("acme", "orders") is None
    assert compiler.forbidden == []


async def test_the_compiler_looks_up_what_it_announced_last_and_nothing_else(connect: Connect) -> None:
    operator, compiler = await connect("operator"), await connect("compiler")
    event = ArtifactCompiled(
        tenant="acme", product="orders", submission="s1", artifact_digest="sha256:" + "0" * 64, artifact={}, seconds=1
    )
    await operator.publish(event, id=str(uuid.uuid4()))
    assert await StreamArtifactHistory(compiler).latest("acme", "orders") == event
    assert compiler.forbidden == []
    others = (
        f"$JS.API.DIRECT.GET.{ARTIFACTS}",
        f"$JS.API.DIRECT.GET.{ARTIFACTS}.{subject_of('artifacts.rejected')}",
        f"$JS.API.DIRECT.GET.{SPECS}.{subject_of('spec.submitted')}",
        f"$JS.API.STREAM.MSG.GET.{ARTIFACTS}",
    )
    assert await refused(compiler, *others) == set(others)


async def test_a_forged_reply_subject_puts_nothing_before_a_consumer(connect: Connect) -> None:
    """The server does not check the reply subject of a pull; that every consumer filters is what keeps this out."""
    operator, executor = await connect("operator"), await connect("executor")
    waiting = (await operator.js.consumer_info(SPECS, "compiler")).num_pending
    await operator.js.purge_stream("FLOE_RUNS")  # what another test left there may be all that the consumer hands out
    await operator.js.publish(subject_of("run.requested"), b"forged")
    pull = "$JS.API.CONSUMER.MSG.NEXT.FLOE_RUNS.executor"
    await executor.nc.publish(pull, b'{"batch": 1}', reply=subject_of("spec.submitted"))
    await executor.nc.flush()

    async def pulled() -> bool:
        return (await operator.js.consumer_info("FLOE_RUNS", "executor")).num_pending == 0

    await eventually(pulled)
    assert (await operator.js.consumer_info(SPECS, "compiler")).num_pending == waiting
    assert all(item.filters for item in TOPOLOGY.consumers)


async def test_the_lineage_service_looks_back_and_sets_its_own_consumers_back(connect: Connect) -> None:
    operator, lineage = await connect("operator"), await connect("lineage")
    await operator.js.purge_stream(LINEAGE)  # what another test left there may have no body
    for number in range(3):
        await operator.publish_raw(ANY_LINEAGE, b"{}", {}, f"reset-{uuid.uuid4()}-{number}")
    consumer = LineageConsumer(lineage, "lineage-http")
    pulling = await lineage.js.pull_subscribe_bind("lineage-http", LINEAGE)
    for message in await pulling.fetch(3, timeout=30):
        await message.ack_sync()
    first = await consumer.first_from(1)
    assert first is not None
    assert (await consumer.backlog()).settled >= first.sequence
    assert await StoredEvents(lineage).read(first.sequence) == b"{}"
    await consumer.set_back(first.sequence)
    again = await pulling.fetch(1, timeout=30)
    assert again[0].metadata.sequence.stream == first.sequence
    assert await consumer.first_from(datetime(2000, 1, 1, tzinfo=UTC)) == first
    await pulling.unsubscribe()


async def test_the_lineage_service_keeps_its_graph_and_tells_what_it_finds(
    connect: Connect, url: str, keys: Path, tmp_path: Path
) -> None:
    executor, cli = await connect("executor"), await connect("cli")
    lineage = create_app(
        {
            "FLOE_NATS_URL": url,
            "FLOE_NATS_SEED_FILE": str(keys / "lineage.seed"),
            "FLOE_HTTP_PORT": "0",
            "FLOE_LINEAGE_FILE": str(tmp_path / "lineage.jsonl"),
        }
    )
    schema = {"fields": [{"name": "email"}]}
    said = {"columns": {"email": {"classification": "pii", "sensitivity": "high"}}}
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-01-01T00:00:00Z",
        "producer": "https://floe.dev/executor",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(uuid.uuid4())},
        "job": {"namespace": "floe://acme/dev", "name": "kept", "facets": {"sql": {"query": "select email from raw"}}},
        "inputs": [{"namespace": "n", "name": "raw", "facets": {"schema": schema, "floe_classification": said}}],
        "outputs": [{"namespace": "n", "name": "kept", "facets": {"schema": schema}}],
    }
    subject = subjects.lineage("acme", "dev", "orders", "kept", "COMPLETE")
    await executor.publish_raw(subject, json.dumps(event).encode(), {}, f"kept-{uuid.uuid4()}")
    await lineage.start()
    try:
        asked = ReadColumn(dataset="kept", field="email")
        answer = await ask(cli, READ_COLUMN, asked, tenant="acme", environment="dev")
        assert [derived.classification for derived in answer.derived] == ["pii"]
        told = subjects.lineage("acme", "dev", "orders", "kept", "JOB")
        await eventually(lambda: _is_stored(cli, told))
        assert (await lineage.readiness(), lineage.bus.forbidden) == (
            dict.fromkeys(await lineage.readiness(), "ok"),
            [],
        )
    finally:
        await lineage.stop()


async def _is_stored(bus: Bus, subject: str) -> bool:
    return [message async for message in read_stream(bus.js, LINEAGE, subject)] != []


@pytest.mark.parametrize("identity", ["gateway", "cli"])
async def test_lineage_is_followed_and_its_service_asked(connect: Connect, url: str, keys: Path, identity: str) -> None:
    operation = Operation("lineage", "echo", Echo, Echoed)

    async def echo(asked: Asked[Echo]) -> Echoed:
        return Echoed(text=f"{asked.tenant} {asked.request.text}")

    operator, bus = await connect("operator"), await connect(identity)
    lineage = Service("lineage", settings(url, keys / "lineage.seed"))
    lineage.answer(operation, echo)
    await lineage.start()
    follower = StreamFollower(bus, LINEAGE, subjects.lineage_patterns("acme", jobs=("job", "other")), Start.NEXT)
    try:
        await follower.open()
        await operator.publish_raw(ANY_LINEAGE, b"{}", {}, f"followed-{uuid.uuid4()}")
        assert await follower.next(30)
        await follower.close()
        answer = await ask(bus, operation, Echo(text="é"), tenant="acme", environment="dev")
        assert answer.text == "acme é"
        assert (bus.forbidden, lineage.bus.forbidden) == ([], [])
        names = [info.name for info in await operator.js.consumers_info(LINEAGE)]
        assert [name for name in names if name.startswith(identity)] == []
    finally:
        await lineage.stop()


@pytest.mark.parametrize("identity", ["executor", "cli"])
@pytest.mark.parametrize("name", ["name", "durable_name"])
async def test_an_unnamed_request_cannot_change_the_consumer_of_a_backend(
    connect: Connect, identity: str, name: str
) -> None:
    """The server takes requests for consumers without a name in the subject; the name in the body must not count."""
    operator, asker = await connect("operator"), await connect(identity)
    before = (await operator.js.consumer_info(LINEAGE, "lineage-file")).config
    config = {name: "lineage-file", "ack_policy": "explicit", "filter_subject": "floe.v1.lineage.other.>"}
    request = {"stream_name": LINEAGE, "config": config}
    with contextlib.suppress(TimeoutError, NatsError):
        await asker.nc.request(f"$JS.API.CONSUMER.CREATE.{LINEAGE}", json.dumps(request).encode(), timeout=1)
    assert (await operator.js.consumer_info(LINEAGE, "lineage-file")).config == before


async def test_the_semantic_service_knows_what_cube_serves_and_tells_it(
    connect: Connect, url: str, keys: Path, tmp_path: Path
) -> None:
    compiler, cli = await connect("compiler"), await connect("cli")
    blobs = open_blobs((tmp_path / "blobs").as_uri())
    model = Node(
        unique_id="model.orders.orders",
        name="orders",
        resource_type="model",
        materialized="table",
        database="w",
        schema_name="main",
        identifier="orders",
        path="models/orders.sql",
        expose=True,
        columns=(Column(name="id", data_type="integer"),),
    )
    graph = NodeGraph(project="orders", nodes=(model,), checks=())
    golden = FOLDER.parents[1] / "libs/contracts/tests/golden/events/1.4/artifacts.compiled.json"
    document = json.loads(golden.read_text("utf-8"))["body"]["artifact"]
    nodes = await blobs.put(canonical_json(graph.model_dump(mode="json")))
    document["environments"] = {"dev": {**next(iter(document["environments"].values())), "nodes": nodes}}
    document["serving"] = {"cube": True, "row_owner": None}
    artifact = CompiledArtifacts.model_validate(document)
    event = ArtifactCompiled(
        tenant="acme",
        product="cubes",
        submission="s1",
        artifact_digest=artifact.digest(),
        artifact=artifact.to_document(),
        seconds=1,
    )
    await compiler.publish(event, id=str(uuid.uuid4()))
    semantic = create_semantic(
        {
            "FLOE_NATS_URL": url,
            "FLOE_NATS_SEED_FILE": str(keys / "semantic.seed"),
            "FLOE_BLOBS_URL": (tmp_path / "blobs").as_uri(),
            "FLOE_TENANT": "acme",
            "FLOE_HTTP_PORT": "0",
        }
    )
    await semantic.start()
    try:
        async with HttpServer(semantic), aiohttp.ClientSession() as cube:
            at = f"{semantic.http_address}/v1/cube/bundle?environment=dev&product=cubes"
            headers = {"X-Floe-Cube-Instance": "cube"}

            async def offered() -> str | None:
                async with cube.get(at, headers=headers) as answer:
                    return (await answer.json())["bundle_digest"] if answer.status == 200 else None

            headers["X-Floe-Cube-Serving"] = str(await eventually(offered))

            async def in_sync() -> bool:
                await offered()
                asked = ListServed(product="cubes")
                (product,) = (await ask(cli, LIST_SERVED, asked, tenant="acme", environment="dev")).products
                return product.status == "in_sync" and bool(product.instances)

            await eventually(in_sync)
            long = {"request": "1", "started_at": "2026-11-21T19:11:29Z", "at": "2026-11-21T19:11:39Z", "queries": [{}]}
            for told in ({"kind": "started"}, {"kind": "succeeded", "announced": True}):
                batch = {"version": "1.0", "instance": "cube", "environment": "dev", "product": "cubes"}
                queries = f"{semantic.http_address}/v1/cube/queries"
                async with cube.post(queries, json={**batch, "events": [long | told]}) as answer:
                    assert answer.status == 202, await answer.text()
            assert await OpenQueries(semantic.bus).silent(datetime.now(UTC)) == []
            await eventually(lambda: _is_on(cli, LINEAGE, subjects.lineage_pattern("acme", product="cubes")))
            retired = ArtifactRetired(tenant="acme", product="cubes", submission="s2", reason="removed")
            await compiler.publish(retired, id=str(uuid.uuid4()))
            for kind in (EventKind.SEMANTIC_RENDERED, EventKind.SEMANTIC_SYNCED, EventKind.SEMANTIC_WITHDRAWN):
                await eventually(lambda kind=kind: _is_told(cli, kind))  # type: ignore[misc]
            ready = await semantic.readiness()
            assert (ready, semantic.bus.forbidden) == (dict.fromkeys(ready, "ok"), [])
    finally:
        await semantic.stop()


async def _is_told(bus: Bus, kind: EventKind) -> bool:
    return await _is_on(bus, EVENTS, subjects.pattern(kind, tenant="acme", product="cubes"))


async def _is_on(bus: Bus, stream: str, subject: str) -> bool:
    return [message async for message in read_stream(bus.js, stream, subject)] != []
