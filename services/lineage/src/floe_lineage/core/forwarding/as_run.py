"""What was found out about a finished run, told as that run's end once more.

floe tells it as a JobEvent. Backends that read column lineage from the events of runs alone would not see it: Marquez
looks input fields up by the run, Feast reads no columns elsewhere. Marquez would also take it for the event of another
job, since a JobEvent has no parent. Told as `COMPLETE` of the run it came from, with all that was told then, it
replaces what such a backend has of that run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from floe_contracts.openlineage.core_check import check_core
from floe_contracts.openlineage.enrichment import ENRICHED_BY, ENRICHED_RUN, TAGS
from floe_contracts.openlineage.facet import official

Event: TypeAlias = Mapping[str, Any]
Facets: TypeAlias = Mapping[str, Any]

_PARENT: Final = official("1-2-0", "ParentRunFacet")
_RUN_EVENT: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


@dataclass(frozen=True, slots=True)
class EnrichedRun:
    """The end of a run of which a JobEvent tells more.

    Attributes:
        run_id: of the run.
        time: when it ended, as its event has it.
        sequence: of its event in the stream.
        parent: the content of its facet `parent`; None of a run without one.
    """

    run_id: str
    time: str
    sequence: int
    parent: Facets | None


def enriched_run(event: Event) -> EnrichedRun | None:
    """The run that a JobEvent of the lineage service tells more of; None of any other event."""
    if "run" in event or "job" not in event or event.get("producer") != ENRICHED_BY or check_core(event):
        return None
    told = (event["job"].get("facets") or {}).get(ENRICHED_RUN, {})
    run_id, time, sequence, parent = (told.get(name) for name in ("runId", "eventTime", "sequence", "parent"))
    if not isinstance(run_id, str) or not isinstance(time, str) or not isinstance(parent, Mapping | None):
        return None
    # The number of an event in a stream; true is an int, too.
    if type(sequence) is not int or sequence <= 0:
        return None
    return EnrichedRun(run_id, time, sequence, parent)


def as_run(event: Event, stored: Event | None = None) -> dict[str, Any] | None:
    """The `COMPLETE` of a run with what a JobEvent of the lineage service tells of its datasets.

    Args:
        event: any event.
        stored: what stands in the stream at the sequence of `enriched_run`, if anything does. If that is the run's
            end, all of it is told again; if it is gone, what the JobEvent itself says must do.

    Returns:
        None if the event tells no more of a run.
    """
    run = enriched_run(event)
    if run is None:
        return None
    end = stored if stored is not None and _is_end(stored, run) else _thin(event, run)
    more = {_key(dataset): dataset for dataset in event.get("outputs") or ()}
    outputs = [_with(dataset, more.pop(_key(dataset), {})) for dataset in end.get("outputs") or ()]
    return {**end, "outputs": [*outputs, *(_with(dataset, {}) for dataset in more.values())]}


def _is_end(stored: Event, run: EnrichedRun) -> bool:
    """Whether it is the run's end; in a stream that was made anew, something else stands in the place."""
    of = stored.get("run")
    is_of_run = isinstance(of, Mapping) and of.get("runId") == run.run_id
    return is_of_run and stored.get("eventType") == "COMPLETE" and not check_core(stored)


def _thin(event: Event, run: EnrichedRun) -> dict[str, Any]:
    parent = {"_producer": event.get("producer"), "_schemaURL": _PARENT, **(run.parent or {})}
    job = {name: value for name, value in event["job"].items() if name != "facets"}
    kept = {name: facet for name, facet in event["job"]["facets"].items() if name != ENRICHED_RUN}
    return {
        "eventType": "COMPLETE",
        "eventTime": run.time,
        "producer": event.get("producer"),
        "schemaURL": _RUN_EVENT,
        "run": {"runId": run.run_id} | ({"facets": {"parent": parent}} if run.parent else {}),
        "job": job | ({"facets": kept} if kept else {}),
        "inputs": list(event.get("inputs") or ()),
    }


def _with(dataset: Event, more: Event) -> dict[str, Any]:
    """A dataset with the facets of another telling of it; what is told as deleted is left out."""
    old, new = dataset.get("facets") or {}, more.get("facets") or {}
    facets = {**old, **new}
    if TAGS in old and TAGS in new:
        facets[TAGS] = new[TAGS] | {TAGS: _joined(_listed(old[TAGS]), _listed(new[TAGS]))}
    return {**dataset, "facets": {name: facet for name, facet in facets.items() if not _is_deleted(facet)}}


def _listed(tags: Facets) -> Sequence[Facets]:
    told = tags.get(TAGS)
    return told if isinstance(told, list) else ()


def _is_deleted(facet: object) -> bool:
    return isinstance(facet, Mapping) and facet.get("_deleted") is True


def _joined(old: Iterable[Facets], new: Iterable[Facets]) -> list[Facets]:
    found: list[Facets] = []
    for tag in (*old, *new):
        if tag not in found:
            found.append(tag)
    return found


def _key(dataset: Event) -> tuple[Any, Any]:
    return dataset.get("namespace"), dataset.get("name")
