"""What Marquez asks of events, as its sources have it (release 0.51), where the server itself cannot be had.

Its model refuses (422) an event without a field that it marks as not null; its writer answers 500 where the type of an
event is missing, changes namespaces with other characters than these, lists a run never whose parent began later, and
leaves out the lineage of columns whose datasets or fields the run has not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

Event: TypeAlias = dict[str, Any]

_TYPES: Final = frozenset({"START", "RUNNING", "COMPLETE", "FAIL", "ABORT"})
_NAMESPACE: Final = re.compile(r"[a-zA-Z0-9:/\-_.@+]{1,1024}")
_OF_ALL: Final = ("eventTime", "producer", "job.namespace", "job.name")
_OF_RUNS: Final = (*_OF_ALL, "run.runId")
_RUN: Final = {"parent": ("run.runId", "job.namespace", "job.name"), "nominalTime": ("nominalStartTime",)}
_JOB: Final = {
    "documentation": ("description",),
    "sourceCodeLocation": (),
    "sql": ("query",),
    "jobType": ("processingType", "integration", "jobType"),
}
_DATASET: Final = {
    "documentation": ("description",),
    "schema": ("fields.name",),
    "lifecycleStateChange": ("lifecycleStateChange",),
    "dataSource": ("name", "uri"),
    "symlinks": ("identifiers.namespace", "identifiers.name"),
    "columnLineage": (),
}


def marquez_complaints(events: Sequence[Event]) -> list[str]:
    """What Marquez would refuse of events that come in this order, change, or leave out."""
    runs = [event for event in events if "run" in event]
    return [f"{event['job']['name']} {event.get('eventType')}: {one}" for event in events for one in _fields(event)] + [
        *_late_parents(runs),
        *_unknown_columns(runs),
    ]


def _fields(event: Event) -> Iterator[str]:
    if "run" in event:
        needed, right = _OF_RUNS, event.get("eventType") in _TYPES and event["schemaURL"].endswith("/RunEvent")
    else:
        needed, right = _OF_ALL, event["schemaURL"].endswith("/JobEvent")
    if not right:
        yield "its type"
    yield from (path for path in needed if not all(_values(event, path)))
    yield from _facets("run", event.get("run", {}), _RUN)
    yield from _facets("job", event["job"], _JOB)
    for dataset in _datasets(event):
        yield from _facets(dataset["name"], dataset, _DATASET)
    for named in (event["job"], *_datasets(event)):
        if not _NAMESPACE.fullmatch(named["namespace"]):
            yield f"namespace {named['namespace']!r}"


def _facets(of: str, holder: Event, known: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for name, needed in known.items():
        facet = holder.get("facets", {}).get(name)
        for path in ("_producer", "_schemaURL", *needed) if facet is not None else ():
            if not all(_values(facet, path)):
                yield f"{of} {name}.{path}"


def _values(value: Any, path: str) -> list[Any]:
    """What stands at a path, in each element of the lists on its way; None where nothing does."""
    first, _, rest = path.partition(".")
    found = value.get(first)
    if not rest:
        return [found]
    return [each for item in (found if isinstance(found, list) else [found or {}]) for each in _values(item, rest)]


def _late_parents(events: Sequence[Event]) -> Iterator[str]:
    """Runs whose parent has told nothing before them, or is another job's."""
    jobs: dict[str, str] = {}
    for event in events:
        run, job = event["run"]["runId"], event["job"]["name"]
        parent = event["run"].get("facets", {}).get("parent")
        if parent and jobs.get(parent["run"]["runId"]) != parent["job"].get("name"):
            yield f"{job}: its parent {parent['job'].get('name')} has not begun"
        jobs.setdefault(run, job)


def _unknown_columns(events: Sequence[Event]) -> Iterator[str]:
    """Columns of the lineage that the run has told no dataset or no field for, up to that event."""
    read: dict[str, set[tuple[str, str, str]]] = {}
    for event in events:
        known = read.setdefault(event["run"]["runId"], set())
        known |= {field for dataset in event.get("inputs", ()) for field in _columns(dataset)}
        for output in event.get("outputs", ()):
            written = {field for *_, field in _columns(output)}
            for column, made in output.get("facets", {}).get("columnLineage", {}).get("fields", {}).items():
                if column not in written:
                    yield f"{output['name']}.{column} is no column of its schema"
                for source in made["inputFields"]:
                    if (source["namespace"], source["name"], source["field"]) not in known:
                        yield f"{output['name']}.{column}: its run has not told of {source['name']}.{source['field']}"


def _columns(dataset: Event) -> Iterator[tuple[str, str, str]]:
    for field in dataset.get("facets", {}).get("schema", {}).get("fields", ()):
        yield dataset["namespace"], dataset["name"], field["name"]


def _datasets(event: Event) -> list[Event]:
    return [*event.get("inputs", ()), *event.get("outputs", ())]
