"""Counts of what producers send, by producer and outcome: both are few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from floe_chassis import lineage_telemetry_names as names
from floe_gateway.core.lineage_reception import NotNow, Outcome, Refused, Stored, facet_problem_count
from floe_gateway.core.producers import Producer

_WORDS = {Stored: "stored", Refused: "refused", NotNow: "unavailable"}


class ReceptionMetrics:
    """The counters of the receiver."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        """Count with the global provider, or another one."""
        meter = metrics.get_meter(names.SCOPE, meter_provider=meter_provider)
        self._events = meter.create_counter(names.RECEIVED_EVENTS, unit="{event}")
        self._facets = meter.create_counter(names.FACET_PROBLEMS, unit="{problem}")

    def received(self, producer: Producer, outcomes: Sequence[Outcome]) -> None:
        """Count the events of one request."""
        for word, count in Counter(_word(outcome) for outcome in outcomes).items():
            self._events.add(count, {names.PRODUCER: producer.name, names.OUTCOME: word})
        if problems := facet_problem_count(outcomes):
            self._facets.add(problems, {names.PRODUCER: producer.name})


def _word(outcome: Outcome) -> str:
    if isinstance(outcome, Stored) and outcome.duplicate:
        return "duplicate"
    return _WORDS[type(outcome)]
