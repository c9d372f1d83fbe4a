"""What leaves an attempt, told to a real bus: once, in order, and closed whatever becomes of the attempt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.spool import Spool
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually, frozen
from floe_chassis.topology import EVENTS, LINEAGE
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.cloudevents import decode
from floe_contracts.events import LandedTable, NodeCompleted, NodeFailed
from floe_contracts.nodes import Column, Exposure, Node, NodeGraph
from floe_contracts.openlineage.envelope import JOB, RUN_HEADER
from floe_contracts.openlineage.naming import Place
from floe_contracts.runs import RunRecord, RunStatus
from floe_contracts.subjects import lineage_pattern
from floe_executor.adapters.open_lineage import lineage_of
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.core.landed_table import Landed
from floe_executor.core.lineage import RunLineage
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeStatus
from floe_executor.runs.chain import root_of
from floe_executor.runs.run_telemetry import RunTelemetry
from floe_executor.runs.telling import RunTelling
from floe_executor.runs.tellings import Tellings

pytestmark = pytest.mark.bus

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ORDERS = "model.shop.orders"


class Broken(Exception):
    """An attempt that breaks off."""


def graph(columns: int = 1) -> NodeGraph:
    orders = Node(
        unique_id=ORDERS,
        name="orders",
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier="orders",
        path="models/orders.sql",
        columns=tuple(Column(name=f"column_{number}") for number in range(columns)),
    )
    return NodeGraph(project="shop", nodes=(orders,), checks=())


@pytest.fixture
def bus_settings(bus_settings: ChassisSettings, own_server: NatsServer) -> ChassisSettings:
    return bus_settings.model_copy(update={"nats_url": own_server.url})


@pytest.fixture
async def spool(bus: Bus, tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(bus, tmp_path / "spool", limit_bytes=10_000_000)
    draining = asyncio.create_task(made.run())
    yield made
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    await made.close()


@pytest.fixture
def tellings(bus: Bus, spool: Spool, store: RunStore) -> Tellings:
    return Tellings(bus, spool, store, RunTelemetry(TracerProvider(), MeterProvider()))


@pytest.fixture
def lineage(artifact: CompiledArtifacts) -> Callable[..., RunLineage]:
    def make(record: RunRecord, nodes: NodeGraph | None = None) -> RunLineage:
        return RunLineage(record, artifact, artifact.environments["dev"], nodes or graph())

    return make


@pytest.fixture
def record(run_record: RunRecord) -> RunRecord:
    return run_record


async def told(bus: Bus, record: RunRecord) -> list[tuple[str, str]]:
    return [(event["eventType"], event["job"]["name"]) async for event in lineage_of(bus, record)]


async def begun(tellings: Tellings, record: RunRecord, lineage: RunLineage) -> RunTelling:
    telling = tellings.of(record)
    await telling.run_began(lineage, again=False)
    await telling.node(NodeBegan(ORDERS, NOW))
    return telling


async def test_an_attempt_that_breaks_off_closes_what_it_left_open(
    bus: Bus, tellings: Tellings, record: RunRecord, lineage: Callable[..., RunLineage]
) -> None:
    telling = tellings.of(record)
    with suppress(Broken):
        async with telling.attempt():
            await telling.run_began(lineage(record), again=False)
            await telling.node(NodeBegan(ORDERS, NOW))
            raise Broken
    assert await told(bus, record) == [
        ("START", "shop"),
        ("START", "shop.model.shop.orders"),
        ("ABORT", "shop.model.shop.orders"),
    ]


async def test_the_next_attempt_does_not_begin_the_run_again_and_closes_the_rest(
    bus: Bus, tellings: Tellings, record: RunRecord, lineage: Callable[..., RunLineage]
) -> None:
    await begun(tellings, record, lineage(record))  # and its worker is killed
    second = record.model_copy(update={"attempt": 2})
    telling = tellings.of(second)
    await telling.run_began(lineage(second), again=True)
    await telling.node(NodeBegan(ORDERS, NOW))
    await telling.node(NodeDone(ORDERS, NOW, NodeStatus.SUCCESS, 1.0))
    assert [kind for kind, _ in await told(bus, record)] == ["START", "START", "ABORT", "START", "COMPLETE"]
    assert await telling.count() == 6  # with the end of the run, which is still to come


async def test_an_attempt_that_lost_the_bus_closes_its_nodes_all_the_same(
    bus: Bus,
    spool: Spool,
    tellings: Tellings,
    own_server: NatsServer,
    record: RunRecord,
    lineage: Callable[..., RunLineage],
) -> None:
    telling = tellings.of(record)
    with suppress(Broken):
        async with telling.attempt():
            await telling.run_began(lineage(record), again=False)
            own_server.stop()
            await eventually(lambda: not bus.connected)
            await telling.node(NodeBegan(ORDERS, NOW))
            raise Broken
    own_server.start()
    await spool.settled(20)
    assert [kind for kind, _ in await told(bus, record)] == ["START", "START", "ABORT"]


async def test_what_a_killed_worker_could_not_tell_is_told_and_closed_by_its_successor(
    bus: Bus,
    tellings: Tellings,
    store: RunStore,
    own_server: NatsServer,
    tmp_path: Path,
    record: RunRecord,
    lineage: Callable[..., RunLineage],
) -> None:
    await store.add(record.model_copy(update={"attempt": 2}))  # somebody else has begun the next attempt
    dead = Spool(bus, tmp_path / "spool", limit_bytes=10_000_000)
    telling = Tellings(bus, dead, store, RunTelemetry()).of(record)
    await telling.run_began(lineage(record), again=False)
    own_server.stop()
    await eventually(lambda: not bus.connected)
    await telling.node(NodeBegan(ORDERS, NOW))
    await dead.close()
    own_server.start()
    await tellings.recover()
    assert [kind for kind, _ in await told(bus, record)] == ["START", "START", "ABORT"]
    await tellings.recover()
    assert len(await told(bus, record)) == 3


async def test_a_run_ends_once_with_what_it_ended_by(
    bus: Bus, tellings: Tellings, record: RunRecord, lineage: Callable[..., RunLineage], openlineage: Any
) -> None:
    telling = await begun(tellings, record, lineage(record))
    await telling.node(NodeDone(ORDERS, NOW, NodeStatus.FAILED, 1.0, "Binder Error"))
    ended = record.model_copy(update={"status": RunStatus.FAILED, "ended_at": NOW.isoformat()})
    await telling.run_ended("FAIL", error="1 node failed", record=ended)
    await tellings.of(ended).run_ended("FAIL", error="1 node failed", record=ended)  # by who takes it up after a crash
    events = [event async for event in lineage_of(bus, record)]
    assert [event["eventType"] for event in events] == ["START", "START", "FAIL", "FAIL"]
    assert events[-1]["run"]["facets"]["errorMessage"]["message"] == "1 node failed"
    assert [problem for event in events for problem in openlineage.problems(event)] == []


async def test_a_cancelled_run_is_aborted_also_by_somebody_who_never_worked_on_it(
    bus: Bus, tellings: Tellings, record: RunRecord, lineage: Callable[..., RunLineage], openlineage: Any
) -> None:
    await tellings.of(record).run_began(lineage(record), again=False)
    ended = record.model_copy(update={"status": RunStatus.CANCELLED, "ended_at": NOW.isoformat()})
    await tellings.of(ended).run_ended("ABORT", error=None, record=ended)
    assert await told(bus, record) == [("START", "shop"), ("ABORT", "shop")]
    assert [problem async for event in lineage_of(bus, record) for problem in openlineage.problems(event)] == []


async def test_messages_can_be_chosen_by_their_headers(
    bus: Bus, tellings: Tellings, record: RunRecord, lineage: Callable[..., RunLineage]
) -> None:
    await begun(tellings, record, lineage(record))
    of_run, of_node = [message.headers async for message in read_stream(bus.js, LINEAGE, "floe.v1.lineage.>")]
    assert of_run["Floe-Run-Id"] == of_node["Floe-Run-Id"] == of_node["Floe-Root-Run-Id"] == record.run_id
    assert (of_run["Floe-Job"], of_node["Floe-Job"]) == ("shop", f"shop.{ORDERS}")
    assert of_node["Floe-Job-Namespace"] == "floe://default/dev"
    assert {of_run["Floe-Event-Type"], of_node["Floe-Event-Type"]} == {"START"}


async def test_nodes_tell_rows_and_failures(
    bus: Bus, tellings: Tellings, record: RunRecord, lineage: Callable[..., RunLineage]
) -> None:
    telling = await begun(tellings, record, lineage(record))
    await telling.node(NodeDone(ORDERS, NOW, NodeStatus.SUCCESS, 1.0, rows=7))
    await telling.node(NodeDone("test.shop.t", NOW, NodeStatus.FAILED, 1.0, "x" * 100_000, failures=2))
    found = [
        decode(each.subject, each.headers, each.data).event async for each in read_stream(bus.js, EVENTS, "floe.v1.>")
    ]
    completed = next(event for event in found if isinstance(event, NodeCompleted))
    failed = next(event for event in found if isinstance(event, NodeFailed))
    assert (completed.rows, failed.failures) == (7, 2)
    assert failed.message is not None
    assert len(failed.message) == 20_000  # an error may repeat a whole query; the bus has its limit


async def test_a_table_of_very_many_columns_is_told_without_them(
    bus: Bus, tellings: Tellings, record: RunRecord, lineage: Callable[..., RunLineage], openlineage: Any
) -> None:
    await begun(tellings, record, lineage(record, graph(80_000)))
    (_, start) = [event async for event in lineage_of(bus, record)]
    assert "schema" not in start["outputs"][0]["facets"]
    assert openlineage.problems(start) == []


async def test_a_landing_says_where_the_table_lies(
    bus: Bus, tellings: Tellings, record: RunRecord, lineage: Callable[..., RunLineage], openlineage: Any
) -> None:
    telling = tellings.of(record)
    await telling.run_began(lineage(record), again=False)
    table = LandedTable(
        identifier="a.orders", unique_id=ORDERS, table_uuid="u", snapshot_id=1, rows=2, files=1, bytes=10
    )
    await telling.landing_began(table.identifier, ORDERS)
    await telling.landing_ended(Landed(table, [("id", "int", "")], created=True), location="file:///lake/orders")
    events = [event async for event in lineage_of(bus, record)]
    assert [problem for event in events for problem in openlineage.problems(event)] == []
    facets = events[-1]["outputs"][0]["facets"]
    assert facets["symlinks"]["identifiers"][0]["name"] == "/lake/orders"
    assert facets["lifecycleStateChange"]["lifecycleStateChange"] == "CREATE"
    assert await telling.count() == 4


async def test_exposures_are_told_once_a_run_and_belong_to_none(
    bus: Bus, tellings: Tellings, spool: Spool, record: RunRecord, lineage: Callable[..., RunLineage]
) -> None:
    board = Exposure(unique_id="exposure.shop.board", name="board", type="dashboard", depends_on=(ORDERS,))
    shown = graph().model_copy(update={"exposures": (board,)})
    await begun(tellings, record, lineage(record, shown))
    second = record.model_copy(update={"attempt": 2})
    telling = tellings.of(second)
    await telling.run_began(lineage(second, shown), again=True)
    await spool.settled(20)
    pattern = lineage_pattern("default", "dev", "shop", event_type=JOB)
    (message,) = [message async for message in read_stream(bus.js, LINEAGE, pattern)]
    assert json.loads(message.data)["job"]["name"] == "shop.exposure.shop.board"
    assert RUN_HEADER not in message.headers
    assert await telling.count() == 4  # the run's START, the node's, its ABORT, and the end that will come


async def test_no_bus_holds_up_what_is_told(
    bus: Bus,
    spool: Spool,
    tellings: Tellings,
    own_server: NatsServer,
    record: RunRecord,
    lineage: Callable[..., RunLineage],
) -> None:
    """A server that hangs is the worst: nothing says that it is away."""
    telling = tellings.of(record)
    await telling.run_began(lineage(record), again=False)
    with frozen(own_server.pid):
        began = asyncio.get_running_loop().time()
        for number in range(100):
            await telling.node(NodeBegan(f"model.shop.m{number}", NOW))
            await telling.node(NodeDone(f"model.shop.m{number}", NOW, NodeStatus.SUCCESS, 0.1))
        assert asyncio.get_running_loop().time() - began < 30  # the first one waits two seconds, the others not at all
        assert spool.waiting == 400
    await spool.settled(20)
    assert len(await told(bus, record)) == 201


async def test_the_root_of_a_chain_is_as_far_back_as_records_go(store: RunStore, record: RunRecord) -> None:
    def of(product: str, run: str, **fields: Any) -> RunRecord:
        return record.model_copy(update={"product": product, "run_id": run, "status": RunStatus.COMPLETED} | fields)

    await store.add(of("sales", "run-b", caused_by="run-a", chain=("web",)))
    led = of("shop", "run-c", caused_by="run-b", chain=("web", "sales"))
    root = await root_of(store, led)
    assert root is not None
    assert (root.place, root.run_id) == (Place("default", "dev", "web"), "run-a")
    assert await root_of(store, record) is None
    gone = await root_of(store, of("shop", "run-d", caused_by="run-x", chain=("web", "sales")))
    assert gone is not None
    assert (gone.place.product, gone.run_id) == ("sales", "run-x")


async def test_spans_of_nodes_have_the_times_that_dbt_tells(
    bus: Bus, spool: Spool, store: RunStore, record: RunRecord, lineage: Callable[..., RunLineage]
) -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(kept))
    telling = Tellings(bus, spool, store, RunTelemetry(tracers, MeterProvider())).of(record)
    async with telling.attempt():
        await telling.run_began(lineage(record), again=False)
        await telling.node(NodeBegan(ORDERS, NOW))
        await telling.node(NodeDone(ORDERS, NOW + timedelta(seconds=2.5), NodeStatus.SUCCESS, 2.5))
    node = next(span for span in kept.get_finished_spans() if span.name == "node")
    run = next(span for span in kept.get_finished_spans() if span.name == "run")
    assert node.end_time is not None
    assert node.start_time is not None
    assert (node.end_time - node.start_time, node.start_time) == (2_500_000_000, int(NOW.timestamp()) * 10**9)
    assert node.parent is not None
    assert node.parent.span_id == run.context.span_id
