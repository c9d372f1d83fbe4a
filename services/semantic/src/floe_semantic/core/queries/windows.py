"""Which queries are told one by one, and which as one of many.

A dashboard asks the same every few seconds, for everybody who looks at it. The first query of a job is told at once;
of those that follow in the same window, the last is told when the window closes, and says how many it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from floe_contracts.openlineage.naming import Place
from floe_contracts.openlineage.query_facets import AlikeQueries
from floe_semantic.core.queries.records import QueryRecord
from floe_semantic.core.queries.shapes import asked_of, shape_digest

MOST_WINDOWS: Final = 1_000
"""Jobs of which so many are open are told; what more of them there are is counted only."""
MOST_USERS: Final = 1_000
"""Callers of a window that are told apart."""

_NOTHING: Final = "query"
_REFUSED: Final = "refused"

Alike: TypeAlias = tuple[Place, str, str, tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Query:
    """A query that has ended, as it is told.

    Attributes:
        place: whose it is.
        instance: the Cube that answered it.
        cube_version: its version.
        record: what that Cube says, with pseudonyms of those who ask.
        served: the cube or view that it is asked of.
        digest: of what it asks for, without values.
        named: the digest that its job is named by.
    """

    place: Place
    instance: str
    cube_version: str
    record: QueryRecord
    served: str
    digest: str
    named: str


@dataclass(frozen=True, slots=True)
class Telling:
    """A query that is told, and those that it stands for."""

    query: Query
    alike: AlikeQueries


def query_of(place: Place, instance: str, cube_version: str, record: QueryRecord) -> Query:
    """A query of a Cube.

    What Cube refused before it looked for tables is all one job: whoever writes a name wrong makes no job of it.
    """
    digest = shape_digest(record.queries)
    if record.kind == "failed" and not record.members:
        return Query(place, instance, cube_version, record, _NOTHING, digest, _REFUSED)
    return Query(place, instance, cube_version, record, asked_of(record), digest, digest)


@dataclass(slots=True)
class _Window:
    opened: float
    last: Query | None = None
    since: str = ""
    queries: int = 0
    cached: int = 0
    users: set[str] = field(default_factory=set)


class QueryWindows:
    """The open windows.

    Args:
        seconds: how long one is open; 0 tells every query.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._windows: dict[Alike, _Window] = {}
        self.uncounted = 0
        """Queries that were not told because too many jobs were new at once."""

    def take(self, query: Query, now: float, caller: str | None = None) -> Telling | None:
        """What is to be told at once.

        Args:
            query: it has ended.
            now: seconds of a clock that is never set back.
            caller: who asked; counted, and told nowhere.
        """
        if self._seconds <= 0:
            return Telling(query, _alone(query, caller))
        key = _key(query)
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= MOST_WINDOWS:
                self.uncounted += 1
                return None
            self._windows[key] = _Window(now)
            return Telling(query, _alone(query, caller))
        record = query.record
        window.since = window.since or record.started_at.isoformat()
        window.last = query
        window.queries += 1
        window.cached += record.cached is True
        if caller is not None and len(window.users) < MOST_USERS:
            window.users.add(caller)
        return None

    def close(self, now: float | None) -> Iterator[Telling]:
        """Close the windows whose time is over, all of them without `now`; what is to be told of them."""
        for key, window in list(self._windows.items()):
            if now is not None and now - window.opened < self._seconds:
                continue
            if window.last is None or now is None:
                del self._windows[key]
            else:
                self._windows[key] = _Window(now)
            if window.last is not None:
                alike = AlikeQueries(window.since, window.queries, window.cached, len(window.users))
                yield Telling(window.last, alike)


def _alone(query: Query, caller: str | None) -> AlikeQueries:
    record = query.record
    return AlikeQueries(record.started_at.isoformat(), 1, int(record.cached is True), int(caller is not None))


def _key(query: Query) -> Alike:
    record = query.record
    outcome = "denied" if record.denied else record.kind
    return (
        query.place,
        f"{query.served}.{query.named}",
        outcome,
        tuple(sorted(record.masked)),
        record.bundle_digest or "",
    )
