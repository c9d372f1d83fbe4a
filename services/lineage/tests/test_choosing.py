from __future__ import annotations

import json
from typing import Any

import pytest

from floe_contracts import subjects
from floe_contracts.platform.services import LineageForwarding
from floe_contracts.plugins.lineage_backends import LineageEvent, Position
from floe_lineage.core.forwarding.choosing import chooses, shapes

DOCUMENT: dict[str, Any] = {
    "eventType": "COMPLETE",
    "run": {"runId": "r", "facets": {"parent": {"a": 1}, "tags": {}}},
    "job": {"name": "j", "facets": {"sql": {"query": "select 1"}}},
    "inputs": [{"name": "i", "facets": {"schema": {}, "dataSource": {}}, "inputFacets": {"dataQualityMetrics": {}}}],
    "outputs": [{"name": "o", "facets": {"dataSource": {}}, "outputFacets": {"outputStatistics": {}}}],
}


def event(document: Any, kind: str = "COMPLETE") -> LineageEvent:
    subject = subjects.lineage("default", "dev", "shop", "a.b", kind)
    return LineageEvent(json.dumps(document).encode(), "id", Position(1, 1), subject)


def forwarding(**fields: Any) -> LineageForwarding:
    return LineageForwarding.model_validate(fields)


async def nothing(_: int) -> bytes | None:
    return None


async def shaped(settings: LineageForwarding, one: LineageEvent) -> Any:
    shape = shapes(settings, nothing)
    assert shape is not None
    told = await shape(one)
    return None if told is None else json.loads(told.body)


def test_the_type_of_an_event_stands_in_its_subject() -> None:
    some = chooses(forwarding(eventTypes=["START", "JOB"]))
    assert [kind for kind in ("START", "COMPLETE", "JOB", "DATASET") if some(event({}, kind))] == ["START", "JOB"]
    everything = chooses(forwarding())
    assert everything(event({}, "DATASET"))


def test_without_a_wish_the_bytes_stay() -> None:
    assert shapes(forwarding(), nothing) is None


async def test_facets_are_dropped_by_their_place() -> None:
    dropped = {
        "run": ["parent"],
        "job": ["sql"],
        "dataset": ["dataSource"],
        "input": ["dataQualityMetrics"],
        "output": ["outputStatistics"],
    }
    left = await shaped(forwarding(dropFacets=dropped), event(DOCUMENT))
    assert left == {
        "eventType": "COMPLETE",
        "run": {"runId": "r", "facets": {"tags": {}}},
        "job": {"name": "j", "facets": {}},
        "inputs": [{"name": "i", "facets": {"schema": {}}, "inputFacets": {}}],
        "outputs": [{"name": "o", "facets": {}, "outputFacets": {}}],
    }


async def test_the_facets_of_a_dataset_event_are_those_of_a_dataset() -> None:
    told = {"dataset": {"name": "d", "facets": {"dataSource": {}, "schema": {}}}}
    left = await shaped(forwarding(dropFacets={"dataset": ["dataSource"]}), event(told, "DATASET"))
    assert left == {"dataset": {"name": "d", "facets": {"schema": {}}}}


@pytest.mark.parametrize("document", [{}, {"run": None, "inputs": 3, "outputs": [None, {"facets": []}]}, DOCUMENT])
async def test_an_event_without_such_facets_keeps_its_bytes(document: dict[str, Any]) -> None:
    shape = shapes(forwarding(dropFacets={"dataset": ["nothing"], "run": ["nothing"]}), nothing)
    assert shape is not None
    one = event(document)
    assert await shape(one) is one


RUN_ID = "0190b5a0-0000-7000-8000-000000000001"
PARENT_ID = "0190b5a0-0000-7000-8000-000000000002"
ROOT_ID = "0190b5a0-0000-7000-8000-000000000003"
CORE = {
    "eventTime": "2026-01-01T00:00:00Z",
    "producer": "https://floe.dev/lineage",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
}
ENRICHED = CORE | {
    "job": {
        "namespace": "n",
        "name": "j",
        "facets": {"floe_enriched_run": {"runId": RUN_ID, "eventTime": "2026-01-01T00:00:00Z", "sequence": 3}},
    },
    "outputs": [{"namespace": "n", "name": "o", "facets": {"columnLineage": {"fields": {}}, "tags": {"tags": []}}}],
}
EXPOSURE = {"job": {"namespace": "n", "name": "exposure"}, "inputs": []}


@pytest.mark.parametrize("wish", ["as-runs", "only-as-runs"])
async def test_what_floe_found_out_goes_out_as_the_end_of_its_run(wish: str) -> None:
    told = await shaped(forwarding(jobEvents=wish, dropFacets={"dataset": ["tags"]}), event(ENRICHED, "JOB"))
    assert (told["eventType"], told["run"]["runId"]) == ("COMPLETE", RUN_ID)
    assert told["outputs"][0]["facets"] == {"columnLineage": {"fields": {}}}
    assert await shaped(forwarding(jobEvents=wish), event(DOCUMENT)) == DOCUMENT


def ended(parent: dict[str, Any]) -> dict[str, Any]:
    run = {"runId": RUN_ID, "facets": {"parent": parent}}
    return CORE | {"eventType": "COMPLETE", "run": run, "job": {"namespace": "n", "name": "stored"}}


async def enriched(parent: dict[str, Any], **wishes: Any) -> LineageEvent:
    async def stored(sequence: int) -> bytes:
        assert sequence == 3
        return json.dumps(ended(parent)).encode()

    shape = shapes(forwarding(jobEvents="as-runs", **wishes), stored)
    assert shape is not None
    told = await shape(event(ENRICHED, "JOB"))
    assert told is not None
    return told


async def test_the_stored_end_of_the_run_is_told_with_it() -> None:
    told = await enriched({})
    assert json.loads(told.body)["job"] == {"namespace": "n", "name": "stored"}


PARENT = {"run": {"runId": PARENT_ID}}


@pytest.mark.parametrize(
    ("parent", "root"),
    [({}, RUN_ID), (PARENT, PARENT_ID), (PARENT | {"root": {"run": {"runId": ROOT_ID}}}, ROOT_ID)],
    ids=["none", "parent", "root"],
)
async def test_an_end_that_is_told_again_stands_among_the_events_of_its_run(parent: dict[str, Any], root: str) -> None:
    for wishes in ({}, {"dropFacets": {"run": ["parent"]}}):
        assert (await enriched(parent, **wishes)).root_run_id == root


async def test_other_job_events_go_as_they_are_or_not_at_all() -> None:
    assert await shaped(forwarding(jobEvents="as-runs"), event(EXPOSURE, "JOB")) == EXPOSURE
    assert await shaped(forwarding(jobEvents="only-as-runs"), event(EXPOSURE, "JOB")) is None
