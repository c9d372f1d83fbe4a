"""Lineage backends for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from floe_contracts.lineage_requests import BackendEntry, ReplayStarted

_ERROR_LENGTH: Final = 120
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def backends_table(backends: Sequence[BackendEntry], now: datetime) -> Table:
    """One line for each backend."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("backend", "waiting", "in flight", "oldest", "breaker", "accepted", "refused", "last error"):
        table.add_column(name, overflow="fold", justify="right" if name in ("waiting", "in flight") else "left")
    for backend in backends:
        oldest = _ago(backend.oldest_waiting_at, now) if backend.oldest_waiting_at else ""
        table.add_row(
            backend.name,
            f"{backend.waiting:,}",
            f"{backend.in_flight:,}",
            oldest,
            Text(backend.breaker, style="red" if backend.breaker == "open" else "green"),
            f"{backend.accepted:,}",
            f"{backend.refused:,}",
            Text(_error(backend, now)),
        )
    return table


def replay_in_words(replay: ReplayStarted, *, dry_run: bool) -> str:
    """What a replay comes to, as a sentence."""
    if not replay.events:
        return f"nothing was stored since then: {replay.backend} gets nothing again"
    verb = "would get" if dry_run else "gets"
    count = f"{replay.events:,} event{'s' if replay.events != 1 else ''}"
    return f"{replay.backend} {verb} {count}, from number {replay.first_sequence:,} of {replay.first_stored_at} on"


def _error(backend: BackendEntry, now: datetime) -> str:
    if backend.last_error is None or backend.last_error_at is None:
        return ""
    text = backend.last_error
    short = text if len(text) <= _ERROR_LENGTH else f"{text[:_ERROR_LENGTH]}..."
    return f"{_ago(backend.last_error_at, now)} ago: {short}"


def _ago(time: str, now: datetime) -> str:
    seconds = max(0, int((now - datetime.fromisoformat(time)).total_seconds()))
    unit, size = next((each for each in _UNITS if seconds >= 2 * each[1]), _UNITS[-1])
    return f"{seconds // size}{unit}"
