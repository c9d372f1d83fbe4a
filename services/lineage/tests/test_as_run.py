from __future__ import annotations

from typing import Any

import pytest

from floe_lineage.core.forwarding.as_run import EnrichedRun, as_run, enriched_run

RUN_ID = "0190b5a0-0000-7000-8000-000000000001"
OTHER_RUN = "0190b5a0-0000-7000-8000-000000000002"
PRODUCER = "https://example.com/producer"
PARENT = {"run": {"runId": OTHER_RUN}, "job": {"namespace": "floe://default/dev", "name": "shop"}}
RUN = EnrichedRun(RUN_ID, "2026-11-21T10:00:00Z", 7, PARENT)
TABLE = {"namespace": "duckdb://default.dev.shop", "name": "shop.main.customers"}
LINEAGE = {"_producer": "p", "_schemaURL": "s", "fields": {"email": {"inputFields": []}}}
SCHEMA = {"_producer": "p", "_schemaURL": "s", "fields": [{"name": "email", "type": "VARCHAR"}]}


def tags(*keys: str) -> dict[str, Any]:
    return {"_producer": "p", "_schemaURL": "s", "tags": [{"key": key, "value": "1"} for key in keys]}


def job_event(**changes: Any) -> dict[str, Any]:
    told = {
        "_producer": "p",
        "_schemaURL": "s",
        "runId": RUN_ID,
        "eventTime": RUN.time,
        "sequence": 7,
        "parent": PARENT,
    }
    return {
        "eventTime": "2026-11-21T10:00:01Z",
        "producer": "https://floe.dev/lineage",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
        "job": {"namespace": "floe://default/dev", "name": "shop.customers", "facets": {"floe_enriched_run": told}},
        "inputs": [{"namespace": "duckdb://default.dev.shop", "name": "shop.main.raw"}],
        "outputs": [TABLE | {"facets": {"columnLineage": LINEAGE, "tags": tags("pii", "own")}}],
    } | changes


def complete(**changes: Any) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": RUN.time,
        "producer": "https://floe.dev/executor",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": RUN_ID, "facets": {"floe_artifact": {"digest": "sha256:1"}}},
        "job": {"namespace": "floe://default/dev", "name": "shop.customers", "facets": {"sql": {"query": "select 1"}}},
        "inputs": [{"namespace": "duckdb://default.dev.shop", "name": "shop.main.raw", "facets": {"schema": SCHEMA}}],
        "outputs": [TABLE | {"facets": {"schema": SCHEMA, "tags": tags("own")}}],
    } | changes


def enriched(**changes: Any) -> dict[str, Any]:
    event = job_event()
    event["job"]["facets"]["floe_enriched_run"] |= changes
    return event


FORGED = ("producer", "facets", "output", "output-facets", "parent", "run-id", "time", "text-number", "true", "0", "-1")


def test_the_run_that_a_job_event_tells_more_of() -> None:
    assert enriched_run(job_event()) == RUN


@pytest.mark.parametrize(
    "event",
    [
        complete(),
        complete(job=job_event()["job"]),
        job_event(job={"namespace": "n", "name": "a"}),
        job_event(job={"namespace": "n", "name": "a", "facets": {"floe_enriched_run": "yes"}}),
        job_event(job={"namespace": "n", "name": "a", "facets": {"floe_enriched_run": {"runId": RUN_ID}}}),
        job_event(producer=PRODUCER),
        job_event(job={"namespace": "n", "name": "a", "facets": "abc"}),
        job_event(outputs=["x"]),
        job_event(outputs=[TABLE | {"facets": [1]}]),
        enriched(parent="zz"),
        enriched(runId=7),
        enriched(eventTime=None),
        enriched(sequence="7"),
        enriched(sequence=True),
        enriched(sequence=0),
        enriched(sequence=-1),
        {"dataset": TABLE},
        {},
    ],
    ids=["run", "run-with-the-facet", "none", "text", "incomplete", *FORGED, "dataset", "empty"],
)
def test_other_events_tell_of_no_run(event: dict[str, Any]) -> None:
    assert enriched_run(event) is None
    assert as_run(event, complete()) is None


def test_the_end_is_told_again_with_all_that_was_told_and_what_was_found() -> None:
    stored = complete()
    told = as_run(job_event(), stored)
    assert told is not None
    assert {key: value for key, value in told.items() if key != "outputs"} == {
        key: value for key, value in stored.items() if key != "outputs"
    }
    (table,) = told["outputs"]
    assert table == TABLE | {"facets": {"schema": SCHEMA, "columnLineage": LINEAGE, "tags": tags("own", "pii")}}
    assert stored == complete()


@pytest.mark.parametrize(
    "stored",
    [None, complete(run={"runId": OTHER_RUN}), complete(eventType="START"), job_event(), complete(outputs=["x"])],
    ids=["gone", "other-run", "start", "job-event", "wrong"],
)
def test_without_the_stored_end_the_job_event_must_do(stored: dict[str, Any] | None) -> None:
    told = as_run(job_event(), stored)
    assert told is not None
    assert (told["eventType"], told["eventTime"], told["schemaURL"].rpartition("/")[2]) == (
        "COMPLETE",
        RUN.time,
        "RunEvent",
    )
    assert told["run"]["runId"] == RUN_ID
    assert told["run"]["facets"]["parent"].items() >= PARENT.items()
    assert told["job"] == {"namespace": "floe://default/dev", "name": "shop.customers"}
    assert (told["inputs"], told["outputs"]) == (job_event()["inputs"], job_event()["outputs"])


def test_what_no_longer_holds_is_left_out() -> None:
    gone = {"columnLineage": LINEAGE | {"_deleted": True, "fields": {}}}
    event = job_event(outputs=[TABLE | {"facets": gone}])
    stored = complete(outputs=[TABLE | {"facets": {"schema": SCHEMA, "columnLineage": LINEAGE}}])
    for end, left in ((stored, {"schema": SCHEMA}), (None, {})):
        told = as_run(event, end)
        assert told is not None
        assert told["outputs"] == [TABLE | {"facets": left}]


@pytest.mark.parametrize("rubbish", [{"tags": 5}, {"tags": None}, {}], ids=["number", "null", "none"])
def test_tags_that_are_no_list_are_no_tags(rubbish: dict[str, Any]) -> None:
    stored = complete(outputs=[TABLE | {"facets": {"tags": rubbish}}])
    told = as_run(job_event(), stored)
    assert told is not None
    assert told["outputs"][0]["facets"]["tags"] == tags("pii", "own")
