from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Protocol

import pytest

from floe_contracts import digests
from floe_contracts.nodes import Classification, Column, Node
from floe_contracts.openlineage import facets
from floe_contracts.openlineage.events import message_id, run_event, to_bytes
from floe_contracts.openlineage.naming import (
    Place,
    iceberg_dataset,
    job_namespace,
    landing_job,
    node_job,
    node_run_id,
    run_id,
    warehouse_dataset,
)

PLACE = Place("acme", "prod", "orders")
RUN = run_id(PLACE, "request-1")
TIME = datetime(2026, 11, 20, 9, 30, 15, 250_000, UTC)
NODE = Node(
    unique_id="model.orders.fct_orders",
    name="fct_orders",
    resource_type="model",
    materialized="table",
    database="warehouse",
    schema_name="main",
    identifier="fct_orders",
    path="models/marts/fct_orders.sql",
    description="One row an order, in €.",
    owner="shop@example.com",
    columns=(
        Column(name="id", data_type="bigint", description="The order."),
        Column(
            name="email",
            data_type="varchar",
            classification=Classification(classification="pii", pii_type="email", sensitivity="high"),
        ),
        Column(name="amount", classification=Classification(classification="financial")),
    ),
)


class Schemas(Protocol):
    def problems(self, event: dict[str, Any]) -> list[str]: ...


def complete_event() -> dict[str, Any]:
    """One event with every facet that floe writes."""
    described = facets.node_facets(NODE, "duckdb://acme.prod.orders")
    version = {"version": facets.dataset_version("7163948820947712345")}
    return run_event(
        "COMPLETE",
        time=TIME,
        place=PLACE,
        job=node_job(PLACE, NODE.unique_id),
        run_id=node_run_id(RUN, 1, NODE.unique_id),
        run_facets={
            "parent": facets.parent(PLACE, RUN),
            "processing_engine": facets.processing_engine("1.11.16"),
            "errorMessage": facets.error_message("Binder Error: no such column"),
            "floe_artifact": facets.artifact(digests.digest_of(b"artifact"), 1),
        },
        job_facets={
            "jobType": facets.job_type("MODEL"),
            "sql": facets.sql("select 'é' as id", "duckdb"),
            "documentation": facets.job_documentation("Builds fct_orders."),
            "ownership": facets.job_owners("shop@example.com"),
        },
        inputs=[
            facets.dataset(
                warehouse_dataset(PLACE, NODE),
                described,
                inputFacets={
                    "dataQualityAssertions": facets.assertions([("not_null", "id", True), ("row_count", None, False)])
                },
            )
        ],
        outputs=[
            facets.dataset(
                iceberg_dataset(PLACE, "main.fct_orders"),
                described | version,
                outputFacets={"outputStatistics": facets.output_statistics(rows=3, size=100, files=1)},
            )
        ],
    )


def test_every_facet_that_floe_writes_is_valid_and_stands_in_its_place(openlineage: Schemas) -> None:
    event = complete_event()
    assert openlineage.problems(event) == []
    written = {key for side in ("inputs", "outputs") for key in event[side][0]["facets"]}
    assert written == {"dataSource", "schema", "documentation", "floe_classification", "tags", "version"}


@pytest.mark.parametrize("event_type", ["START", "COMPLETE", "FAIL", "ABORT"])
def test_an_event_without_facets_is_valid(openlineage: Schemas, event_type: Any) -> None:
    event = run_event(event_type, time=TIME, place=PLACE, job=PLACE.product, run_id=RUN, run_facets={}, job_facets={})
    assert openlineage.problems(event) == []


def broken(path: str, value: object) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(to_bytes(complete_event()))
    *parents, last = path.split("/")
    place: Any = event
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    place[last] = value
    return event


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("run/runId", "run-1"),
        ("eventTime", "yesterday"),
        ("eventTime", "2026-11-20T09:30:15"),
        ("eventType", "DONE"),
        ("producer", "floe"),
        ("job/namespace", None),
        ("run/facets/parent/run", {"runId": "x"}),
        ("run/facets/processing_engine/version", None),
        ("run/facets/jobType", facets.job_type("MODEL")),
        ("run/facets/unknown", facets.job_type("MODEL")),
        ("job/facets/jobType/_schemaURL", "https://openlineage.io/spec/facets/1-0-0/JobTypeJobFacet.json"),
        ("inputs/0/facets/dataQualityAssertions", facets.assertions([])),
        ("inputs/0/facets/dataSource/uri", "a folder"),
        ("outputs/0/outputFacets/outputStatistics/rowCount", "3"),
        ("run/facets/floe_artifact/digest", "latest"),
        ("run/facets/floe_artifact/attempt", 0),
        ("outputs/0/facets/floe_classification/columns/email/classification", "Top secret"),
    ],
)
def test_the_validator_finds_what_is_wrong(openlineage: Schemas, path: str, value: object) -> None:
    assert openlineage.problems(broken(path, value))


def test_classification_is_told_twice() -> None:
    told = facets.classification(NODE.columns)
    assert told["floe_classification"]["columns"] == {
        "email": {"classification": "pii", "sensitivity": "high", "piiType": "email"},
        "amount": {"classification": "financial", "sensitivity": "medium"},
    }
    assert [(tag["field"], tag["value"]) for tag in told["tags"]["tags"]] == [("email", "pii"), ("amount", "financial")]
    assert facets.classification(NODE.columns[:1]) == {}


def test_a_node_that_nobody_documented_has_no_empty_facets() -> None:
    bare = NODE.model_copy(update={"columns": (), "description": ""})
    assert set(facets.node_facets(bare, "duckdb://x")) == {"dataSource"}


def test_columns_keep_their_order_and_leave_out_what_is_not_known() -> None:
    fields = facets.schema([("b", None, ""), ("a", "int", "An a.")])["fields"]
    assert fields == [
        {"name": "b", "ordinal_position": 1},
        {"name": "a", "ordinal_position": 2, "type": "int", "description": "An a."},
    ]


def test_a_nodes_run_knows_its_parent_and_the_root() -> None:
    facet = facets.parent(PLACE, RUN, root_run_id=run_id(PLACE, "outer"))
    assert facet["run"]["runId"] == RUN
    assert facet["job"] == {"namespace": "floe://acme/prod", "name": "orders"}
    assert facet["root"]["run"]["runId"] == run_id(PLACE, "outer")
    assert facets.parent(PLACE, RUN)["root"]["run"]["runId"] == RUN


def test_ids_come_from_causes_alone() -> None:
    assert run_id(PLACE, "request-1") == RUN == str(uuid.UUID(RUN))
    assert run_id(PLACE, "request-2") != RUN
    ids = {
        node_run_id(run, attempt, job) for run in (RUN, run_id(PLACE, "b")) for attempt in (1, 2) for job in ("x", "y")
    }
    assert len(ids) == 8


def test_names_do_not_depend_on_machines_or_commands() -> None:
    assert job_namespace(PLACE) == "floe://acme/prod"
    assert node_job(PLACE, NODE.unique_id) == "orders.model.orders.fct_orders"
    assert landing_job(PLACE, "main.fct_orders") == "orders.land.main.fct_orders"
    assert warehouse_dataset(PLACE, NODE) == ("duckdb://acme.prod.orders", "warehouse.main.fct_orders")
    assert iceberg_dataset(PLACE, "main.fct_orders") == ("iceberg://acme/prod", "main.fct_orders")


def test_an_event_is_compact_utf_8_and_its_id_names_its_content() -> None:
    event = complete_event()
    body = to_bytes(event)
    assert json.loads(body) == event
    assert "é".encode() in body
    assert message_id(event, body) == f"{event['run']['runId']}:COMPLETE:{digests.digest_of(body).split(':')[1]}"


def test_times_keep_their_offset() -> None:
    local = TIME.astimezone(timezone(timedelta(hours=1)))
    event = run_event("START", time=local, place=PLACE, job="j", run_id=RUN, run_facets={}, job_facets={})
    assert event["eventTime"] == "2026-11-20T10:30:15.250000+01:00"
    assert complete_event()["eventTime"] == "2026-11-20T09:30:15.250000Z"
