from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from floe_lineage.forwarding.progress import Progress, measure


def test_each_backend_is_told_by_its_name() -> None:
    reader = InMemoryMetricReader()
    minute_ago = datetime.now(UTC) - timedelta(minutes=1)
    away = Progress(accepted=5, refused=1, left_out=2, retries=9, away=True, waiting=30, oldest_waiting_at=minute_ago)
    measure({"marquez": away, "file": Progress()}, MeterProvider([reader]))
    points: dict[str, dict[tuple[Any, ...], Any]] = {}
    data: Any = reader.get_metrics_data()
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        points[metric.name] = {tuple(point.attributes.values()): point.value for point in metric.data.data_points}
    events = points["floe.lineage.forwarded.events"]
    assert {key[1]: value for key, value in events.items() if key[0] == "marquez"} == {
        "accepted": 5,
        "refused": 1,
        "left_out": 2,
    }
    assert points["floe.lineage.forwarding.retries"] == {("marquez",): 9, ("file",): 0}
    assert points["floe.lineage.forwarding.waiting"] == {("marquez",): 30, ("file",): 0}
    assert points["floe.lineage.forwarding.breaker_open"] == {("marquez",): 1, ("file",): 0}
    oldest = points["floe.lineage.forwarding.oldest_waiting"]
    assert oldest[("marquez",)] >= 60
    assert oldest[("file",)] == 0
