"""What a backend's answer means for the events that were sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias

import orjson

from floe_contracts.plugins.lineage_backends import Answer, EventFailure

# These speak of the caller, the address or the moment, never of an event: the events wait until it is mended.
NOT_THE_EVENT: Final = frozenset({401, 403, 404, 405, 407, 408, 421, 425, 429})
# Some backends answer a poison event with 500 for ever (Marquez issues 3010 and 1769), so 500 is not believed for ever.
DOUBTED_BATCH_ATTEMPTS: Final = 3
DOUBTED_EVENT_ATTEMPTS: Final = 20
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 30.0
LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
_REASON_LENGTH: Final = 500


@dataclass(frozen=True, slots=True)
class Accept:
    """The backend has all events."""


@dataclass(frozen=True, slots=True)
class AcceptRest:
    """The backend has all events but these."""

    failures: tuple[EventFailure, ...]


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the same again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Bisect:
    """One of the events is poison; each half is sent by itself."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The event is poison: to the dead letters with it."""

    reason: str


Decision: TypeAlias = Accept | AcceptRest | Retry | Bisect | Refuse


def decide(answer: Answer, *, count: int, attempt: int, jitter: float) -> Decision:
    """What to do after an answer.

    Args:
        answer: what the backend said.
        count: how many events were sent.
        attempt: how often these events have been sent before, from 0.
        jitter: from 0 to 1; spreads the pauses of many forwarders.
    """
    status = answer.status
    if status is not None and 200 <= status < 300:
        return AcceptRest(answer.failures) if answer.failures else Accept()
    refused = status is not None and 400 <= status < 500 and status not in NOT_THE_EVENT
    doubted = status == 500 and attempt + 1 >= (DOUBTED_BATCH_ATTEMPTS if count > 1 else DOUBTED_EVENT_ATTEMPTS)
    if not refused and not doubted:
        return Retry(pause(attempt, retry_after=answer.retry_after, jitter=jitter))
    return Bisect() if count > 1 else Refuse(f"HTTP {status}: {answer.reason}")


def pause(attempt: int, *, retry_after: float | None, jitter: float) -> float:
    """Seconds to wait before the next try; what the backend asks for is a lower bound."""
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempt, 16), LONGEST_PAUSE_SECONDS)
    own = longest * (0.5 + jitter / 2)
    return max(own, min(retry_after or 0.0, LONGEST_RETRY_AFTER_SECONDS))


def answer_of(status: int, headers: Mapping[str, str], body: bytes, *, count: int, now: datetime) -> Answer:
    """The answer in an HTTP response to `count` events; `now` resolves a `Retry-After` that is a date."""
    return Answer(
        status=status,
        reason=body[:_REASON_LENGTH].decode(errors="replace").strip(),
        retry_after=_seconds(headers.get("Retry-After"), now),
        failures=_failures(body, count) if status == 200 and count > 1 else (),
    )


def is_event(body: bytes) -> bool:
    """Whether `body` is one JSON object, as every OpenLineage event is; anything else would spoil a whole batch."""
    try:
        return isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        return False


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _failures(body: bytes, count: int) -> tuple[EventFailure, ...]:
    """`failed_events` of the batch endpoint of OpenLineage 2.0.2."""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    listed = document.get("failed_events") if isinstance(document, dict) else None
    failures = [_failure(entry) for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return tuple(failure for failure in failures if 0 <= failure.index < count)


def _failure(entry: Mapping[str, Any]) -> EventFailure:
    index = entry.get("index")
    return EventFailure(
        index=index if isinstance(index, int) else -1,
        reason=str(entry.get("reason", ""))[:_REASON_LENGTH],
        retriable=entry.get("retriable") is True,
    )
