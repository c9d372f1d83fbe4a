"""What a reader asks for: which events, from where on; which part of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import prod
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from floe_contracts import subjects
from floe_contracts.lineage_requests import ANYWHERE
from floe_contracts.moments import read_moment
from floe_contracts.openlineage.envelope import ROOT_RUN_HEADER, RUN_HEADER
from floe_contracts.openlineage.event_types import EVENT_TYPES
from floe_contracts.requests import Request
from floe_gateway.core.lineage_readers import LineageReader
from floe_gateway.core.query_parameters import QueryParameters, invalid
from floe_gateway.errors import RequestInvalid

_MOST_PATTERNS: Final = 100
_LAST_SEQUENCE: Final = 2**63 - 1
_STARTS: Final = ("after", "since", "from")
_FILTERS: Final = ("environment", "product", "job", "event_type", "run")
_BEGINNING: Final = "beginning"

RequestT = TypeVar("RequestT", bound=Request)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events are wanted.

    Attributes:
        patterns: of their subjects; none overlaps another.
        runs: ids of the runs that they belong to; none for all.
        after: the sequence behind which to begin.
        since: the time from which on to begin.
        oldest: whether to begin with the oldest. Without any of the three: with the next one.
    """

    patterns: tuple[str, ...]
    runs: frozenset[str] = frozenset()
    after: int | None = None
    since: datetime | None = None
    oldest: bool = False

    def wants(self, headers: Mapping[str, str] | None) -> bool:
        """Whether a message with these headers belongs to one of the runs."""
        found = headers or {}
        return not self.runs or any(found.get(name) in self.runs for name in (RUN_HEADER, ROOT_RUN_HEADER))


def read_event_query(
    items: Iterable[tuple[str, str]], last_event_id: str | None, reader: LineageReader, now: datetime
) -> EventQuery:
    """What a request for events asks for.

    Args:
        items: the parameters of its query.
        last_event_id: the header of a client that comes back; it goes before whatever the query says.
        reader: who asks.
        now: what "ago" is reckoned from.

    Raises:
        RequestInvalid: a parameter or the header cannot be used.
        PlaceForbidden: the reader may not see that environment.
    """
    parameters = QueryParameters(items, (*_FILTERS, *_STARTS))
    filters = (
        reader.environments(parameters.all("environment")),
        parameters.all("product"),
        parameters.all("job"),
        tuple(dict.fromkeys(_event_type(text) for text in parameters.all("event_type"))),
    )
    if (count := prod(len(names) or 1 for names in filters)) > _MOST_PATTERNS:
        raise RequestInvalid(
            f"the filters make {count} combinations, and {_MOST_PATTERNS} are possible",
            hint="read them in several streams, or leave a filter out",
        )
    patterns = subjects.lineage_patterns(reader.tenant, *filters)
    return EventQuery(patterns, frozenset(parameters.all("run")), **_start(parameters, last_event_id, now))


def read_graph_request(
    items: Iterable[tuple[str, str]], request: type[RequestT], reader: LineageReader
) -> tuple[RequestT, str]:
    """The request to the lineage service that a query stands for, and the environment that it is about.

    Args:
        items: the parameters of the query: the fields of the request, and `environment`.
        request: its class.
        reader: who asks.

    Raises:
        RequestInvalid: a parameter cannot be used.
        PlaceForbidden: the reader may not see that environment.
    """
    fields = [name for name in request.model_fields if name != "version"]
    parameters = QueryParameters(items, (*fields, "environment"))
    asked = parameters.one("environment")
    environments = reader.environments(() if asked is None else (asked,))
    values = {name: value for name in fields if (value := parameters.one(name)) is not None}
    try:
        return request.model_validate(values), environments[0] if environments else ANYWHERE
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise (invalid(place, f"cannot be used: {message}") if place else RequestInvalid(message)) from None


def _start(parameters: QueryParameters, last_event_id: str | None, now: datetime) -> dict[str, Any]:
    named = [name for name in _STARTS if parameters.one(name) is not None]
    if len(named) > 1:
        raise invalid(named[1], f"does not go with {named[0]}", "say once where to begin")
    begun = {name: parameters.one(name) for name in named}
    since, beginning = begun.get("since"), begun.get("from")
    if beginning not in (None, _BEGINNING):
        raise invalid("from", f"is {_BEGINNING}, or left out")
    try:
        moment = None if since is None else read_moment(since, now)
    except ValueError as error:
        raise invalid("since", f"cannot be used: {error}", "a + is written %2B in an address") from error
    if last_event_id is not None:
        return {"after": _sequence("Last-Event-ID", last_event_id)}
    after = begun.get("after")
    if after is not None:
        return {"after": _sequence("after", after)}
    return {"since": moment, "oldest": beginning is not None}


def _sequence(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text[:20]) > _LAST_SEQUENCE:
        raise invalid(name, "is no number of an event", "send the id of the last event that came")
    return int(text)


def _event_type(text: str) -> str:
    if text.upper() not in EVENT_TYPES:
        raise invalid("event_type", f"is one of {', '.join(EVENT_TYPES)}")
    return text.upper()
