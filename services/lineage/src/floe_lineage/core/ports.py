"""What forwarding works on, and what it needs from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from floe_lineage.core.decisions import Answer


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the stream.

    The time tells a stream from the one that replaced it under the same name: there the sequences begin again.
    """

    sequence: int
    stored_at: int
    """When the bus stored the event, in microseconds since 1970."""

    def covers(self, other: Position) -> bool:
        """Whether a backend that has everything up to here has `other` too."""
        return other.sequence <= self.sequence and other.stored_at <= self.stored_at


@dataclass(frozen=True, slots=True)
class LineageEvent:
    """One OpenLineage event as it came from the stream; its bytes are never changed."""

    body: bytes
    id: str
    """The message id that it was published with; the stream and sequence if it had none."""
    position: Position


def position_after(done: Position | None, events: Iterable[LineageEvent]) -> Position | None:
    """Where a backend is that was at `done` and then got `events`; its time never goes back, as clocks may."""
    for event in events:
        at = event.position
        done = Position(at.sequence, max(done.stored_at, at.stored_at)) if done else at
    return done


class Backend(Protocol):
    """A receiver of lineage."""

    @property
    def most(self) -> int:
        """How many events it takes at once."""
        ...

    async def open(self) -> Position | None:
        """Get ready; says how far the backend knows that it has the stream, if it does."""
        ...

    async def send(self, events: Sequence[LineageEvent]) -> Answer:
        """Hand over at most `most` events, in order. A failure is an answer, never an exception."""
        ...

    async def close(self) -> None:
        """Give back what `open` took."""
        ...


class Receipts(Protocol):
    """Where it is recorded what became of an event."""

    async def accepted(self, events: Sequence[LineageEvent]) -> None:
        """The backend has them."""
        ...

    async def refused(self, event: LineageEvent, reason: str) -> None:
        """The backend will never take it: it goes to the dead letters."""
        ...


class Source(Receipts, Protocol):
    """The stream, seen through the consumer of one backend."""

    async def fetch(self) -> Sequence[LineageEvent]:
        """The next events in their order; none if there are none at the moment."""
        ...

    async def close(self) -> None:
        """Stop reading. What is not settled is delivered again."""
        ...
