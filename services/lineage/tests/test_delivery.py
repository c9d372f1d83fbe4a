from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from floe_contracts.plugins.lineage_backends import Answer, EventFailure, LineageEvent, Position, position_after
from floe_lineage.core.forwarding.delivery import Road, deliver, split_known


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

    async def wait(self, _: Answer, seconds: float) -> None:
        self.waits.append(seconds)

    def road(self) -> Road:
        return Road(self, self, self.wait, lambda: 1.0)


def events(*bodies: bytes) -> list[LineageEvent]:
    return [LineageEvent(body, f"id-{n}", Position(n, n * 10)) for n, body in enumerate(bodies, start=1)]


@given(st.lists(st.sampled_from([b"{}", b'{"poison":1}', b"rubbish"]), max_size=40), st.sampled_from([1, 3, 256]))
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
