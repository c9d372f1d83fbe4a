"""What checking an event costs: nothing but reading it, its core, its facets; and facets with another library."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import jsonschema
import msgspec
from lineage_events import body_of, run_events

from floe_contracts.openlineage.core_check import check_core
from floe_gateway.adapters.standard_facets import facet_problems

_SCHEMAS = "schemas/openlineage/standard-facets.json"
_SLOW = 200
"""So many events are enough for what takes milliseconds."""


def checking_costs(events: int, rounds: int) -> dict[str, float]:
    """By what is done: microseconds of CPU an event, medians of the rounds."""
    bodies = [body_of(event) for event in run_events(min(events, 5_000))]
    facets = _facet_validators()

    def read(body: bytes) -> Any:
        return msgspec.json.decode(body)

    def core(body: bytes) -> None:
        assert not check_core(read(body))

    def checked(body: bytes) -> None:
        event = read(body)
        assert not check_core(event)
        assert not facet_problems(event)

    def by_jsonschema(body: bytes) -> None:
        event = read(body)
        assert not check_core(event)
        assert not list(_problems(event, facets))

    return {
        "reading alone (msgspec)": _cost(read, bodies, rounds),
        "and the core": _cost(core, bodies, rounds),
        "and the facets (jsonschema-rs), as the gateway": _cost(checked, bodies, rounds),
        "and the facets, by jsonschema in Python": _cost(by_jsonschema, bodies[:_SLOW], rounds),
    }


def _cost(work: Callable[[bytes], object], bodies: list[bytes], rounds: int) -> float:
    work(bodies[0])
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        for body in bodies:
            work(body)
        taken.append((time.process_time() - started) / len(bodies) * 1e6)
    return statistics.median(taken)


def _facet_validators() -> dict[str, dict[str, jsonschema.Draft202012Validator]]:
    document = json.loads(files("floe_contracts").joinpath(_SCHEMAS).read_bytes())
    return {
        kind: {name: jsonschema.Draft202012Validator(schema) for name, schema in schemas.items()}
        for kind, schemas in document["facets"].items()
    }


def _problems(event: Mapping[str, Any], validators: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    places = [("run", event["run"]["facets"]), ("job", event["job"]["facets"])]
    places += [("dataset", dataset["facets"]) for side in ("inputs", "outputs") for dataset in event[side]]
    return [
        problem
        for kind, facets in places
        for name, facet in facets.items()
        for problem in validators[kind][name].iter_errors(facet)
    ]
