"""Spans and metrics of runs: the run, its nodes with dbt's own times, its landings.

A product says in `observability` whether it is traced and measured; exporters run only where an endpoint is set, and
in threads of their own, so that nothing here waits for anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from floe_chassis import run_telemetry_names as names
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Node
from floe_contracts.openlineage.naming import job_namespace
from floe_contracts.runs import RunRecord
from floe_executor.core.lineage import LineageEvent, SpanIds
from floe_executor.core.node_reports import NodeDone, NodeStatus
from floe_executor.core.run_states import queue_seconds

_SYSTEMS: Final = {"postgres": "postgresql", "bigquery": "gcp.bigquery", "redshift": "aws.redshift"}
"""Where the semantic conventions call a warehouse otherwise than dbt does."""
_OTHER: Final = "other"
_RESOURCES: Final = frozenset({"model", "seed", "snapshot", "test", "unit_test", "python", "python_test"})
_TRIGGERS: Final = frozenset({"manual", "compile", "schedule", "event", "retry", "backfill"})


class RunTelemetry:
    """The instruments that all runs of a process share; by default those of the global providers."""

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        self.tracer = trace.get_tracer(names.SCOPE, tracer_provider=tracers)
        meter = metrics.get_meter(names.SCOPE, meter_provider=meters)
        self._runs = meter.create_counter(names.RUNS, unit="{run}", description="Runs that ended.")
        self._attempts = meter.create_counter(names.RUN_ATTEMPTS, unit="{attempt}", description="Attempts of runs.")
        self._duration = meter.create_histogram(names.RUN_DURATION, unit="s", description="First attempt to end.")
        self._queue = meter.create_histogram(names.QUEUE_DURATION, unit="s", description="Request to first attempt.")
        self._nodes = meter.create_counter(names.NODES, unit="{node}", description="Nodes that ended.")
        self._node_duration = meter.create_histogram(names.NODE_DURATION, unit="s", description="Time of a node.")
        self._tables = meter.create_counter(names.LANDED_TABLES, unit="{table}", description="Tables landed.")
        self._rows = meter.create_counter(names.LANDED_ROWS, unit="{row}", description="Rows of landed tables.")
        self._bytes = meter.create_counter(names.LANDED_BYTES, unit="By", description="Bytes of landed tables.")

    def attempt_began(self, record: RunRecord) -> None:
        """Count an attempt, and how long the run had waited for its first one."""
        self._attempts.add(1, _labels(record) | {names.ATTEMPT: "first" if record.attempt <= 1 else "later"})
        waited = queue_seconds(record)
        if record.attempt <= 1 and waited is not None:
            self._queue.record(waited, _labels(record))

    def node_ended(self, record: RunRecord, report: NodeDone) -> None:
        """Count a node; a skipped one took no time."""
        kind = report.unique_id.partition(".")[0]
        labels = {
            names.ENVIRONMENT: record.environment,
            names.NODE_STATUS: report.status.value,
            names.RESOURCE_TYPE: kind if kind in _RESOURCES else _OTHER,
        }
        self._nodes.add(1, labels)
        if report.status is not NodeStatus.SKIPPED:
            self._node_duration.record(report.seconds, labels)

    def landed(self, record: RunRecord, table: LandedTable) -> None:
        """Count a landed table with its rows and bytes."""
        labels = {names.ENVIRONMENT: record.environment}
        self._tables.add(1, labels)
        self._rows.add(table.rows, labels)
        self._bytes.add(table.bytes, labels)

    def run_ended(self, record: RunRecord) -> None:
        """Count a run by how it ended, and the time since its first attempt."""
        labels = _labels(record) | {names.STATUS: record.status.value}
        self._runs.add(1, labels)
        if record.started_at is not None and record.ended_at is not None:
            took = datetime.fromisoformat(record.ended_at) - datetime.fromisoformat(record.started_at)
            self._duration.record(max(took.total_seconds(), 0.0), labels)


def _labels(record: RunRecord) -> dict[str, str]:
    trigger = record.trigger if record.trigger in _TRIGGERS else _OTHER
    return {names.ENVIRONMENT: record.environment, names.TRIGGER: trigger}


def run_attributes(record: RunRecord, more: Mapping[str, str]) -> dict[str, str | int]:
    """What the span of a run says; `more` are those of the product, and win nothing over these."""
    found: dict[str, str | int] = {
        **more,
        names.RUN_ID: record.run_id,
        names.ATTEMPT: record.attempt,
        names.TRIGGER: record.trigger,
        names.TENANT: record.tenant,
        names.ENVIRONMENT: record.environment,
        names.PRODUCT: record.product,
        names.ARTIFACT: record.artifact_digest,
        names.OPENLINEAGE_RUN: record.run_id,
        names.OPENLINEAGE_JOB: record.product,
        names.OPENLINEAGE_NAMESPACE: job_namespace(record.place),
    }
    if record.options.partition is not None:
        found[names.PARTITION] = record.options.partition
    return found


def node_attributes(unique_id: str, node: Node | None, warehouse: str) -> dict[str, str]:
    """What the span of a node says."""
    kind = unique_id.partition(".")[0]
    found = {
        names.NODE_ID: unique_id,
        names.RESOURCE_TYPE: kind if kind in _RESOURCES else _OTHER,
        names.DB_SYSTEM: _SYSTEMS.get(warehouse, warehouse),
    }
    if node is not None:
        found[names.DB_COLLECTION] = node.identifier
        found[names.DB_NAMESPACE] = ".".join(name for name in (node.database, node.schema_name) if name)
    return found


def lineage_attributes(event: LineageEvent) -> dict[str, str]:
    """The run of OpenLineage that a span is."""
    return {
        names.OPENLINEAGE_RUN: event["run"]["runId"],
        names.OPENLINEAGE_JOB: event["job"]["name"],
        names.OPENLINEAGE_NAMESPACE: event["job"]["namespace"],
    }


def span_ids(span: Span) -> SpanIds | None:
    """The ids of a span, in hex digits; None where nothing is traced."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return format(context.trace_id, "032x"), format(context.span_id, "016x")


def nanoseconds(at: datetime) -> int:
    """A time as spans have it."""
    return round(at.timestamp() * 1_000_000) * 1_000


def failed(span: Span, error_type: str, message: str | None = None) -> None:
    """Mark a span as failed; the message goes to the status, the type is one of a few words."""
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR, (message or error_type)[:1000]))
