"""Handing events to a backend: in order, until each is accepted or refused for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from floe_contracts.plugins.lineage_backends import Answer, Backend, EventFailure, LineageEvent, Position
from floe_lineage.core.forwarding.decisions import (
    Accept,
    AcceptRest,
    Bisect,
    Refuse,
    Retry,
    decide,
    is_event,
    pause,
)
from floe_lineage.core.forwarding.ports import Receipts


@dataclass(frozen=True, slots=True)
class Road:
    """The way to one backend."""

    backend: Backend
    receipts: Receipts
    wait: Callable[[Answer, float], Awaitable[None]]
    """Waits so many seconds, because of that answer."""
    jitter: Callable[[], float]
    """A number from 0 to 1, another each time."""


async def deliver(road: Road, events: Sequence[LineageEvent]) -> None:
    """Hand `events` over, in order.

    Returns when each of them is accepted or refused, however long that takes: a backend that is away stops everything
    that comes after, so that nothing overtakes.
    """
    sendable: list[LineageEvent] = []
    for event in events:
        if is_event(event.body):
            sendable.append(event)
            continue
        await _deliver_in_parts(road, sendable)
        sendable = []
        await road.receipts.refused(event, "the body is not a JSON object")
    await _deliver_in_parts(road, sendable)


def split_known(
    events: Sequence[LineageEvent], done: Position | None
) -> tuple[Sequence[LineageEvent], Sequence[LineageEvent]]:
    """Those of `events` that a backend which is at `done` has already, and those that are new to it."""
    if done is None:
        return (), events
    known = [event for event in events if done.covers(event.position)]
    return known, [event for event in events if not done.covers(event.position)]


async def _deliver_in_parts(road: Road, events: Sequence[LineageEvent]) -> None:
    for start in range(0, len(events), road.backend.most):
        await _deliver_part(road, events[start : start + road.backend.most])


async def _deliver_part(road: Road, events: Sequence[LineageEvent]) -> None:
    attempt = 0
    while True:
        answer = await road.backend.send(events)
        match decide(answer, count=len(events), attempt=attempt, jitter=road.jitter()):
            case Accept():
                return await road.receipts.accepted(events)
            case AcceptRest(failures):
                return await _settle_failures(road, events, failures)
            case Bisect():
                middle = len(events) // 2
                await _deliver_part(road, events[:middle])
                return await _deliver_part(road, events[middle:])
            case Refuse(reason):
                return await road.receipts.refused(events[0], reason)
            case Retry(seconds):
                await road.wait(answer, seconds)
                attempt += 1


async def _settle_failures(road: Road, events: Sequence[LineageEvent], failures: Sequence[EventFailure]) -> None:
    by_index = {failure.index: failure for failure in failures}
    await road.receipts.accepted([event for index, event in enumerate(events) if index not in by_index])
    for index in sorted(by_index):
        failure = by_index[index]
        if not failure.retriable:
            await road.receipts.refused(events[index], f"refused in a batch: {failure.reason}")
            continue
        await road.wait(Answer(None, failure.reason), pause(0, retry_after=None, jitter=road.jitter()))
        await _deliver_part(road, events[index : index + 1])
