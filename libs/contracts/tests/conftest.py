"""A strict validator of OpenLineage events: the event, every facet by its key, and where each facet may stand."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

OFFICIAL = Path(__file__).parent / "openlineage-spec"
OWN = Path(__file__).parents[1] / "src" / "floe_contracts" / "schemas" / "openlineage"
SIDES = {"inputs": ("inputFacets", "InputDatasetFacet"), "outputs": ("outputFacets", "OutputDatasetFacet")}

FORMATS = FormatChecker(formats=())


@FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or (bool(urlsplit(value).scheme) and value.isascii() and " " not in value)


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or ("T" in value and datetime.fromisoformat(value).tzinfo is not None)


@FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(uuid.UUID(value)) == value


class OpenLineageSchemas:
    """The official schemas and floe's own."""

    def __init__(self) -> None:
        documents = [
            json.loads(path.read_text(encoding="utf-8"))
            for path in (OFFICIAL / "OpenLineage.json", *OFFICIAL.glob("facets/*.json"), *sorted(OWN.glob("*/*.json")))
        ]
        self.registry: Registry[Any] = Registry().with_resources(
            (document["$id"], Resource.from_contents(document)) for document in documents
        )
        self.core = f"{documents[0]['$id']}#/$defs/"
        self.facets: dict[str, dict[str, str]] = defaultdict(dict)
        """Per key, the schema of the facet for each kind of place where it may stand."""
        for document in documents[1:]:
            for key, value in document["properties"].items():
                for kind in _kinds(document, value["$ref"].rsplit("/", 1)[-1]):
                    self.facets[key][kind] = document["$id"] + value["$ref"]

    def problems(self, event: Mapping[str, Any]) -> list[str]:
        """What is wrong with an event of a run or a job; a facet that no schema knows is wrong too."""
        found = [*self._check(self.core + ("RunEvent" if "run" in event else "JobEvent"), event, "event")]
        for place, kind, facets in _facets(event):
            for key, facet in facets.items():
                reference = self.facets[key].get(kind)
                if reference is None:
                    found.append(f"{place}.{key}: not a {kind}")
                    continue
                found += self._check(reference, facet, f"{place}.{key}")
                if facet["_schemaURL"] != reference:
                    found.append(f"{place}.{key}: says that its schema is {facet['_schemaURL']}")
        return found

    def _check(self, reference: str, value: object, place: str) -> Iterator[str]:
        validator = Draft202012Validator({"$ref": reference}, registry=self.registry, format_checker=FORMATS)
        for error in validator.iter_errors(value):
            yield f"{place}: {error.message} at {error.json_path}"


def _kinds(document: Mapping[str, Any], name: str) -> set[str]:
    parents = (part.get("$ref", "") for part in document["$defs"][name]["allOf"])
    return {parent.rsplit("/", 1)[-1] for parent in parents if "OpenLineage.json" in parent}


def _facets(event: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    yield "run", "RunFacet", event.get("run", {}).get("facets", {})
    yield "job", "JobFacet", event["job"].get("facets", {})
    for side, (sided, kind) in SIDES.items():
        for dataset in event.get(side, ()):
            yield side, "DatasetFacet", dataset.get("facets", {})
            yield side, kind, dataset.get(sided, {})


@pytest.fixture(scope="session")
def openlineage() -> OpenLineageSchemas:
    """The schemas, read once."""
    return OpenLineageSchemas()
