"""Checking the core of an OpenLineage event, the part that every reader relies on (OpenLineage.json 2-0-2).

Facets are checked only for being objects of objects: the real world's do not always keep their schemas, and an event
is worth more than one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from floe_contracts.openlineage.event_types import RUN_EVENT_TYPES

NAME_LENGTH: Final = 4096
"""Longer names are no names, and would not fit into the headers of a message."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_FRACTION: Final = re.compile(r"\.\d+")


@dataclass(frozen=True, slots=True)
class CoreProblem:
    """What is wrong at one place of an event."""

    pointer: str
    """JSON pointer (RFC 6901) to the place; empty for the event itself."""
    message: str


def check_core(event: object) -> tuple[CoreProblem, ...]:
    """All problems in the core of a run, job or dataset event; none if readers can rely on it."""
    if not isinstance(event, Mapping):
        return (CoreProblem("", "an event is a JSON object"),)
    return tuple(_event(event))


def pointer(*steps: str | int) -> str:
    """The JSON pointer to a place."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def _event(event: Mapping[str, Any]) -> Iterator[CoreProblem]:
    yield from _text(event, (), "eventTime", _is_date_time, "a date and time with its offset, as in RFC 3339")
    yield from _text(event, (), "producer", _is_uri, "a URI")
    yield from _text(event, (), "schemaURL", _is_uri, "a URI")
    if "run" in event and "dataset" in event:
        yield CoreProblem("/dataset", "an event of a run has inputs and outputs, not a dataset")
    elif "dataset" in event and "job" in event:
        yield CoreProblem("/dataset", "an event speaks of a job or of a dataset, not of both")
    elif "dataset" in event:
        yield from _named(event["dataset"], ("dataset",), ("facets",))
    elif "run" not in event and "job" not in event:
        yield CoreProblem("", "an event has a run and a job, a job, or a dataset")
    else:
        yield from _work(event)


def _work(event: Mapping[str, Any]) -> Iterator[CoreProblem]:
    """A run event or a job event."""
    if "run" in event:
        kind = event.get("eventType")
        if kind is not None and kind not in RUN_EVENT_TYPES:
            yield CoreProblem("/eventType", f"is one of {', '.join(RUN_EVENT_TYPES)}")
        yield from _run(event["run"])
    if "job" not in event:
        yield CoreProblem("/job", "is missing")
    else:
        yield from _named(event["job"], ("job",), ("facets",))
    for side, facets in (("inputs", "inputFacets"), ("outputs", "outputFacets")):
        datasets = event.get(side)
        if datasets is None:
            continue
        if not isinstance(datasets, list):
            yield CoreProblem(pointer(side), "is a list of datasets")
            continue
        for index, dataset in enumerate(datasets):
            yield from _named(dataset, (side, index), ("facets", facets))


def _run(run: object) -> Iterator[CoreProblem]:
    if not isinstance(run, Mapping):
        yield CoreProblem("/run", "is an object with a runId")
        return
    yield from _text(run, ("run",), "runId", _is_uuid, "a UUID")
    yield from _facets(run, ("run", "facets"))


def _named(value: object, place: tuple[str | int, ...], facets: tuple[str, ...]) -> Iterator[CoreProblem]:
    """A job or a dataset."""
    if not isinstance(value, Mapping):
        yield CoreProblem(pointer(*place), "is an object with a namespace and a name")
        return
    for name in ("namespace", "name"):
        yield from _text(value, place, name, _is_name, f"a text of 1 to {NAME_LENGTH} characters")
    for name in facets:
        yield from _facets(value, (*place, name))


def _facets(owner: Mapping[str, Any], place: tuple[str | int, ...]) -> Iterator[CoreProblem]:
    facets = owner.get(str(place[-1]))
    if facets is None:
        return
    if not isinstance(facets, Mapping):
        yield CoreProblem(pointer(*place), "is an object of facets by their names")
        return
    for name, facet in facets.items():
        if not isinstance(facet, Mapping):
            yield CoreProblem(pointer(*place, name), "a facet is an object")


def _text(
    owner: Mapping[str, Any], place: tuple[str | int, ...], name: str, fits: Callable[[str], bool], wanted: str
) -> Iterator[CoreProblem]:
    value = owner.get(name)
    if value is None:
        yield CoreProblem(pointer(*place, name), "is missing")
    elif not isinstance(value, str) or not fits(value):
        yield CoreProblem(pointer(*place, name), f"is {wanted}")


def _is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_LENGTH


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _is_uri(text: str) -> bool:
    return _URI.fullmatch(text) is not None


def _is_date_time(text: str) -> bool:
    if not _DATE_TIME.fullmatch(text):
        return False
    try:
        # Fractions may have any number of digits there, and no bearing on whether the day exists.
        datetime.fromisoformat(_FRACTION.sub("", text).upper())
    except ValueError:
        return False
    return True
