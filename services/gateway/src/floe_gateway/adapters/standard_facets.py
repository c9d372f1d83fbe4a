"""Checking the facets of foreign events against the schemas of the standard ones, and of floe's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import jsonschema_rs

from floe_contracts.openlineage.core_check import CoreProblem, pointer

_SCHEMAS: Final = "schemas/openlineage/standard-facets.json"
_ANY: Final = {
    "type": "object",
    "required": ["_producer", "_schemaURL"],
    "properties": {"_producer": {"type": "string"}, "_schemaURL": {"type": "string"}},
}
_MESSAGE_LENGTH: Final = 200


def facet_problems(event: Mapping[str, Any]) -> tuple[CoreProblem, ...]:
    """What is wrong with the facets of an event whose core is right; an unknown facet needs its two base fields."""
    return tuple(_event_problems(event))


def _event_problems(event: Mapping[str, Any]) -> Iterator[CoreProblem]:
    for owner, kind in (("run", "run"), ("job", "job"), ("dataset", "dataset")):
        yield from _problems(event.get(owner), kind, (owner, "facets"))
    for side, kind, facets in (
        ("inputs", "inputDataset", "inputFacets"),
        ("outputs", "outputDataset", "outputFacets"),
    ):
        for index, dataset in enumerate(event.get(side) or ()):
            yield from _problems(dataset, "dataset", (side, index, "facets"))
            yield from _problems(dataset, kind, (side, index, facets))


def _problems(owner: Mapping[str, Any] | None, kind: str, place: tuple[str | int, ...]) -> Iterator[CoreProblem]:
    facets: Mapping[str, Any] = (owner or {}).get(str(place[-1])) or {}
    for name, facet in facets.items():
        validators = _validators()
        validator = validators[kind].get(name)
        if validator is None:
            others = [other for other, known in validators.items() if name in known]
            if others:
                yield CoreProblem(pointer(*place, name), f"is a facet of {' and '.join(others)}, not of {kind}")
                continue
            validator = _unknown()
        for error in validator.iter_errors(facet):
            yield CoreProblem(pointer(*place, name, *error.instance_path), error.message[:_MESSAGE_LENGTH])


@cache
def _validators() -> dict[str, dict[str, jsonschema_rs.Draft202012Validator]]:
    document = json.loads(files("floe_contracts").joinpath(_SCHEMAS).read_bytes())
    return {
        kind: {name: jsonschema_rs.Draft202012Validator(schema) for name, schema in facets.items()}
        for kind, facets in document["facets"].items()
    }


@cache
def _unknown() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_ANY)
