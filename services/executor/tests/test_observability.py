"""Runs of the real executor, seen from outside: types in the lineage, spans, metrics, and endpoints that are away."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from floe_chassis import run_telemetry_names as names
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import EVENTS
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.cloudevents import decode
from floe_contracts.events import NodeCompleted, NodeEvent, NodeFailed, RunEvent, SourceReference
from floe_executor import wiring
from floe_executor.runs.run_telemetry import RunTelemetry

from .lasting_models import held

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py

KINDS = {
    "seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "models/orders.sql": "select id, customer from {{ ref('raw_orders') }}",
    "models/grown.sql": "{{ config(materialized='incremental') }} select id, 1.5::decimal(9, 2) as price"
    " from {{ ref('orders') }}",
    "models/shown.sql": "{{ config(materialized='view') }} select customer, count(*) as orders"
    " from {{ ref('grown') }} join {{ ref('orders') }} using (id) group by all",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all') }}"
    "select * from {{ ref('raw_orders') }}{% endsnapshot %}",
    "models/schema.yml": """\
models:
  - name: orders
    columns:
      - {name: id, description: The order., data_tests: [unique, not_null]}
      - {name: customer, data_tests: [{accepted_values: {arguments: {values: [ann]}, config: {severity: warn}}}]}
""",
}
BROKEN = KINDS | {"models/broken.sql": "select cast(customer as integer) as number from {{ ref('raw_orders') }}"}


@dataclass
class Observed:
    """What runs have told to OpenTelemetry."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def points(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        found = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        return {metric.name: list(metric.data.data_points) for metric in found}


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> Observed:
    """Executors of the test tell their spans and metrics to it instead of the global providers."""
    found = Observed(InMemorySpanExporter(), InMemoryMetricReader())
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(found.exporter))
    telemetry = RunTelemetry(tracers, MeterProvider(metric_readers=[found.reader]))
    monkeypatch.setattr(wiring, "RunTelemetry", lambda: telemetry)
    return found


async def with_observability(stack: Stack, artifact: str, **changes: Any) -> str:
    """The same artifact with other wishes of what is told."""
    document = json.loads(await stack.blobs.get(artifact))
    document["observability"] |= changes
    digest: str = await stack.blobs.put(CompiledArtifacts.model_validate(document).to_bytes())
    return digest


async def test_every_output_has_its_types_and_every_test_its_result(stack: Stack, openlineage: Any) -> None:
    await stack.start()
    source = SourceReference(repository="https://github.com/acme/shop", ref="refs/heads/main", commit="4f0c1c2d" * 5)
    run = await stack.request(await stack.compile(KINDS), source=source)
    completed = await stack.completed(run)
    lineage = await stack.lineage(run)
    assert [problem for event in lineage for problem in openlineage.problems(event)] == []
    ended = {event["job"]["name"]: event for event in lineage if event["eventType"] == "COMPLETE"}

    types = {
        name.removeprefix("shop."): [(field["name"], field["type"]) for field in facets["schema"]["fields"]]
        for name, event in ended.items()
        if ".land." not in name
        for facets in (output["facets"] for output in event["outputs"])
    }
    assert types["model.shop.orders"] == [("id", "INTEGER"), ("customer", "VARCHAR")]
    assert types["model.shop.grown"] == [("id", "INTEGER"), ("price", "DECIMAL(9,2)")]
    assert types["model.shop.shown"] == [("customer", "VARCHAR"), ("orders", "BIGINT")]
    assert types["seed.shop.raw_orders"] == [("id", "INTEGER"), ("customer", "VARCHAR")]
    assert types["snapshot.shop.kept"][:2] == [("id", "INTEGER"), ("customer", "VARCHAR")]
    (read,) = ended["shop.model.shop.grown"]["inputs"]
    assert [field["type"] for field in read["facets"]["schema"]["fields"]] == ["INTEGER", "VARCHAR"]
    assert "select id, customer from" in ended["shop.model.shop.orders"]["job"]["facets"]["sql"]["query"]
    assert "ref(" not in ended["shop.model.shop.orders"]["job"]["facets"]["sql"]["query"]

    code = {name: event["job"]["facets"].get("sourceCodeLocation", {}) for name, event in ended.items()}
    assert {place["version"] for place in code.values() if place} == {source.commit}
    assert {name.partition(".")[2]: place.get("path") for name, place in code.items() if ".land." not in name} == {
        "": None,
        "model.shop.grown": "dbt/models/grown.sql",
        "model.shop.orders": "dbt/models/orders.sql",
        "model.shop.shown": "dbt/models/shown.sql",
        "seed.shop.raw_orders": "dbt/seeds/raw_orders.csv",
        "snapshot.shop.kept": "dbt/snapshots/kept.sql",
        **{name.partition(".")[2]: "dbt/models/schema.yml" for name in code if ".test." in name},
    }

    tests = {name: event["inputs"][0]["inputFacets"] for name, event in ended.items() if ".test." in name}
    results = Counter(
        (each["assertion"], each["success"], each.get("severity"))
        for facets in tests.values()
        for each in facets["dataQualityAssertions"]["assertions"]
    )
    assert set(results) == {("unique", True, None), ("not_null", True, None), ("accepted_values", False, "warn")}
    assert {facets["dataQualityMetrics"]["rowCount"] for facets in tests.values()} == {3}
    landed = {table.identifier: ended[f"shop.land.{table.identifier}"]["outputs"][0] for table in completed.tables}
    for table in completed.tables:
        (link,) = landed[table.identifier]["facets"]["symlinks"]["identifiers"]
        assert (link["type"], Path(link["name"]).name) == ("LOCATION", table.identifier.rpartition(".")[2])
    orders = landed["default.dev.shop.main.orders"]["facets"]["schema"]["fields"][0]
    assert orders["description"] == "The order."


async def test_nodes_tell_their_rows_and_the_error_itself_at_once(stack: Stack, observed: Observed) -> None:
    await stack.start()
    run = await stack.request(await stack.compile(BROKEN))
    await stack.failed(run)
    nodes = [event for event in await stack.events(run) if isinstance(event, NodeEvent)]
    rows = {event.unique_id: event.rows for event in nodes if isinstance(event, NodeCompleted)}
    assert rows["seed.shop.raw_orders"] == rows["model.shop.orders"] == rows["model.shop.grown"] == 3
    assert rows["model.shop.shown"] is None
    (warned,) = [event for event in nodes if isinstance(event, NodeCompleted) and event.status == "warned"]
    assert warned.failures == 1
    (failed,) = [event for event in nodes if isinstance(event, NodeFailed)]
    assert failed.message is not None
    assert "Could not convert string 'ann'" in failed.message
    (lineage,) = [
        event
        for event in await stack.lineage(run)
        if event["eventType"] == "FAIL" and event["job"]["name"] == "shop.model.shop.broken"
    ]
    assert "Could not convert string 'ann'" in lineage["run"]["facets"]["errorMessage"]["message"]
    await eventually(lambda: len(observed.spans("run")) == 1)
    wrong = {
        (span.name, (span.attributes or {})[names.ERROR_TYPE])
        for span in observed.exporter.get_finished_spans()
        if span.status.status_code is StatusCode.ERROR
    }
    assert wrong == {("run", "run_failed"), ("node", "node_failed")}


async def test_a_run_is_one_trace_of_run_nodes_and_landings(stack: Stack, observed: Observed) -> None:
    await stack.start()
    artifact = await with_observability(stack, await stack.compile(KINDS), attributes={"team": "shop"})
    run = await stack.request(artifact)
    completed = await stack.completed(run)
    await eventually(lambda: len(observed.spans("run")) == 1)
    (root,) = observed.spans("run")
    nodes, landings = observed.spans("node"), observed.spans("landing")
    assert len(nodes) == len(completed.nodes)
    assert {(span.attributes or {})[names.NODE_ID] for span in nodes} == {node.unique_id for node in completed.nodes}
    assert len(landings) == len(completed.tables)
    for span in (*nodes, *landings):
        assert span.parent is not None
        assert span.parent.span_id == root.context.span_id
        assert (span.attributes or {})["team"] == "shop"
    assert (root.attributes or {})[names.STATUS] == "completed"
    assert (root.attributes or {})[names.OPENLINEAGE_RUN] == run
    systems = {(span.attributes or {})[names.DB_SYSTEM] for span in nodes}
    assert systems == {"duckdb"}
    await _lineage_and_trace_know_each_other(stack, run, [root, *nodes, *landings])


async def _lineage_and_trace_know_each_other(stack: Stack, run: str, spans: list[ReadableSpan]) -> None:
    linked = {(span.attributes or {})[names.OPENLINEAGE_RUN]: format(span.context.span_id, "016x") for span in spans}
    lineage = await stack.lineage(run)
    traced = {event["run"]["runId"]: event["run"]["facets"]["floe_trace"]["spanId"] for event in lineage}
    assert traced == linked
    assert len({event["run"]["facets"]["floe_trace"]["traceId"] for event in lineage}) == 1
    async for message in read_stream(stack.bus.js, EVENTS, "floe.v1.node.>"):
        parent = (message.headers or {})["ce-traceparent"].split("-")
        assert parent[2] in linked.values()


async def test_metrics_count_by_labels_that_do_not_grow(stack: Stack, observed: Observed) -> None:
    await stack.start()
    artifact = await stack.compile(BROKEN)
    for number in range(2):
        await stack.failed(await stack.request(artifact, cause=f"bad:{number}"))
    completed = await stack.completed(await stack.request(await stack.compile(KINDS), cause="good"))
    await eventually(lambda: sum(point.value for point in observed.points().get(names.RUNS, ())) == 3)
    points = observed.points()
    runs = {
        (point.attributes[names.STATUS], point.attributes[names.TRIGGER]): point.value for point in points[names.RUNS]
    }
    assert runs == {("failed", "manual"): 2, ("completed", "manual"): 1}
    nodes = Counter[tuple[str, str]]()
    for point in points[names.NODES]:
        nodes[point.attributes[names.RESOURCE_TYPE], point.attributes[names.NODE_STATUS]] += point.value
    assert nodes["model", "failed"] == 2
    assert nodes["seed", "success"] == 3
    assert nodes["test", "warned"] == 3
    assert sum(point.value for point in points[names.LANDED_ROWS]) == sum(table.rows for table in completed.tables)
    assert sum(point.value for point in points[names.LANDED_BYTES]) == sum(table.bytes for table in completed.tables)
    assert sum(point.count for point in points[names.QUEUE_DURATION]) == 3
    assert sum(point.count for point in points[names.RUN_DURATION]) == 3
    labels = {value for found in points.values() for point in found for value in point.attributes.values()}
    assert not {value for value in labels if "shop" in str(value) or "default" in str(value)}
    _every_declared_name_is_used_and_no_other(observed)


def _every_declared_name_is_used_and_no_other(observed: Observed) -> None:
    points, spans = observed.points(), observed.exporter.get_finished_spans()
    used = {span.name for span in spans} | {name for span in spans for name in span.attributes or {}} | set(points)
    used |= {name for found in points.values() for point in found for name in point.attributes}
    declared = {value for name, value in vars(names).items() if name.isupper() and name != "SCOPE"}
    # This product has no partitions, and nothing starts it but requests.
    assert used == declared - {names.PARTITION, names.CIRCLES_ENDED}
    assert {span.instrumentation_scope.name for span in spans if span.instrumentation_scope} == {names.SCOPE}


@pytest.mark.parametrize("part", ["traces", "metrics", "lineage"])
async def test_a_product_says_what_is_told_of_it(stack: Stack, observed: Observed, part: str) -> None:
    await stack.start()
    artifact = await with_observability(stack, await stack.compile(KINDS), **{part: False})
    run = await stack.request(artifact)
    completed = await stack.completed(run)
    lineage = await stack.lineage(run)
    if part != "metrics":
        await eventually(lambda: sum(point.value for point in observed.points().get(names.RUNS, ())) == 1)
    assert (len(lineage) > 0) == (part != "lineage")
    assert completed.lineage_events == len(lineage)
    assert (len(observed.spans("node")) > 0) == (part != "traces")
    assert any("floe_trace" in event["run"]["facets"] for event in lineage) == (part == "metrics")
    assert (names.NODES in observed.points()) == (part != "metrics")
    assert len(completed.tables) == 4


@pytest.fixture
def silence() -> Iterator[tuple[str, Callable[[], int]]]:
    """An endpoint that takes connections and never answers; its address, and how many came."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connections.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/traces", lambda: len(connections)
        server.shutdown(socket.SHUT_RDWR)
    for each in connections:
        each.close()


async def test_an_otlp_endpoint_that_never_answers_holds_nothing_up(
    stack: Stack, silence: tuple[str, Callable[[], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, connections = silence
    tracers = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(address, timeout=300)
    tracers.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1, max_export_batch_size=1))
    telemetry = RunTelemetry(tracers)
    monkeypatch.setattr(wiring, "RunTelemetry", lambda: telemetry)
    await stack.start()
    run = await stack.request(await stack.compile(KINDS))
    # The exporter's first request is never answered, and its timeout is longer than this test may take.
    completed = await stack.completed(run)
    assert connections() == 1
    assert len(await stack.lineage(run)) == completed.lineage_events
    await asyncio.to_thread(exporter.shutdown)


class TestWithoutTheBus:
    """The bus goes away in the middle of a build, and comes back before the lease of the run ends."""

    @pytest.fixture
    def bus_settings(self, bus_settings: ChassisSettings, own_server: NatsServer) -> ChassisSettings:
        return bus_settings.model_copy(update={"nats_url": own_server.url})

    @pytest.fixture
    def lease_seconds(self) -> float:
        """Longer than the bus is away, whatever the machine has to do beside."""
        return 60.0

    async def test_the_build_goes_on_and_all_of_it_is_told_in_order(
        self, stack: Stack, own_server: NatsServer, openlineage: Any, tmp_path: Path
    ) -> None:
        await stack.start()
        chain = {f"models/m{n}.sql": f"select n from {{{{ ref('m{n - 1}') }}}}" for n in range(2, 6)}
        first = {"models/m0.sql": "select 1 as n", "models/m1.py": held(tmp_path / "go", "m0")}
        run = await stack.request(await stack.compile(first | chain))
        await stack.until_started(run, "model.shop.m1")
        own_server.stop()
        (tmp_path / "go").touch()

        def spooled() -> list[str]:
            folder = Path(stack.environment["FLOE_WORK_DIR"]) / "executor" / "spool"
            return [line for file in folder.glob("*.ndjson") for line in file.read_text().splitlines()]

        # dbt has gone on to another model, while nothing can be told.
        await eventually(lambda: any(".node.started." in line and "m2" in line for line in spooled()))
        own_server.start()
        completed = await stack.completed(run)

        assert completed.attempt == 1
        assert {node.status for node in completed.nodes} == {"success"}
        nodes = [event for event in await stack.events(run) if isinstance(event, NodeEvent)]
        told = [(event.kind, event.unique_id) for event in nodes]
        assert told == [(kind, f"model.shop.m{n}") for n in range(6) for kind in ("node.started", "node.completed")]
        lineage = await stack.lineage(run)
        assert [problem for event in lineage for problem in openlineage.problems(event)] == []
        assert len(lineage) == completed.lineage_events
        order = [(event["run"]["runId"], event["eventType"]) for event in lineage]
        assert len(set(order)) == len(order)
        for each, kind in order:
            if kind == "COMPLETE":
                assert order.index((each, "START")) < order.index((each, "COMPLETE"))
        assert {kind for _, kind in order} == {"START", "COMPLETE"}
        assert spooled() == []
        last = None
        async for message in read_stream(stack.bus.js, EVENTS, "floe.v1.>"):
            last = decode(message.subject, message.headers, message.data).event
        assert isinstance(last, RunEvent)
        assert last.kind == "run.completed"
        assert stack.tables() == [f"m{n}" for n in range(6)]
