"""The metrics of starts."""

from __future__ import annotations

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from floe_chassis import run_telemetry_names as names


class StartMeasures:
    """Counts what starts runs, by default with the global provider; labels are few, never the name of a product."""

    def __init__(self, meters: MeterProvider | None = None) -> None:
        meter = metrics.get_meter(names.SCOPE, meter_provider=meters)
        self._circles = meter.create_counter(
            names.CIRCLES_ENDED, unit="{run}", description="Runs not started, since their own product led to them."
        )

    def circle_ended(self, environment: str) -> None:
        """A product was not started by what its own run led to."""
        self._circles.add(1, {names.ENVIRONMENT: environment})
