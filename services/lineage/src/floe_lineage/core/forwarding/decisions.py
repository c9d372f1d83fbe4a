"""What a backend's answer means for the events that were sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias

import msgspec
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
SERVER_ERROR: Final = 500
_REASON_LENGTH: Final = 500


class _AnyObject(msgspec.Struct):
    """A JSON object whose fields are passed over."""


_ANY_OBJECT: Final = msgspec.json.Decoder(_AnyObject)


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


def decide(answer: Answer, *, count: int, attempt: int, doubts: int, jitter: float, well: bool = False) -> Decision:
    """What to do after an answer.

    Args:
        answer: what the backend said.
        count: how many events were sent.
        attempt: how often these events have been sent before, from 0.
        doubts: how often in a row the answer to that was 500.
        jitter: from 0 to 1; spreads the pauses of many forwarders.
        well: whether the backend has just taken others, and said that of these some fail, which are not found yet.
    """
    status = answer.status
    if status is not None and 200 <= status < 300:
        if answer.unnamed_failures and count > 1:
            return Bisect()
        return AcceptRest(answer.failures) if answer.failures else Accept()
    refused = status is not None and 400 <= status < 500 and status not in NOT_THE_EVENT
    believed = DOUBTED_BATCH_ATTEMPTS if count > 1 or well else DOUBTED_EVENT_ATTEMPTS
    doubted = status == SERVER_ERROR and doubts + 1 >= believed
    if not refused and not doubted:
        return Retry(pause(attempt, retry_after=answer.retry_after, jitter=jitter))
    return Bisect() if count > 1 else Refuse(f"HTTP {status}: {answer.reason}")


def pause(attempt: int, *, retry_after: float | None, jitter: float) -> float:
    """Seconds to wait before the next try; what the backend asks for is a lower bound."""
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempt, 16), LONGEST_PAUSE_SECONDS)
    own = longest * (0.5 + jitter / 2)
    return max(own, min(retry_after or 0.0, LONGEST_RETRY_AFTER_SECONDS))


def answer_of(
    status: int, headers: Mapping[str, str], body: bytes, *, count: int, now: datetime, whole: bool = True
) -> Answer:
    """The answer in an HTTP response.

    Args:
        status: of the response.
        headers: of the response.
        body: of the response.
        count: how many events were sent.
        now: resolves a `Retry-After` that is a date.
        whole: whether the body is all of it; what is missing may tell of events that failed.
    """
    failures: tuple[EventFailure, ...] = ()
    unnamed = 0
    if count > 1 and 200 <= status < 300:
        failures, unnamed = _failures(body, count) if whole else ((), 1)
    return Answer(
        status=status,
        reason=body[:_REASON_LENGTH].decode(errors="replace").strip(),
        retry_after=_seconds(headers.get("Retry-After"), now),
        failures=failures,
        unnamed_failures=unnamed,
    )


def is_event(body: bytes) -> bool:
    """Whether `body` is one JSON object, as every OpenLineage event is; anything else would spoil a whole batch.

    The bytes are walked through, and nothing is made of them: every event of every backend is looked at.
    """
    try:
        body.decode()
        _ANY_OBJECT.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def is_readable_event(body: bytes) -> bool:
    """Whether `body` is an event that can be read into values, too: JSON may have numbers that nothing can hold."""
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


def _failures(body: bytes, count: int) -> tuple[tuple[EventFailure, ...], int]:
    """`failed_events` of the batch endpoint of OpenLineage 2.0.2; how many more have failed than it names.

    Feast 0.67 counts the failures in its summary, and names none.
    """
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return (), 0
    if not isinstance(document, dict):
        return (), 0
    listed, summary = document.get("failed_events"), document.get("summary")
    listed = listed if isinstance(listed, list) else []
    entries = [_failure(entry) for entry in listed if isinstance(entry, dict)]
    failures = tuple(failure for failure in entries if 0 <= failure.index < count)
    counted = summary.get("failed") if isinstance(summary, dict) else None
    more = counted - len({failure.index for failure in failures}) if isinstance(counted, int) else 0
    return failures, max(0, more, len(listed) - len(failures))


def _failure(entry: Mapping[str, Any]) -> EventFailure:
    index = entry.get("index")
    return EventFailure(
        index=index if isinstance(index, int) else -1,
        reason=str(entry.get("reason", ""))[:_REASON_LENGTH],
        retriable=entry.get("retriable") is True,
    )
