"""Spans and metrics of what is done to tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from floe_catalog.core.maintenance_actions import BY_COMMITS, BY_SCHEDULE, ActionResult, TableWork
from floe_chassis import maintenance_telemetry_names as names
from floe_contracts.events.tables import MaintenanceAction

_SOMEBODY = "request"


class MaintenanceTelemetry:
    """The instruments of all maintenance of a process; by default those of the global providers."""

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        self._tracer = trace.get_tracer(names.SCOPE, tracer_provider=tracers)
        meter = metrics.get_meter(names.SCOPE, meter_provider=meters)
        self._actions = meter.create_counter(names.ACTIONS, unit="{action}", description="Actions on tables.")
        self._duration = meter.create_histogram(names.ACTION_DURATION, unit="s", description="Time of an action.")
        self._rewritten = meter.create_counter(names.BYTES_REWRITTEN, unit="By", description="Bytes read to rewrite.")
        self._snapshots = meter.create_counter(
            names.SNAPSHOTS_REMOVED, unit="{snapshot}", description="Snapshots expired."
        )
        self._files = meter.create_counter(names.FILES_REMOVED, unit="{file}", description="Files removed.")
        self._bytes = meter.create_counter(names.BYTES_REMOVED, unit="By", description="Bytes of removed files.")

    @contextmanager
    def action(self, work: TableWork, action: MaintenanceAction) -> Iterator[Span]:
        """The span of an action."""
        attributes: dict[str, str | bool] = {
            names.ACTION: action,
            names.REQUESTER: _requester(work),
            names.TENANT: work.place.tenant,
            names.ENVIRONMENT: work.place.environment,
            names.PRODUCT: work.place.product,
            names.TABLE: work.identifier,
            names.DRY_RUN: work.dry_run,
        }
        with self._tracer.start_as_current_span(names.ACTION_SPAN, attributes=attributes) as span:
            yield span

    def ended(self, span: Span, work: TableWork, result: ActionResult) -> None:
        """Say on the span what came of the action, and count it; a dry run counts nowhere."""
        span.set_attribute(names.OUTCOME, result.outcome)
        if result.failure is not None:
            span.set_attribute(names.ERROR_TYPE, result.failure.code)
            span.set_status(Status(StatusCode.ERROR, result.failure.message[:1000]))
        if work.dry_run:
            return
        labels = {
            names.ENVIRONMENT: work.place.environment,
            names.ACTION: result.action,
            names.OUTCOME: result.outcome,
            names.REQUESTER: _requester(work),
        }
        self._actions.add(1, labels)
        self._duration.record(result.seconds, labels)
        if result.report is None or result.outcome != "done":
            return
        if result.action == "compaction":
            self._rewritten.add(result.report.bytes_before, labels)
        self._snapshots.add(len(result.report.snapshots_removed), labels)
        self._files.add(len(result.report.removed), labels)
        self._bytes.add(result.report.bytes_removed, labels)


def _requester(work: TableWork) -> str:
    return work.requester if work.requester in (BY_COMMITS, BY_SCHEDULE) else _SOMEBODY
