"""The metrics of bundles: what Cubes ask for, what they say of it, and how long Cube's compiler takes."""

from __future__ import annotations

import time
from collections.abc import Mapping

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from floe_chassis import sync_telemetry_names as names
from floe_contracts.errors import FloeError
from floe_semantic.core.ports import Gate


class SyncMetrics:
    """The counters and the histogram."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        """Use the global provider unless another is given."""
        meter = metrics.get_meter(names.SCOPE, meter_provider=meter_provider)
        self._polls = meter.create_counter(names.POLLS, unit="{request}")
        self._verdicts = meter.create_counter(names.VERDICTS, unit="{verdict}")
        self._gate = meter.create_histogram(names.GATE_DURATION, unit="s")

    def polled(self, *, given: bool) -> None:
        """A Cube asked, and was given a bundle, or has it."""
        self._polls.add(1, {names.OUTCOME: names.GIVEN if given else names.UNCHANGED})

    def judged(self, *, served: bool) -> None:
        """A Cube said what it makes of a bundle."""
        self._verdicts.add(1, {names.OUTCOME: names.SERVED if served else names.REFUSED})

    def gated(self, seconds: float, *, passed: bool) -> None:
        """Cube's compiler was asked."""
        self._gate.record(seconds, {names.OUTCOME: names.PASSED if passed else names.FAILED})


class MeasuredGate:
    """A gate whose time is measured."""

    def __init__(self, gate: Gate, measures: SyncMetrics) -> None:
        self._gate = gate
        self._measures = measures

    async def check(self, files: Mapping[str, str]) -> None:
        """As the gate does; raises what it raises."""
        began = time.monotonic()
        try:
            await self._gate.check(files)
        except FloeError:
            self._measures.gated(time.monotonic() - began, passed=False)
            raise
        self._measures.gated(time.monotonic() - began, passed=True)
