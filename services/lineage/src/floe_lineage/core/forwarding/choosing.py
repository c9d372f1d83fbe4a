"""Which events a backend gets, and which of their facets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import orjson

from floe_contracts.openlineage.envelope import JOB, read_envelope
from floe_contracts.platform.services import DroppedFacets, LineageForwarding
from floe_contracts.plugins.lineage_backends import LineageEvent
from floe_lineage.core.forwarding.as_run import as_run, enriched_run
from floe_lineage.core.forwarding.decisions import is_readable_event

ReadStored: TypeAlias = Callable[[int], Awaitable[bytes | None]]
Shape: TypeAlias = Callable[[LineageEvent], Awaitable[LineageEvent | None]]


def event_type(event: LineageEvent) -> str:
    """The type of an event, by its subject: START and so on, JOB or DATASET."""
    return event.subject.rpartition(".")[2].upper()


def chooses(forwarding: LineageForwarding) -> Callable[[LineageEvent], bool]:
    """What tells whether a backend gets an event."""
    if forwarding.event_types is None:
        return lambda _: True
    wanted = frozenset(forwarding.event_types)
    return lambda event: event_type(event) in wanted


def shapes(forwarding: LineageForwarding, stored: ReadStored) -> Shape | None:
    """What makes an event what a backend gets of it; None where it gets the very bytes.

    The event must be one that can be read (`decisions.is_readable_event`).

    Args:
        forwarding: how the backend wants it.
        stored: reads what stands in the stream at a sequence, None if nothing does.
    """
    dropped = forwarding.drop_facets
    runs, drops = forwarding.job_events != "as-they-are", dropped != DroppedFacets()
    if not runs and not drops:
        return None

    async def shape(event: LineageEvent) -> LineageEvent | None:
        is_job = event_type(event) == JOB
        if not drops and not is_job:
            return event
        document: dict[str, Any] = orjson.loads(event.body)
        told = await _as_run(document, stored) if runs and is_job else None
        if is_job and told is None and forwarding.job_events == "only-as-runs":
            return None
        # Beside the other events of its run, such an end goes out in its order.
        root = read_envelope(told).root_run_id if told else event.root_run_id
        if not _drop(told or document, dropped) and not told:
            return event
        return replace(event, body=orjson.dumps(told or document), root_run_id=root)

    return shape


async def _as_run(event: dict[str, Any], stored: ReadStored) -> dict[str, Any] | None:
    run = enriched_run(event)
    if run is None:
        return None
    body = await stored(run.sequence)
    return as_run(event, orjson.loads(body) if body is not None and is_readable_event(body) else None)


def _drop(document: dict[str, Any], dropped: DroppedFacets) -> bool:
    """Take the facets out; whether there were any."""
    inputs, outputs = _items(document.get("inputs")), _items(document.get("outputs"))
    found = [
        *_without([document.get("run")], "facets", dropped.run),
        *_without([document.get("job")], "facets", dropped.job),
        *_without([document.get("dataset"), *inputs, *outputs], "facets", dropped.dataset),
        *_without(inputs, "inputFacets", dropped.input),
        *_without(outputs, "outputFacets", dropped.output),
    ]
    return bool(found)


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _without(holders: Iterable[Any], field: str, names: Sequence[str]) -> Iterable[str]:
    """Take the facets of these names out of each holder; those that were there."""
    for holder in holders:
        facets = holder.get(field) if isinstance(holder, dict) else None
        if isinstance(facets, dict):
            for name in names:
                if facets.pop(name, None) is not None:
                    yield name
