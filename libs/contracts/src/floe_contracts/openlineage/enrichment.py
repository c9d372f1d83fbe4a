"""What floe finds out about a job and tells beside its producer: a job event on the same stream.

A second run event would count as another end of the run. The event carries what is made of what by column, what columns
are because of that, and which run it was found out from. What no longer holds is told with `_deleted`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from floe_contracts.lineage_states import RunOrigin
from floe_contracts.openlineage.facet import Facet, facet, official, own

ENRICHED_BY: Final = "https://floe.dev/lineage"
"""The producer of these events."""
COLUMN_LINEAGE: Final = "columnLineage"
DERIVED: Final = "floe_derived_classification"
TAGS: Final = "tags"
SCHEMA: Final = "schema"
ENRICHED_RUN: Final = "floe_enriched_run"
TAG_SOURCE: Final = "FLOE_LINEAGE"

_DERIVED_URL: Final = own("1-0-0", "FloeDerivedClassificationDatasetFacet")
_ENRICHED_RUN_URL: Final = own("1-0-0", "FloeEnrichedRunJobFacet")
_TAGS_URL: Final = official("1-0-0", "TagsDatasetFacet")
_NOT_CONTENT: Final = frozenset({"_producer", "_schemaURL"})


@dataclass(frozen=True, slots=True)
class Derived:
    """What a column is because of another one."""

    classification: str
    masked: bool
    path: tuple[tuple[str, str, str], ...]
    """Namespace, dataset and field of each column, from the one whose owner says so to this one."""


def derived_classification(columns: Mapping[str, Iterable[Derived]]) -> Facet:
    """Floe's own facet of what columns are because of those that they are made of, with the paths that prove it."""
    told = {
        column: [
            {
                "classification": one.classification,
                "masked": one.masked,
                "path": [{"namespace": at[0], "name": at[1], "field": at[2]} for at in one.path],
            }
            for one in found
        ]
        for column, found in columns.items()
    }
    return by_floe(facet(_DERIVED_URL, columns=told))


def tags(declared: Mapping[str, Iterable[str]], derived: Mapping[str, Iterable[Derived]]) -> Facet:
    """What columns are said to be, and what they are because of others, as tags that any backend shows."""
    found = [
        {"key": "classification", "value": name, "source": "FLOE", "field": column}
        for column, names in sorted(declared.items())
        for name in names
    ]
    found += [
        {"key": "classification", "value": one.classification, "source": TAG_SOURCE, "field": column}
        for column, ones in sorted(derived.items())
        for one in ones
    ]
    return by_floe(facet(_TAGS_URL, tags=found))


def by_floe(written: Facet) -> Facet:
    """A facet of which this is the producer."""
    return written | {"_producer": ENRICHED_BY}


def enriched_run(origin: RunOrigin) -> Facet:
    """The run that it was found out from, and the number of its event in the stream."""
    parent = None
    if origin.parent_run_id is not None:
        parent = {
            "run": {"runId": origin.parent_run_id},
            "job": {"namespace": origin.parent_namespace, "name": origin.parent_name},
        }
    told = facet(_ENRICHED_RUN_URL, runId=origin.run_id, eventTime=origin.at, sequence=origin.sequence, parent=parent)
    return by_floe(told)


def told_facets(event: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Namespace and name of each output -> what the event says of it that was found out, without what it takes back."""
    found = {}
    for output in event.get("outputs") or ():
        facets = {
            key: {name: value for name, value in facet.items() if name not in _NOT_CONTENT}
            for key, facet in (output.get("facets") or {}).items()
            if key in (COLUMN_LINEAGE, DERIVED) and facet.get("_deleted") is not True
        }
        if facets:
            found[output["namespace"], output["name"]] = facets
    return found


def digest_of_told(told: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """The same for the same findings."""
    content = [[*dataset, facets] for dataset, facets in sorted(told.items())]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
