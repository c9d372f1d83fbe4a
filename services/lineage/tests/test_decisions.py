from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from floe_contracts.plugins.lineage_backends import Answer, EventFailure
from floe_lineage.core.forwarding.decisions import (
    DOUBTED_BATCH_ATTEMPTS,
    DOUBTED_EVENT_ATTEMPTS,
    LONGEST_PAUSE_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    Accept,
    AcceptRest,
    Bisect,
    Refuse,
    Retry,
    answer_of,
    decide,
    is_event,
    is_readable_event,
    pause,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def decided(answer: Answer, count: int = 1, attempt: int = 0, doubts: int = 0) -> object:
    return decide(answer, count=count, attempt=attempt, doubts=doubts, jitter=1.0)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_accepted(status: int) -> None:
    assert decided(Answer(status)) == Accept()


@pytest.mark.parametrize("status", [None, 302, 401, 403, 404, 405, 408, 425, 429, 500, 502, 503, 504])
def test_what_says_nothing_about_the_event_is_retried(status: int | None) -> None:
    assert isinstance(decided(Answer(status)), Retry)
    assert isinstance(decided(Answer(status), count=256), Retry)


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_refused_batch_is_bisected_and_a_refused_event_is_dead(status: int) -> None:
    assert decided(Answer(status, "no"), count=2) == Bisect()
    assert decided(Answer(status, "no")) == Refuse(f"HTTP {status}: no")


def test_500_is_believed_for_a_while_only() -> None:
    broken = Answer(500, "NullPointerException")
    assert isinstance(decided(broken, count=8, doubts=DOUBTED_BATCH_ATTEMPTS - 2), Retry)
    assert decided(broken, count=8, doubts=DOUBTED_BATCH_ATTEMPTS - 1) == Bisect()
    assert isinstance(decided(broken, doubts=DOUBTED_EVENT_ATTEMPTS - 2), Retry)
    assert decided(broken, doubts=DOUBTED_EVENT_ATTEMPTS - 1) == Refuse("HTTP 500: NullPointerException")


def test_503_is_believed_for_ever() -> None:
    assert isinstance(decided(Answer(503), count=8, attempt=100_000, doubts=100), Retry)


def test_pauses_grow_to_a_cap_and_are_spread() -> None:
    longest = [pause(attempt, retry_after=None, jitter=1.0) for attempt in range(12)]
    assert longest[:3] == [0.2, 0.4, 0.8]
    assert longest[-1] == LONGEST_PAUSE_SECONDS
    assert pause(3, retry_after=None, jitter=0.0) == pytest.approx(longest[3] / 2)


def test_retry_after_is_a_lower_bound_with_a_cap() -> None:
    assert pause(0, retry_after=7.0, jitter=0.0) == 7.0
    assert pause(11, retry_after=1.0, jitter=1.0) == LONGEST_PAUSE_SECONDS
    assert pause(0, retry_after=86_400.0, jitter=0.0) == LONGEST_RETRY_AFTER_SECONDS


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 2026 12:00:09 GMT", 9.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert answer_of(503, {"Retry-After": header}, b"", count=1, now=NOW).retry_after == seconds


def test_partial_success_names_the_events_that_failed() -> None:
    body = orjson.dumps(
        {
            "status": "partial_success",
            "failed_events": [
                {"index": 2, "reason": "no producer", "retriable": False},
                {"index": 0, "reason": "busy", "retriable": True},
            ],
        }
    )
    answer = answer_of(200, {}, body, count=3, now=NOW)
    failures = (EventFailure(2, "no producer", False), EventFailure(0, "busy", True))
    assert answer.failures == failures
    assert decided(answer, count=3) == AcceptRest(failures)


@pytest.mark.parametrize("body", [b"", b"created", b"[]", b'{"failed_events": 3}', b'{"failed_events": []}'])
def test_a_batch_without_failures_is_accepted_whatever_is_said(body: bytes) -> None:
    assert decided(answer_of(200, {}, body, count=3, now=NOW), count=3) == Accept()


def test_what_a_backend_says_is_kept_short() -> None:
    assert len(answer_of(400, {}, b"x" * 10_000, count=1, now=NOW).reason) == 500


@pytest.mark.parametrize(
    ("body", "one"),
    [
        (b'{"a": 1}', True),
        (b' {"a":\n[1, {"b": "\xc3\xa9"}]}\n', True),
        (b"{}, {}", False),
        (b"[]", False),
        (b"\xff", False),
        (b'{"a": "\xff"}', False),
        (b'{"a": nul}', False),
        (b'{"a": 1', False),
        (b"", False),
        (b'{"a":' * 100_000, False),
    ],
    ids=[
        "one",
        "one with white space",
        "two",
        "array",
        "no text",
        "no text inside",
        "no JSON",
        "cut off",
        "empty",
        "deep",
    ],
)
def test_only_one_json_object_is_an_event(body: bytes, one: bool) -> None:
    assert is_event(body) is one
    assert is_readable_event(body) is one


def test_an_event_with_a_number_that_nothing_can_hold_can_be_forwarded_but_not_read() -> None:
    assert is_event(b'{"a": 1e999}')
    assert not is_readable_event(b'{"a": 1e999}')


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (b'{"status":"partial_success","summary":{"received":2,"successful":1,"failed":1}}', True),
        (b'{"summary":{"failed":1},"failed_events":[{"index":0,"reason":"x"}]}', False),
        (b'{"summary":{"failed":2},"failed_events":[{"index":0,"reason":"x"}]}', True),
        (b'{"summary":{"failed":0}}', False),
        (b'{"failed_events":[{"eventId":"a","reason":"no"}]}', True),
        (b'{"failed_events":[{"index":0,"reason":"x"},{"index":9,"reason":"no such event"}]}', True),
        (b'{"failed_events":[{"index":0,"reason":"x"},"rubbish"]}', True),
        (b'{"failed_events":[{"index":0,"reason":"x"},{"index":1,"reason":"x"}]}', False),
        (b"[]", False),
        (b"", False),
    ],
)
def test_failures_that_are_counted_and_not_named_are_looked_for(body: bytes, failed: bool) -> None:
    answer = answer_of(200, {}, body, count=2, now=NOW)
    assert bool(answer.unnamed_failures) is failed
    assert (decided(answer, count=2) == Bisect()) is failed
    assert decided(answer) in (Accept(), AcceptRest(answer.failures))


def test_of_an_answer_that_was_not_read_to_its_end_nothing_is_believed() -> None:
    cut = answer_of(200, {}, b'{"failed_events":[{"index":0,', count=2, now=NOW, whole=False)
    assert decided(cut, count=2) == Bisect()
    assert decided(answer_of(200, {}, b"created", count=1, now=NOW, whole=False)) == Accept()
