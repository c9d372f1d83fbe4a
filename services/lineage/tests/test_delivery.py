from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.plugins.lineage_backends import Answer, EventFailure, LineageEvent, Position, position_after
from floe_lineage.core.forwarding.breaker import FAILURES_THAT_OPEN, Breaker
from floe_lineage.core.forwarding.decisions import DOUBTED_BATCH_ATTEMPTS, DOUBTED_EVENT_ATTEMPTS
from floe_lineage.core.forwarding.delivery import MOST_BYTES, Road, deliver, split_known
from floe_lineage.core.forwarding.pacing import Pace


class Ledger:
    """A backend and its receipts in memory: refuses events that say so, and answers as it is told before that."""

    def __init__(self, most: int, first: Sequence[Answer] = ()) -> None:
        self.most = most
        self.sent: list[list[int]] = []
        self.taken: list[int] = []
        self.refusals: dict[int, str] = {}
        self.waits: list[float] = []
        self._first = list(first)

    async def open(self) -> Position | None:
        return None

    async def close(self) -> None:
        return None

    async def send(self, events: Sequence[LineageEvent]) -> Answer:
        assert len(events) <= self.most
        self.sent.append([event.position.sequence for event in events])
        if self._first:
            return self._first.pop(0)
        if any(b"poison" in event.body for event in events):
            return Answer(400, "poison")
        self.taken += self.sent[-1]
        return Answer(200)

    async def accepted(self, events: Sequence[LineageEvent]) -> None:
        for event in events:
            assert event.position.sequence not in self.refusals

    async def refused(self, event: LineageEvent, reason: str) -> None:
        self.refusals[event.position.sequence] = reason

    def road(self, lanes: int = 1, pace: Pace | None = None) -> Road:
        breaker = Breaker()

        async def failed(_: Answer, seconds: float) -> None:
            self.waits.append(seconds)
            breaker.failed()
            await asyncio.sleep(0)

        return Road(
            backend=self,
            receipts=self,
            breaker=breaker,
            pace=pace or Pace(None, lambda: 0.0, asyncio.sleep),
            lanes=lanes,
            failed=failed,
            answered=lambda: breaker.answered() and None,
            jitter=lambda: 1.0,
        )


def events(*bodies: bytes) -> list[LineageEvent]:
    return [LineageEvent(body, f"id-{n}", Position(n, n * 10)) for n, body in enumerate(bodies, start=1)]


@given(st.lists(st.sampled_from([b"{}", b'{"poison":1}']), max_size=40), st.sampled_from([1, 3, 256]))
async def test_every_event_is_taken_in_order_or_refused(bodies: list[bytes], most: int) -> None:
    ledger = Ledger(most)
    await deliver(ledger.road(), events(*bodies))
    good = [n for n, body in enumerate(bodies, start=1) if body == b"{}"]
    assert ledger.taken == good
    assert sorted([*ledger.taken, *ledger.refusals]) == list(range(1, len(bodies) + 1))


async def test_a_poison_event_is_found_by_halving() -> None:
    ledger = Ledger(256)
    bodies = [b"{}"] * 256
    bodies[100] = b'{"poison": true}'
    await deliver(ledger.road(), events(*bodies))
    assert ledger.refusals == {101: "HTTP 400: poison"}
    assert len(ledger.sent) <= 2 * 8 + 1


async def test_a_backend_that_is_away_is_asked_again_with_the_same_events() -> None:
    ledger = Ledger(2, [Answer(503, retry_after=9.0), Answer(None, "refused"), Answer(429)])
    await deliver(ledger.road(), events(b"{}", b"{}", b"{}"))
    assert ledger.sent == [[1, 2], [1, 2], [1, 2], [1, 2], [3]]
    assert ledger.waits == [9.0, 0.4, 0.8]


async def test_of_a_batch_taken_in_part_the_retriable_events_are_sent_again() -> None:
    failures = (EventFailure(1, "busy", True), EventFailure(2, "no producer", False))
    ledger = Ledger(4, [Answer(200, failures=failures)])
    await deliver(ledger.road(), events(b"{}", b"{}", b"{}", b"{}"))
    assert ledger.sent == [[1, 2, 3, 4], [2]]
    assert ledger.refusals == {3: "refused in a batch: no producer"}


def test_known_events_are_told_from_those_of_a_stream_that_began_anew() -> None:
    done = position_after(None, events(b"{}", b"{}", b"{}"))
    assert done == Position(3, 30)
    again = LineageEvent(b"{}", "again", Position(2, 20))
    anew = LineageEvent(b"{}", "anew", Position(1, 99))
    after = LineageEvent(b"{}", "after", Position(4, 25))
    assert split_known([again, anew, after], done) == ([again], [anew, after])
    assert split_known([again], None) == ((), [again])


def test_a_clock_that_steps_back_does_not_make_known_events_new() -> None:
    done = position_after(Position(5, 100), [LineageEvent(b"{}", "x", Position(6, 90))])
    assert done == Position(6, 100)
    assert done.covers(Position(5, 100))


async def test_a_batch_that_failed_in_parts_unknown_is_halved() -> None:
    ledger = Ledger(4, [Answer(200, unnamed_failures=1)])
    await deliver(ledger.road(), events(b"{}", b"{}", b'{"poison": 1}', b"{}"))
    assert ledger.sent == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]
    assert ledger.refusals == {3: "HTTP 400: poison"}


async def test_an_event_that_fails_alone_of_a_batch_is_not_doubted_for_long() -> None:
    """As Feast does it: the batch tells that one failed, and that one by itself is answered 500."""
    ledger = Ledger(2, [Answer(200, unnamed_failures=1), Answer(500, "x"), Answer(500, "x"), Answer(500, "x")])
    await deliver(ledger.road(), events(b"{}", b"{}"))
    assert ledger.sent == [[1, 2], [1], [1], [1], [2]]
    assert ledger.refusals == {1: "HTTP 500: x"}


async def test_as_many_events_as_fail_of_a_batch_are_not_doubted_for_long() -> None:
    broken = [Answer(500, "x")] * 3
    ledger = Ledger(2, [Answer(200, unnamed_failures=2), *broken, *broken])
    await deliver(ledger.road(), events(b"{}", b"{}"))
    assert ledger.refusals == {1: "HTTP 500: x", 2: "HTTP 500: x"}


@pytest.mark.parametrize(
    "answers",
    [
        [*[Answer(500)] * 3, *[Answer(500)] * (DOUBTED_EVENT_ATTEMPTS - 1)],
        [Answer(503), *[Answer(500)] * (DOUBTED_EVENT_ATTEMPTS - 1)],
        [Answer(None), *[Answer(500)] * (DOUBTED_EVENT_ATTEMPTS - 1)],
    ],
    ids=["all-found", "503", "no-answer"],
)
async def test_a_backend_that_breaks_down_while_a_failing_event_is_looked_for_refuses_nothing_more(
    answers: list[Answer],
) -> None:
    found = 1 if answers[0].status == 500 else 0
    ledger = Ledger(4, [Answer(200, unnamed_failures=1), Answer(400), *answers])
    await deliver(ledger.road(), events(b"{}", b"{}", b"{}", b"{}"))
    assert len(ledger.refusals) == found
    assert len(ledger.taken) == 4 - found


async def test_an_event_refused_after_500s_does_not_close_the_breaker() -> None:
    tries = DOUBTED_BATCH_ATTEMPTS + 2 * DOUBTED_EVENT_ATTEMPTS
    ledger = Ledger(4, [Answer(500, "no database")] * tries)
    road = ledger.road()
    one, two, three = events(b"{}", b"{}", b"{}")
    await deliver(road, [one, two])
    assert ledger.refusals == {1: "HTTP 500: no database", 2: "HTTP 500: no database"}
    assert road.breaker.is_open
    await deliver(road, [three])
    assert ledger.taken == [3]
    assert not road.breaker.is_open


async def test_an_open_breaker_asks_with_one_event_and_closes_with_its_answer() -> None:
    away = [Answer(503)] * (FAILURES_THAT_OPEN + 1)
    ledger = Ledger(4, away)
    await deliver(ledger.road(), events(b"{}", b"{}", b"{}", b"{}"))
    assert ledger.sent == [*[[1, 2, 3, 4]] * FAILURES_THAT_OPEN, [1], [1], [2, 3, 4]]


async def test_while_the_breaker_is_open_one_request_at_a_time_asks() -> None:
    under_way: list[int] = []
    most: list[int] = []

    class Slow(Ledger):
        async def send(self, events: Sequence[LineageEvent]) -> Answer:
            under_way.append(1)
            most.append(len(under_way))
            await asyncio.sleep(0)
            under_way.pop()
            return await super().send(events)

    ledger = Slow(1, [Answer(503)] * 40)
    lanes = [LineageEvent(b"{}", f"id-{n}", Position(n, n), root_run_id=f"run-{n % 4}") for n in range(1, 9)]
    await deliver(ledger.road(lanes=4), lanes)
    assert most[0:4] == [1, 2, 3, 4]
    assert set(most[8:40]) == {1}  # all four may have begun before it opened
    assert sorted(ledger.taken) == list(range(1, 9))


async def test_lanes_keep_the_order_of_each_run() -> None:
    ledger = Ledger(1)
    lanes = [LineageEvent(b"{}", f"id-{n}", Position(n, n), root_run_id=f"run-{n % 7}") for n in range(1, 200)]
    busy: list[int] = []

    class Slow(Ledger):
        async def send(self, events: Sequence[LineageEvent]) -> Answer:
            busy.append(1)
            await asyncio.sleep(0)
            answer = await super().send(events)
            most.append(len(busy))
            busy.pop()
            return answer

    most: list[int] = []
    ledger = Slow(1)
    await deliver(ledger.road(lanes=3), lanes)
    assert max(most) == 3
    for run in range(7):
        of_run = [n for n in ledger.taken if n % 7 == run]
        assert of_run == sorted(of_run)
    assert len(ledger.taken) == 199


async def test_a_request_has_a_limited_size() -> None:
    ledger = Ledger(256)
    body = b'{"x": "' + b"x" * (MOST_BYTES // 3) + b'"}'
    await deliver(ledger.road(), events(*[body] * 5, b"{}"))
    assert ledger.sent == [[1, 2], [3, 4], [5, 6]]


async def test_a_single_event_of_any_size_goes() -> None:
    ledger = Ledger(256)
    await deliver(ledger.road(), events(b'"' + b"x" * (2 * MOST_BYTES) + b'"', b"{}"))
    assert ledger.sent == [[1], [2]]


@pytest.mark.parametrize(("rate", "sent"), [(2.0, [[1, 2], [3, 4], [5]]), (0.5, [[1], [2], [3], [4], [5]])])
async def test_no_more_than_the_rate_goes(rate: float, sent: list[list[int]]) -> None:
    ledger, now, slept = Ledger(256), [100.0], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    await deliver(ledger.road(pace=Pace(rate, lambda: now[0], sleep)), events(*[b"{}"] * 5))
    assert ledger.sent == sent
    assert sum(slept) == pytest.approx((5 - len(sent[-1])) / rate)


async def test_failures_that_were_no_doubts_do_not_count_as_such() -> None:
    """An hour of 503 and then one 500 is no poison event."""
    ledger = Ledger(1, [*[Answer(503)] * 60, Answer(500)])
    await deliver(ledger.road(), events(b"{}"))
    assert (ledger.taken, ledger.refusals) == ([1], {})
