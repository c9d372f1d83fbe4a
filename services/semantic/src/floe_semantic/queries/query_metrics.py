"""Counts of queries: told by Cube, told as runs, and told nowhere."""

from __future__ import annotations

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from floe_chassis import query_telemetry_names as names


class QueryMetrics:
    """The counters of query lineage."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        """Count with the global provider, or another one."""
        meter = metrics.get_meter(names.SCOPE, meter_provider=meter_provider)
        self._queries = meter.create_counter(names.QUERIES, unit="{query}")
        self._runs = meter.create_counter(names.RUNS, unit="{run}")
        self._untold = meter.create_counter(names.UNTOLD, unit="{query}")

    def query(self, outcome: str) -> None:
        """Count a query that has ended."""
        self._queries.add(1, {names.OUTCOME: outcome})

    def run(self) -> None:
        """Count a run that was told."""
        self._runs.add(1)

    def untold(self, count: int, reason: str) -> None:
        """Count queries that are in no run."""
        if count:
            self._untold.add(count, {names.REASON: reason})
