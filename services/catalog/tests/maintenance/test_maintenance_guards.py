"""What keeps a snapshot, whatever the policy says; and what is measured of the work."""

from __future__ import annotations

import io
import os
import time
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from floe_catalog.core.maintenance_actions import ActionResult, Failure
from floe_catalog.errors import ActionStopped
from floe_catalog.maintenance.action_child import Service
from floe_catalog.maintenance.action_job import Confirm, Confirmed, Stop, read, write
from floe_catalog.maintenance.actions import recently_current
from floe_catalog.maintenance.maintenance_telemetry import MaintenanceTelemetry
from floe_chassis import maintenance_telemetry_names as names
from floe_chassis.testing import eventually
from floe_lakehouse.maintenance.reports import MaintenanceReport

DAY_MS = 86_400_000


def test_a_snapshot_counts_as_recent_from_when_it_was_replaced(write: Any) -> None:
    """The second of three stood for eight days, until an hour ago: an upsert may have been staged from it."""
    metadata = write(times=3).metadata
    now = int(time.time() * 1000)
    first, second, third = metadata.snapshot_log
    aged = metadata.model_copy(
        update={
            "snapshot_log": [
                first.model_copy(update={"timestamp_ms": now - 9 * DAY_MS}),
                second.model_copy(update={"timestamp_ms": now - 8 * DAY_MS}),
                third.model_copy(update={"timestamp_ms": now - DAY_MS // 24}),
            ]
        }
    )
    assert recently_current(aged, now - DAY_MS // 4) == {second.snapshot_id, third.snapshot_id}
    assert recently_current(aged, now - DAY_MS // 100) == {third.snapshot_id}
    assert recently_current(aged, now - 9 * DAY_MS) == {first.snapshot_id, second.snapshot_id, third.snapshot_id}


@pytest.mark.bus
async def test_the_guard_keeps_what_a_policy_lets_go(maintenance: Any, write: Any, asked: Any, lake: Any) -> None:
    write(times=4)
    maintenance._guard_seconds = 3600
    (result,) = await maintenance.maintain_table(asked("expiry"))
    assert result.outcome == "nothing_to_do"
    maintenance._guard_seconds = 0
    (result,) = await maintenance.maintain_table(asked("expiry", cause="two"))
    assert len(result.report.snapshots_removed) == 3


async def test_work_that_is_to_stop_stops_at_its_next_question() -> None:
    asked_out, asked_in = os.pipe()
    answers = io.BytesIO()
    # The pipe stays open: where it closes, the process of a child ends, which is this one here.
    parent = os.fdopen(asked_in, "wb", closefd=False)
    child = Service(os.fdopen(asked_out, "rb"), answers)
    write(parent, Confirmed())
    child.confirm()
    assert isinstance(read(io.BytesIO(answers.getvalue())), Confirm)
    write(parent, Stop(reason="the lease is lost"))

    def stopped() -> bool:
        try:
            child.go_on()
        except ActionStopped as stop:
            return stop.message == "the lease is lost"
        return False

    await eventually(stopped)
    with pytest.raises(ActionStopped):
        child.confirm()
    child.begin()
    child.go_on()


def test_actions_are_measured(asked: Any) -> None:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    telemetry = MaintenanceTelemetry(tracers, meters)
    work = asked("expiry", requester="ada")
    report = MaintenanceReport(
        action="expiry", outcome="done", snapshots_removed=(1, 2), removed=("a", "b", "c"), bytes_removed=7
    )
    for result in (
        ActionResult(action="expiry", table_uuid="u", report=report, seconds=2.0),
        ActionResult(action="expiry", table_uuid="u", failure=Failure(code="FLOE-X-001", message="no")),
    ):
        with telemetry.action(work, "expiry") as span:
            telemetry.ended(span, work, result)
    done, failed = spans.get_finished_spans()
    assert (done.name, done.attributes[names.OUTCOME], done.attributes[names.TABLE]) == (
        names.ACTION_SPAN,
        "done",
        work.identifier,
    )
    assert (failed.attributes[names.ERROR_TYPE], failed.status.description) == ("FLOE-X-001", "no")
    data = reader.get_metrics_data()
    points = {
        metric.name: [(dict(point.attributes), point) for point in metric.data.data_points]
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
    }
    labels = {names.ENVIRONMENT: "dev", names.ACTION: "expiry", names.OUTCOME: "done", names.REQUESTER: "request"}
    assert points[names.ACTIONS][0][0] == labels
    assert [point.value for _, point in points[names.ACTIONS]] == [1, 1]
    assert points[names.SNAPSHOTS_REMOVED][0][1].value == 2
    assert (points[names.FILES_REMOVED][0][1].value, points[names.BYTES_REMOVED][0][1].value) == (3, 7)
