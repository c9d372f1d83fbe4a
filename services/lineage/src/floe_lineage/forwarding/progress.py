"""What came of forwarding to a backend since the service started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from floe_chassis import lineage_telemetry_names as names


@dataclass(slots=True)
class Progress:
    """What a backend has taken, what it last said instead, and what it has not got yet.

    Attributes:
        accepted: events that it took, those that it had already among them.
        refused: events that went to the dead letters.
        left_out: events of types that it does not get.
        retries: requests that came to nothing and were made again.
        last_error: what it last said or did instead of taking an event.
        last_error_at: when.
        away: whether its breaker is open.
        waiting: events that it had not got when that was last looked at.
        oldest_waiting_at: when the oldest of those was stored.
    """

    accepted: int = 0
    refused: int = 0
    left_out: int = 0
    retries: int = 0
    last_error: str | None = None
    last_error_at: datetime | None = None
    away: bool = False
    waiting: int = 0
    oldest_waiting_at: datetime | None = None

    def failed(self, reason: str, at: datetime) -> None:
        """Remember what the backend said or did instead of taking an event."""
        self.last_error, self.last_error_at = reason, at


def measure(backends: Mapping[str, Progress], meter_provider: MeterProvider | None = None) -> None:
    """Have the progress of backends, by name, told with the global provider or another one."""
    meter = metrics.get_meter(names.SCOPE, meter_provider=meter_provider)

    def events(_: CallbackOptions) -> Iterable[Observation]:
        for name, progress in backends.items():
            for outcome in ("accepted", "refused", "left_out"):
                yield Observation(getattr(progress, outcome), {names.BACKEND: name, names.OUTCOME: outcome})

    def retries(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(progress.retries, {names.BACKEND: name}) for name, progress in backends.items()]

    def waiting(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(progress.waiting, {names.BACKEND: name}) for name, progress in backends.items()]

    def oldest(_: CallbackOptions) -> Iterable[Observation]:
        now = datetime.now(UTC)
        for name, progress in backends.items():
            since = progress.oldest_waiting_at
            yield Observation((now - since).total_seconds() if since else 0.0, {names.BACKEND: name})

    def breaker(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(int(progress.away), {names.BACKEND: name}) for name, progress in backends.items()]

    meter.create_observable_counter(names.FORWARDED_EVENTS, [events], unit="{event}")
    meter.create_observable_counter(names.FORWARDING_RETRIES, [retries], unit="{request}")
    meter.create_observable_gauge(names.FORWARDING_WAITING, [waiting], unit="{event}")
    meter.create_observable_gauge(names.FORWARDING_OLDEST_WAITING, [oldest], unit="s")
    meter.create_observable_gauge(names.FORWARDING_BREAKER_OPEN, [breaker], unit="1")
