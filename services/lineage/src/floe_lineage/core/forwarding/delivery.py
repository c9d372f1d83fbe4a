"""Handing events to a backend: in order, until each is accepted or refused for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from floe_contracts.plugins.lineage_backends import Answer, Backend, EventFailure, LineageEvent, Position
from floe_lineage.core.forwarding.breaker import Breaker
from floe_lineage.core.forwarding.decisions import (
    SERVER_ERROR,
    Accept,
    AcceptRest,
    Bisect,
    Refuse,
    Retry,
    decide,
    pause,
)
from floe_lineage.core.forwarding.pacing import Pace
from floe_lineage.core.forwarding.ports import Receipts

# So much goes in one request, however many events it takes: servers limit the size of what they read.
MOST_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Road:
    """The way to one backend."""

    backend: Backend
    receipts: Receipts
    breaker: Breaker
    pace: Pace
    lanes: int
    """How many runs' events may be on their way at once, to a backend that takes them one by one."""
    failed: Callable[[Answer, float], Awaitable[None]]
    """Waits so many seconds, because of that answer."""
    answered: Callable[[], None]
    """Told of each answer that speaks of an event; 500 may speak of anything."""
    jitter: Callable[[], float]
    """A number from 0 to 1, another each time."""


async def deliver(road: Road, events: Sequence[LineageEvent]) -> None:
    """Hand `events` over, each run's in order.

    Returns when each of them is accepted or refused, however long that takes: a backend that is away stops everything
    that comes after, so that nothing overtakes.
    """
    if road.lanes == 1 or road.backend.most > 1:
        await _deliver_lane(road, events)
        return
    lanes: dict[str | None, list[LineageEvent]] = {}
    for event in events:
        lanes.setdefault(event.root_run_id, []).append(event)
    waiting = iter(lanes.values())

    async def take() -> None:
        for lane in waiting:
            await _deliver_lane(road, lane)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(road.lanes, len(lanes))):
            group.create_task(take())


def split_known(
    events: Sequence[LineageEvent], done: Position | None
) -> tuple[Sequence[LineageEvent], Sequence[LineageEvent]]:
    """Those of `events` that a backend which is at `done` has already, and those that are new to it."""
    if done is None:
        return (), events
    known = [event for event in events if done.covers(event.position)]
    return known, [event for event in events if not done.covers(event.position)]


async def _deliver_lane(road: Road, events: Sequence[LineageEvent], *, failing: int = 0) -> int:
    """Hand events over in order.

    Args:
        road: the way to the backend.
        events: what it gets.
        failing: how many of them fail, by what the backend said when it took a batch with them.

    Returns:
        How many of the failing ones were not found; none as soon as the backend itself fails.
    """
    attempt = doubts = 0
    while events:
        async with road.breaker.turn():
            part = _next_part(road, events)
            await road.pace.take(len(part))
            answer = await road.backend.send(part)
            decision = decide(
                answer, count=len(part), attempt=attempt, doubts=doubts, jitter=road.jitter(), well=failing > 0
            )
            if isinstance(decision, Retry):
                doubted = answer.status == SERVER_ERROR
                attempt, doubts, failing = attempt + 1, doubts + 1 if doubted else 0, failing if doubted else 0
                await road.failed(answer, decision.seconds)
                continue
        if answer.status != SERVER_ERROR:
            road.answered()
        if isinstance(decision, Bisect):
            failing = await _halve(road, part, counted=answer.unnamed_failures, failing=failing)
        else:
            await _settle(road, part, decision)
            failing = max(0, failing - 1) if isinstance(decision, Refuse) else failing
        events, attempt, doubts = events[len(part) :], 0, 0
    return failing


async def _halve(road: Road, events: Sequence[LineageEvent], *, counted: int, failing: int) -> int:
    """Hand each half over by itself; `counted` of the events fail by the last answer, 0 if it does not say."""
    left = counted or failing
    middle = len(events) // 2
    for half in (events[:middle], events[middle:]):
        left = await _deliver_lane(road, half, failing=left)
    return max(0, failing - (counted - left)) if counted else left


def _next_part(road: Road, events: Sequence[LineageEvent]) -> Sequence[LineageEvent]:
    """What goes in one request: a single event while it is not known whether the backend is there."""
    most = 1 if road.breaker.is_open else road.pace.at_once(road.backend.most)
    size = 0
    for index, event in enumerate(events[:most]):
        size += len(event.body)
        if index and size > MOST_BYTES:
            return events[:index]
    return events[:most]


async def _settle(road: Road, events: Sequence[LineageEvent], decision: Accept | AcceptRest | Refuse) -> None:
    match decision:
        case Accept():
            await road.receipts.accepted(events)
        case AcceptRest(failures):
            await _settle_failures(road, events, failures)
        case Refuse(reason):
            await road.receipts.refused(events[0], reason)


async def _settle_failures(road: Road, events: Sequence[LineageEvent], failures: Sequence[EventFailure]) -> None:
    by_index = {failure.index: failure for failure in failures}
    await road.receipts.accepted([event for index, event in enumerate(events) if index not in by_index])
    for index in sorted(by_index):
        failure = by_index[index]
        if not failure.retriable:
            await road.receipts.refused(events[index], f"refused in a batch: {failure.reason}")
            continue
        await road.failed(Answer(None, failure.reason), pause(0, retry_after=None, jitter=road.jitter()))
        await _deliver_lane(road, events[index : index + 1])
