"""dbt's target files in, events out: the files of the peer's own tests, compared with the events that it expects."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.runs import RunRecord
from floe_executor.core.lineage import LineageEvent

from .matching import differences
from .target_files import events_of

SAMPLES: Final = Path(os.environ.get("FLOE_SAMPLES") or Path(__file__).parents[5] / "shared" / "samples")
FIXTURES: Final = SAMPLES / "openlineage-dbt-fixtures"
EVERYWHERE: Final = ("duckdb", "small", "snapshot", "test")

RUN_FACETS: Final = (
    "not in the specification: `processing_engine` has dbt's version, and the run's own id stands for dbt's"
)
WHOSE: Final = "floe says whose event it is"
DIFFERENCES: Final[dict[str, tuple[Sequence[str], str]]] = {
    "_producer": (("snapshot", "test"), WHOSE),
    "producer": (("snapshot", "test"), WHOSE),
    "eventTime": (("test",), "the peer's is that of its test; floe's is the one at which dbt said so"),
    "START eventTime": (("snapshot",), "a node begins when dbt takes it up, which is before it is compiled"),
    "run.runId": (("test",), "made by chance there; here the same for every delivery of the request"),
    "run.facets.parent.run.runId": (("test",), "the id of the product's run"),
    "run.facets.parent.job.name": (EVERYWHERE, "the parent is the product's run"),
    "run.facets.parent.job.namespace": (EVERYWHERE, "it stands where all jobs of the environment do"),
    "run.facets.dbt_version": (EVERYWHERE, RUN_FACETS),
    "START run.facets.dbt_run": (("duckdb",), RUN_FACETS),
    "run.facets.dbt_run": (("small", "snapshot", "test"), RUN_FACETS),
    "run.facets.tags": (("duckdb",), "tags and meta of a model stand on its dataset, `meta.owner` as its owner"),
    "job.name": (EVERYWHERE, "product and dbt's id: the same for all commands, and each test is a job of its own"),
    "job.namespace": (EVERYWHERE, "that of the environment, in place of a setting of each caller"),
    "START job.facets.sql": (("duckdb", "snapshot"), "when a node begins, its SQL is not compiled yet"),
    "outputs[].namespace": (("duckdb",), "a DuckDB file is named after its product, wherever it stands"),
    "outputs[].facets.dataSource.name": (("duckdb",), "the same name"),
    "outputs[].facets.dataSource.uri": (("duckdb",), "the same name"),
    "END inputs[].facets.dataSource.uri": (("small",), "`bigquery` is no URI, which the schema demands"),
    "END outputs[].facets.dataSource.uri": (("small",), "`bigquery` is no URI, which the schema demands"),
    "outputs[].facets.dbt_model": (
        ("duckdb",),
        "not in the specification; `datasetType` and `lifecycleStateChange` say what becomes of the table",
    ),
    "outputs[].facets.schema.fields[] in order": (
        ("duckdb",),
        "documented columns have no order; a warm dbt tells the table's own, with `ordinal_position`",
    ),
    "outputs[].outputFacets": (("snapshot",), "it has no entries there"),
    "START inputs[].name": (("test",), "the name of a table does not end in `.test`"),
    "END inputs[].inputFacets.dataQualityAssertions.assertions[].assertion": (
        ("test",),
        "a test of a package is named with it, as two packages may have tests of the same name",
    ),
    "END inputs[].inputFacets.dataQualityAssertions.assertions[].expected": (
        ("test",),
        "how many rows a test may find is what its project says, and not always none",
    ),
    "END inputs[].inputFacets.dataQualityAssertions.assertions[].severity": (
        ("test",),
        "a result that found something says how bad that is; of one that found nothing dbt does not tell",
    ),
}
"""Places with the samples in which they differ, and why; a place without START or END differs in both."""


pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"compared with nothing: no samples at {FIXTURES}")


class Schemas(Protocol):
    def problems(self, event: Mapping[str, Any]) -> list[str]: ...


def phase(event: Mapping[str, Any]) -> str:
    return "START" if event["eventType"] == "START" else "END"


def subject(event: Mapping[str, Any]) -> str:
    """The table that an event is about: what it writes, or what it tests."""
    name: str = (event["outputs"] or event["inputs"])[0]["name"]
    return name.removesuffix(".test")


def by_subject(events: Sequence[LineageEvent]) -> dict[tuple[str, str], LineageEvent]:
    """An event for each table and phase, as the peer has them: the tests of a table are one job there."""
    groups = defaultdict(list)
    for event in events:
        groups[subject(event), phase(event)].append(event)
    return {key: _together(group) for key, group in groups.items()}


def _together(events: Sequence[LineageEvent]) -> LineageEvent:
    found = next((event for event in events if event["eventType"] == "FAIL"), events[0])
    results = [
        result
        for event in events
        for dataset in event["inputs"]
        for result in dataset.get("inputFacets", {}).get("dataQualityAssertions", {}).get("assertions", ())
    ]
    if not results:
        return found
    (dataset,) = found["inputs"]
    sided = dataset["inputFacets"]
    sided = sided | {"dataQualityAssertions": sided["dataQualityAssertions"] | {"assertions": results}}
    return found | {"inputs": [dataset | {"inputFacets": sided}]}


def found_in(fixture: str, record: RunRecord, artifact: CompiledArtifacts) -> dict[str, list[tuple[Any, Any]]]:
    """The places where floe's events differ from the peer's, each with what the peer has there and what floe has."""
    expected = json.loads((FIXTURES / fixture / "result.json").read_text())
    told = by_subject(events_of(FIXTURES / fixture, record, artifact))
    assert {(subject(event), phase(event)) for event in expected} == told.keys()
    found = defaultdict(list)
    for event in expected:
        for place, wanted, there in differences(event, told[subject(event), phase(event)]):
            found[f"{phase(event)} {place}"].append((wanted, there))
    return dict(found)


def listed(fixture: str) -> set[str]:
    """The places in which a sample is meant to differ."""
    places = [place for place, (fixtures, _) in DIFFERENCES.items() if fixture in fixtures]
    return {
        each
        for place in places
        for each in ([place] if place.startswith(("START ", "END ")) else [f"START {place}", f"END {place}"])
    }


@pytest.mark.parametrize("fixture", EVERYWHERE)
def test_events_differ_from_the_peers_in_what_is_listed_and_in_nothing_else(
    fixture: str, run_record: RunRecord, artifact: CompiledArtifacts
) -> None:
    found = found_in(fixture, run_record, artifact)
    unlisted = {place: values for place, values in found.items() if place not in listed(fixture)}
    assert unlisted == {}
    assert listed(fixture) - found.keys() == set()


@pytest.mark.parametrize("fixture", EVERYWHERE)
def test_events_of_old_target_files_are_valid(
    fixture: str, run_record: RunRecord, artifact: CompiledArtifacts, openlineage: Schemas
) -> None:
    events = events_of(FIXTURES / fixture, run_record, artifact)
    assert events
    assert [problem for event in events for problem in openlineage.problems(event)] == []
