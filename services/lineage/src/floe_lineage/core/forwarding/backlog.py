"""How far a backend is behind, and what it takes to set it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredAt:
    """The first of some events in the stream.

    Attributes:
        sequence: its number.
        time: when the bus stored it.
        events: how many there are, with it.
    """

    sequence: int
    time: datetime
    events: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far a backend's consumer is.

    Attributes:
        settled: everything up to this sequence is settled.
        undelivered: events that were not fetched yet.
        in_flight: events that were fetched, and are not settled.
    """

    settled: int
    undelivered: int
    in_flight: int

    @property
    def waiting(self) -> int:
        """Events that the backend has not got yet."""
        return self.undelivered + self.in_flight


class Consumer(Protocol):
    """The durable consumer of one backend."""

    async def backlog(self) -> Backlog:
        """How far it is.

        Raises:
            TopologyMissing: there is none.
            Unreachable: the bus does not answer.
        """
        ...

    async def first_from(self, start: int | datetime) -> StoredAt | None:
        """The first event of the stream from a sequence or a time on.

        Raises:
            Unreachable: the bus does not answer.
        """
        ...

    async def set_back(self, sequence: int) -> None:
        """Have everything from `sequence` on delivered again, and what is in flight forgotten.

        Raises:
            ReplayRefused: the bus will not.
            Unreachable: the bus does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Replay:
    """What a backend gets when it is to get again what was stored since some time.

    Attributes:
        first: the first event, None if there is nothing for it.
        sets_back: whether it has had that one already.
        unsure: whether it may have had some of it: of events in flight, those behind an unsettled one may be settled.
    """

    first: StoredAt | None
    sets_back: bool
    unsure: bool = False


async def replay_since(consumer: Consumer, since: datetime) -> Replay:
    """What a replay comes to; what still waits is never left out.

    Raises:
        TopologyMissing: there is no consumer.
        Unreachable: the bus does not answer.
    """
    backlog, first = await consumer.backlog(), await consumer.first_from(since)
    if first is not None and first.sequence <= backlog.settled:
        return Replay(first, sets_back=True)
    waiting = await consumer.first_from(backlog.settled + 1) if backlog.waiting else None
    return Replay(waiting, sets_back=False, unsure=first is not None and backlog.in_flight > 0)
