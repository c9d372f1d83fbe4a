"""The interface of lineage backends: receivers that the lineage service forwards the lineage stream to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from floe_contracts.plugins.metadata import Plugin, SecretReader


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
    """One OpenLineage event as it came from the stream; its bytes are changed only where the platform says so."""

    body: bytes
    id: str
    """The message id that it was published with; the stream and sequence if it had none."""
    position: Position
    subject: str = ""
    """Where it was published."""
    root_run_id: str | None = None
    """The run at the top of the chain that it belongs to; None of what belongs to no run."""


def position_after(done: Position | None, events: Iterable[LineageEvent]) -> Position | None:
    """Where a backend is that was at `done` and then got `events`; its time never goes back, as clocks may."""
    for event in events:
        at = event.position
        done = Position(at.sequence, max(done.stored_at, at.stored_at)) if done else at
    return done


@dataclass(frozen=True, slots=True)
class EventFailure:
    """An event of a batch that the backend did not take, though it took the batch."""

    index: int
    reason: str
    retriable: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a backend said."""

    status: int | None
    """The HTTP status, or 200 from a backend without HTTP; None if there was no answer."""
    reason: str = ""
    retry_after: float | None = None
    """Seconds that the backend asks to be left alone."""
    failures: tuple[EventFailure, ...] = ()
    unnamed_failures: int = 0
    """How many events of the batch failed by what it says, and not which; at least one if it does not say how many."""


class Backend(Protocol):
    """A receiver of lineage."""

    @property
    def most(self) -> int:
        """How many events it takes at once."""
        ...

    async def open(self) -> Position | None:
        """Get ready; says how far the backend knows that it has the stream, if it does.

        Raises:
            Transient: it is not there at the moment; it is opened again later.
            Permanent: it can never be opened so.
        """
        ...

    async def send(self, events: Sequence[LineageEvent]) -> Answer:
        """Hand over at most `most` events, in order. A failure is an answer, never an exception."""
        ...

    async def close(self) -> None:
        """Give back what `open` took; also after an `open` that failed."""
        ...


@runtime_checkable
class Rewindable(Protocol):
    """A backend that remembers how far it has the stream, and can be told that it has less.

    Without it, a replay reaches a backend that keeps a position until that is opened again; one that keeps none needs
    no such thing.
    """

    async def rewind(self, to: Position) -> None:
        """Remember that the stream is had up to `to` and no further; what has been taken stays.

        Raises:
            Transient: it cannot be remembered at the moment.
        """
        ...


class LineageBackendPlugin(Plugin, Protocol):
    """A kind of lineage backend."""

    def backend(self, options: Any, secrets: SecretReader) -> Backend:
        """A backend that is not open yet. Reads the secrets that it needs now; reaches nothing outside.

        Args:
            options: an instance of `self.options`.
            secrets: tells the secrets that the options name.
        """
        ...
