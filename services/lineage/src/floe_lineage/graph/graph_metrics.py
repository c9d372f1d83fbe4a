"""The metrics of the graph."""

from __future__ import annotations

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from floe_chassis import lineage_telemetry_names as names


class GraphMetrics:
    """Counts what the graph reads and tells, and how far it is behind."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        """Use the global provider unless another is given."""
        meter = metrics.get_meter(names.SCOPE, meter_provider=meter_provider)
        self._events = meter.create_counter(names.GRAPH_EVENTS, unit="{event}")
        self._told = meter.create_counter(names.GRAPH_TOLD, unit="{event}")
        self._waiting = meter.create_gauge(names.GRAPH_WAITING, unit="{event}")

    def read(self, taken: int, passed_over: int) -> None:
        """So many events were read, and so many of them were none."""
        self._events.add(taken, {names.OUTCOME: "taken"})
        if passed_over:
            self._events.add(passed_over, {names.OUTCOME: "passed over"})

    def told(self) -> None:
        """A finding was told."""
        self._told.add(1)

    def waiting(self, events: int) -> None:
        """So many events are not read yet."""
        self._waiting.set(events)
