"""Logs, traces and metrics of a process, set up once.

Spans have ids with or without an exporter, so that events and logs can be joined; exporters start only where
`OTEL_EXPORTER_OTLP_ENDPOINT` is set. The SDK and the exporters are imported only when they are needed.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog
from opentelemetry import metrics, trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

from floe_chassis.settings import ChassisSettings

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_DISABLED: Final = "OTEL_SDK_DISABLED"
_PARTING_SECONDS: Final = 2.0
"""What the end of a process gives to an endpoint that does not answer, for what is not exported yet."""
_CHATTY: Final = ("alembic", "asyncio", "nats", "uvicorn", "urllib3")

_configured: list[str] = []


def configure(service_name: str, settings: ChassisSettings) -> None:
    """Set up logs, traces and metrics of this process; a second call changes nothing.

    Args:
        service_name: `service.name` of everything that is exported, and `service` of logs that name no other.
        settings: `log_format` and `log_level`.
    """
    if _configured:
        return
    _configured.append(service_name)
    configure_logs(service_name, settings)
    if os.environ.get(_DISABLED, "").strip().lower() == "true":
        trace.set_tracer_provider(NoOpTracerProvider())
        metrics.set_meter_provider(NoOpMeterProvider())
        return
    _set_providers(service_name, exporting=bool(os.environ.get(_ENDPOINT)))


def configure_logs(service_name: str, settings: ChassisSettings) -> None:
    """Send structlog's and the standard library's records to stderr or a file, in the format of the settings."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service_adder(service_name),
        _add_trace,
        structlog.processors.StackInfoRenderer(),
    ]
    rendering: list[structlog.typing.Processor] = (
        [_tracebacks(), structlog.processors.JSONRenderer()] if settings.log_format == "json" else [_console()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        cache_logger_on_first_use=False,
    )
    handler = logging.FileHandler(settings.log_file) if settings.log_file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _set_providers(service_name: str, *, exporting: bool) -> None:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    resource = Resource.create({"service.name": service_name, "service.namespace": "floe"})
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    trace.set_tracer_provider(tracers)
    if not exporting:
        # Ids are wanted even so; numbers that nobody reads are not.
        metrics.set_meter_provider(NoOpMeterProvider())
        return
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    meters = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(meters)
    _shut_down_at_exit(tracers.shutdown, meters.shutdown)


def _shut_down_at_exit(*shutdowns: Callable[[], object]) -> None:
    """Export what is left when the process ends, without waiting for long; the SDK by itself waits half a minute."""
    ending = threading.Event()

    def part(shutdown: Callable[[], object]) -> None:
        ending.wait()
        shutdown()

    # Started now: a process that ends starts no threads.
    parting = [threading.Thread(target=part, args=(shutdown,), daemon=True) for shutdown in shutdowns]
    for thread in parting:
        thread.start()

    def leave() -> None:
        ending.set()
        deadline = time.monotonic() + _PARTING_SECONDS
        for thread in parting:
            thread.join(max(0.0, deadline - time.monotonic()))

    atexit.register(leave)


def _tracebacks() -> structlog.typing.Processor:
    # Local variables hold secrets; both of structlog's formatters show them unless told not to.
    return structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def _console() -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _service_adder(service_name: str) -> structlog.typing.Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", service_name)
        return event

    return add


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event
