"""Spans and metrics of the bus: `send` and `process` with the right parents, labels without tenants or products."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from floe_chassis import telemetry_names as names
from floe_contracts import subjects
from floe_contracts.cloudevents import MESSAGE_ID

_W3C = TraceContextTextMapPropagator()


class BusTelemetry:
    """Traces and counts the messages of one service.

    Args:
        client: name of the service.
        tracer_provider: the global one when left out.
        meter_provider: the global one when left out.
    """

    def __init__(
        self,
        client: str,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._client = client
        self._tracer = trace.get_tracer(names.SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(names.SCOPE, meter_provider=meter_provider)
        self._sent = meter.create_counter(names.SENT_MESSAGES, unit="{message}")
        self._consumed = meter.create_counter(names.CONSUMED_MESSAGES, unit="{message}")
        self._duration = meter.create_histogram(names.PROCESS_DURATION, unit="s")
        self._dead = meter.create_counter(names.DEAD_LETTERS, unit="{message}")

    @contextmanager
    def send(self, subject: str, message_id: str) -> Iterator[None]:
        """The span of one publish; its context is what the message carries on."""
        template = subjects.template(subject)
        attributes = self._attributes(names.SEND, template) | {names.MESSAGE_ID: message_id}
        labels = {names.DESTINATION: template, names.CLIENT: self._client}
        with self._tracer.start_as_current_span(
            f"{names.SEND} {template}", kind=SpanKind.PRODUCER, attributes=attributes
        ):
            try:
                yield
            except BaseException as error:
                self._sent.add(1, labels | {names.ERROR_TYPE: type(error).__name__})
                raise
            self._sent.add(1, labels)

    @contextmanager
    def process(self, subject: str, headers: Mapping[str, str], consumer: str, deliveries: int) -> Iterator[Span]:
        """The span of one handling, child of the span that sent the message."""
        template = subjects.template(subject)
        attributes: dict[str, str | int] = self._attributes(names.PROCESS, template) | {names.CONSUMER: consumer}
        if message_id := headers.get(MESSAGE_ID):
            attributes[names.MESSAGE_ID] = message_id
        if deliveries > 1:
            attributes[names.DELIVERIES] = deliveries
        labels = {names.DESTINATION: template, names.CONSUMER: consumer}
        started = time.monotonic()
        with self._tracer.start_as_current_span(
            f"{names.PROCESS} {template}",
            context=sender_context(headers),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                # What the handler raised is the cause of what the delivery made of it.
                failure = error.__cause__ or error
                span.record_exception(failure)
                span.set_status(StatusCode.ERROR, type(failure).__name__)
                labels |= {names.ERROR_TYPE: type(failure).__name__}
                raise
            finally:
                self._consumed.add(1, labels)
                self._duration.record(time.monotonic() - started, labels)

    def dead_letter(self, subject: str, consumer: str, code: str) -> None:
        """Count one dead letter."""
        self._dead.add(
            1, {names.DESTINATION: subjects.template(subject), names.CONSUMER: consumer, names.ERROR_TYPE: code}
        )

    def _attributes(self, operation: str, template: str) -> dict[str, str | int]:
        return {
            names.MESSAGING_SYSTEM: "nats",
            names.OPERATION_TYPE: operation,
            names.OPERATION_NAME: operation,
            names.DESTINATION: template,
            names.CLIENT: self._client,
        }


def sender_context(headers: Mapping[str, str]) -> Context:
    """The trace context of whoever sent a message; an empty one if it carries none."""
    traceparent = headers.get("traceparent") or headers.get("ce-traceparent")
    return _W3C.extract({"traceparent": traceparent} if traceparent else {}, context=Context())


def current_traceparent() -> str | None:
    """The W3C traceparent of the running span, or None outside of any."""
    carrier: MutableMapping[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")
