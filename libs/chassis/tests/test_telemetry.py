"""Spans, metrics and logs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

from floe_chassis import telemetry_names as names
from floe_chassis.bus import Bus
from floe_chassis.bus_telemetry import BusTelemetry, current_traceparent
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import SPECS
from floe_contracts.cloudevents import Attributes, Received
from floe_contracts.errors import Permanent
from floe_contracts.events import ArtifactRejected, SpecSubmitted

DIGEST = "sha256:" + "0" * 64
SUBJECT = "floe.v1.spec.submitted.default.shop"


def submission(product: str = "shop") -> SpecSubmitted:
    return SpecSubmitted(tenant="default", product=product, submission="s", bundle=DIGEST)


class Traced:
    """A compiler whose spans and metrics are kept."""

    def __init__(self, settings: ChassisSettings) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        telemetry = BusTelemetry("compiler", self.tracers, MeterProvider(metric_readers=[self.reader]))
        self.service = Service("compiler", settings, Bus("compiler", settings, telemetry))

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def points(self, metric: str) -> list[dict[str, object]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        found = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == metric]
        return [dict(point.attributes or {}) for m in found for point in m.data.data_points]


@pytest.fixture
async def traced(bus_settings: ChassisSettings) -> AsyncIterator[Traced]:
    compiler = Traced(bus_settings)
    yield compiler
    await compiler.service.stop()


async def test_spans_have_the_right_parents_across_publish_handle_publish(bus: Bus, traced: Traced) -> None:
    async def handle(message: Received[SpecSubmitted]) -> None:
        event = ArtifactRejected(tenant="default", product="shop", submission="s", stage="parse", problems=())
        await traced.service.bus.publish(event, id="rejected", cause=message.attributes)

    traced.service.subscribe("compiler", SpecSubmitted, handle)
    await traced.service.start()
    with traced.tracers.get_tracer("test").start_as_current_span("push") as push:
        await traced.service.bus.publish(submission(), id="submitted")
    (process,) = await eventually(lambda: traced.spans("process floe.v1.spec.submitted"))
    (first,) = traced.spans("send floe.v1.spec.submitted")
    (second,) = traced.spans("send floe.v1.artifacts.rejected")
    assert first.parent is not None
    assert first.parent.span_id == push.get_span_context().span_id
    assert process.parent is not None
    assert process.parent.span_id == first.context.span_id
    assert second.parent is not None
    assert second.parent.span_id == process.context.span_id
    assert len({span.context.trace_id for span in (first, process, second)}) == 1
    assert (first.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert process.attributes == {
        names.MESSAGING_SYSTEM: "nats",
        names.OPERATION_TYPE: "process",
        names.OPERATION_NAME: "process",
        names.DESTINATION: "floe.v1.spec.submitted",
        names.CLIENT: "compiler",
        names.CONSUMER: "compiler",
        names.MESSAGE_ID: "submitted",
    }
    stored = await bus.js.get_msg("FLOE_ARTIFACTS", 1)
    assert (stored.headers or {})["traceparent"].split("-")[2] == format(second.context.span_id, "016x")
    assert (stored.headers or {})["ce-causeid"] == "submitted"


async def test_a_failing_handler_marks_its_span_and_the_redelivery_is_counted(bus: Bus, traced: Traced) -> None:
    deliveries = []

    async def handle(_: Received[SpecSubmitted]) -> None:
        deliveries.append(trace.get_current_span().is_recording())
        if len(deliveries) == 1:
            raise ZeroDivisionError
        raise Permanent("never")

    traced.service.subscribe("compiler", SpecSubmitted, handle)
    await traced.service.start()
    await bus.publish(submission(), id="x")
    first, second = await eventually(
        lambda: (len(found := traced.spans("process floe.v1.spec.submitted")) == 2 and found) or []
    )
    assert deliveries == [True, True]
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "ZeroDivisionError")
    assert [event.name for event in first.events] == ["exception"]
    assert (second.attributes or {})[names.DELIVERIES] == 2
    (buried,) = traced.spans("send floe.v1.dlq")
    assert buried.parent is not None
    assert buried.parent.span_id == second.context.span_id
    (point,) = traced.points(names.DEAD_LETTERS)
    assert point[names.ERROR_TYPE] == "FLOE-CORE-003"


async def test_labels_do_not_grow_with_products(bus: Bus, traced: Traced) -> None:
    handled = []

    async def handle(message: Received[SpecSubmitted]) -> None:
        handled.append(message.event.product)

    traced.service.subscribe("compiler", SpecSubmitted, handle)
    await traced.service.start()
    for number in range(20):
        await traced.service.bus.publish(submission(f"p{number}"), id=f"p{number}")
    await eventually(lambda: len(handled) == 20)
    for metric in (names.SENT_MESSAGES, names.CONSUMED_MESSAGES, names.PROCESS_DURATION):
        (point,) = traced.points(metric)
        assert point[names.DESTINATION] == "floe.v1.spec.submitted"
    assert len({span.name for span in traced.exporter.get_finished_spans()}) == 2


async def test_without_a_span_the_cause_passes_its_trace_on(bus: Bus) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    first = await bus.js.publish(SUBJECT, b"", headers={"ce-traceparent": traceparent})
    assert current_traceparent() is None
    cause = Attributes(id="c", source="s", time=datetime.now(UTC), traceparent=traceparent)
    # Whatever other tests made of the global provider.
    bus.telemetry = BusTelemetry("test", NoOpTracerProvider())
    second = await bus.publish(submission(), id="x", cause=cause)
    assert second.seq == first.seq + 1
    assert ((await bus.js.get_msg(SPECS, second.seq)).headers or {})["traceparent"] == traceparent


def test_the_path_without_an_exporter_is_cheap() -> None:
    telemetry = BusTelemetry("compiler", TracerProvider())
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Nats-Msg-Id": "x"}
    rounds, took = 400, []
    for _ in range(5):
        started = time.thread_time()
        for _ in range(rounds):
            with telemetry.process(SUBJECT, headers, "compiler", 1), telemetry.send(SUBJECT, "x"):
                current_traceparent()
        took.append((time.thread_time() - started) / rounds)
    # Measured 70 microseconds for both spans; a regression by an exporter or a lookup would show as milliseconds.
    assert min(took) < 0.0005


class _Collector(BaseHTTPRequestHandler):
    paths: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


PROGRAM = """
    import logging, os, sys
    import structlog
    from opentelemetry import metrics, trace
    from floe_chassis import telemetry
    from floe_chassis.settings import ChassisSettings
    from floe_chassis.telemetry import configure
    telemetry._PARTING_SECONDS = float(os.environ.get("PARTING_SECONDS", telemetry._PARTING_SECONDS))
    file = sys.argv[2] if len(sys.argv) > 2 else None
    configure("compiler", ChassisSettings(log_format=sys.argv[1], log_file=file))
    configure("other", ChassisSettings(log_level="ERROR"))
    secret = "hush"
    with trace.get_tracer("t").start_as_current_span("work"):
        structlog.get_logger("floe.test").info("said", n=1)
        logging.getLogger("nats").error("foreign %s", "record")
        try:
            raise ValueError("no")
        except ValueError:
            structlog.get_logger("floe.test").exception("failed")
    metrics.get_meter("t").create_counter("c").add(1)
    print([name for name in sys.modules if name.startswith("opentelemetry.exporter.otlp.proto.http.")])
"""


def run_program(log_format: str, *arguments: str, **environment: str) -> tuple[str, list[str]]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), log_format, *arguments]
    base = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(command, env=base | environment, capture_output=True, text=True, timeout=40, check=True)
    return done.stdout.strip(), done.stderr.splitlines()


def test_logs_are_json_with_trace_ids_and_no_local_variables() -> None:
    exporters, lines = run_program("json")
    said, foreign, failed = (json.loads(line) for line in lines)
    assert (said["event"], said["level"], said["service"], said["n"]) == ("said", "info", "compiler", 1)
    assert (foreign["event"], foreign["logger"]) == ("foreign record", "nats")
    assert len(said["trace_id"]) == 32
    assert said["trace_id"] == foreign["trace_id"] == failed["trace_id"]
    assert failed["exception"][0]["exc_type"] == "ValueError"
    assert "hush" not in json.dumps(failed)
    assert exporters == "[]"


def test_the_console_format_shows_no_local_variables_either() -> None:
    _, lines = run_program("console")
    assert "said" in lines[0]
    assert any("ValueError: no" in line for line in lines)
    assert not any("hush" in line for line in lines)


def test_logs_go_to_a_file_where_one_is_set(tmp_path: Path) -> None:
    _, lines = run_program("json", str(tmp_path / "floe.log"))
    assert lines == []
    written = (tmp_path / "floe.log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in written] == ["said", "foreign record", "failed"]


def test_an_endpoint_that_never_answers_does_not_hold_up_the_end_of_a_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ended = run_program("json", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="50")
    assert "exporter" in ended[0]  # it came to its end, which the timeout of the program's run makes sure of


def test_exporters_run_only_where_an_endpoint_is_set() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as collector:
        collector.paths = []  # type: ignore[attr-defined]
        Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        run_program("json", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, PARTING_SECONDS="30")
        assert set(collector.paths) == {"/v1/traces", "/v1/metrics"}  # type: ignore[attr-defined]
        collector.paths = []  # type: ignore[attr-defined]
        _, lines = run_program("json", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_SDK_DISABLED="true")
        assert collector.paths == []  # type: ignore[attr-defined]
        assert "trace_id" not in json.loads(lines[0])
        collector.shutdown()
