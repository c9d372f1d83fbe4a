"""What is counted of bundles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from floe_chassis import sync_telemetry_names as names
from floe_semantic.errors import BundleRefused
from floe_semantic.sync.sync_metrics import MeasuredGate, SyncMetrics


class Compiler:
    """Takes what has files."""

    async def check(self, files: Mapping[str, str]) -> None:
        if not files:
            raise BundleRefused("nothing in it")


async def test_polls_verdicts_and_the_gate_are_counted_by_outcome() -> None:
    reader = InMemoryMetricReader()
    measures = SyncMetrics(MeterProvider([reader]))
    gate = MeasuredGate(Compiler(), measures)
    for given in (True, False, False):
        measures.polled(given=given)
    measures.judged(served=True)
    measures.judged(served=False)
    await gate.check({"a.yml": ""})
    with pytest.raises(BundleRefused):
        await gate.check({})

    data: Any = reader.get_metrics_data()
    metrics = {metric.name: metric.data for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    counted = {
        name: {
            point.attributes[names.OUTCOME]: getattr(point, "value", None) or point.count for point in of.data_points
        }
        for name, of in metrics.items()
    }
    assert counted == {
        names.POLLS: {names.GIVEN: 1, names.UNCHANGED: 2},
        names.VERDICTS: {names.SERVED: 1, names.REFUSED: 1},
        names.GATE_DURATION: {names.PASSED: 1, names.FAILED: 1},
    }
