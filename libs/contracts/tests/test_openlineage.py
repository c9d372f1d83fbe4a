from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

import pytest

from floe_contracts import digests
from floe_contracts.nodes import Classification, Column, Node
from floe_contracts.openlineage import dataset_facets as facets
from floe_contracts.openlineage import job_facets, run_facets
from floe_contracts.openlineage.enrichment import DERIVED, ENRICHED_RUN
from floe_contracts.openlineage.events import message_id, run_event, to_bytes
from floe_contracts.openlineage.naming import (
    Place,
    iceberg_dataset,
    job_namespace,
    landing_job,
    node_job,
    node_run_id,
    relation,
    run_id,
    stored_dataset,
    warehouse_namespace,
)
from floe_contracts.openlineage.run_facets import RunReference

PLACE = Place("acme", "prod", "orders")
RUN = run_id(PLACE, "request-1")
SOURCE = ("duckdb://acme.prod.orders", "warehouse.main.raw")
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


def run_facets_of_all_kinds() -> dict[str, Any]:
    return {
        "parent": run_facets.parent(RunReference(PLACE, RUN)),
        "processing_engine": run_facets.processing_engine("dbt", "1.11.16"),
        "nominalTime": run_facets.nominal_time("2026-11-19T00:00:00+01:00", "2026-11-20T00:00:00+01:00"),
        "errorMessage": run_facets.error_message("Binder Error: no such column"),
        "executionParameters": run_facets.execution_parameters([("full_refresh", "false")]),
        "jobDependencies": run_facets.job_dependencies(
            [run_facets.dependency("floe://acme/prod", "orders", RUN, "DIRECT_INVOCATION")]
        ),
        "externalQuery": run_facets.external_query("acme:EU.job-1", "bigquery"),
        "test": run_facets.test_result(
            "not_null_id", passed=False, kind="not_null", severity="warn", actual=2, column="id"
        ),
        "floe_artifact": run_facets.artifact(digests.digest_of(b"artifact"), 1),
        "floe_trace": run_facets.trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),
    }


def dataset_facets_of_all_kinds() -> dict[str, Any]:
    found = {
        "dataSource": facets.data_source("duckdb://acme.prod.orders"),
        "schema": facets.schema((column.name, column.data_type, column.description) for column in NODE.columns),
        "documentation": facets.documentation(NODE.description),
        "ownership": facets.owners("shop@example.com"),
        "version": facets.version("7163948820947712345"),
        "symlinks": facets.symlinks([("s3://lake", "acme/prod/orders", "LOCATION")]),
        "datasetType": facets.dataset_type("TABLE", "ICEBERG"),
        "lifecycleStateChange": facets.lifecycle("OVERWRITE"),
        "catalog": facets.catalog(name="lake", kind="rest"),
        "storage": facets.storage("iceberg", "parquet"),
        "hierarchy": facets.hierarchy([("DATABASE", "warehouse"), ("TABLE", "fct_orders")]),
        "columnLineage": facets.column_lineage(
            {"id": [facets.input_field(SOURCE, "id", facets.transformation("DIRECT", "IDENTITY"))]},
            [facets.input_field(SOURCE, "email", facets.transformation("INDIRECT", "FILTER", masking=True))],
        ),
        "floe_classification": facets.classification(NODE.columns),
        "tags": facets.tags([("daily", "true", "DBT")], NODE.columns),
    }
    return {key: value for key, value in found.items() if value}


def complete_event() -> dict[str, Any]:
    """One event with every facet that floe writes."""
    described = dataset_facets_of_all_kinds()
    results = [
        facets.assertion("not_null", success=True, name="not_null_id", column="id", actual=0),
        facets.assertion("row_count", success=False, severity="warn"),
    ]
    return run_event(
        "COMPLETE",
        time=TIME,
        place=PLACE,
        job=node_job(PLACE, NODE.unique_id),
        run_id=node_run_id(RUN, 1, NODE.unique_id),
        run_facets=run_facets_of_all_kinds(),
        job_facets={
            "jobType": job_facets.job_type("MODEL"),
            "sql": job_facets.sql("select 'é' as id", "duckdb"),
            "documentation": job_facets.documentation("Builds fct_orders."),
            "ownership": job_facets.owners("shop@example.com"),
            "tags": job_facets.tags([("daily", "true", "DBT")]),
            "sourceCodeLocation": job_facets.source_code(
                "https://git.example.com/shop",
                repository="https://git.example.com/shop",
                path="models/marts/fct_orders.sql",
                version="0" * 40,
                branch="main",
                tag=None,
            ),
        },
        inputs=[
            facets.dataset(
                (warehouse_namespace(PLACE, "duckdb", {}), relation(NODE)),
                described,
                inputFacets={
                    "dataQualityAssertions": facets.assertions(results),
                    "dataQualityMetrics": facets.quality_metrics(rows=3, null_counts={"id": 0}),
                    "inputStatistics": facets.input_statistics(rows=3),
                },
            )
        ],
        outputs=[
            facets.dataset(
                iceberg_dataset(PLACE, "main.fct_orders"),
                described,
                outputFacets={
                    "outputStatistics": facets.output_statistics(rows=3, size=100, files=1),
                    "icebergCommitReport": facets.iceberg_commit(
                        7163948820947712345,
                        operation="append",
                        sequence_number=1,
                        summary={"added-records": "3", "floe.run-id": RUN},
                    ),
                },
            )
        ],
    )


def test_every_facet_that_floe_writes_is_valid_and_stands_in_its_place(openlineage: Schemas) -> None:
    event = complete_event()
    assert openlineage.problems(event) == []
    assert len(event["outputs"][0]["facets"]) == 14
    assert len(event["run"]["facets"]) == 10


def test_the_page_about_events_names_every_facet() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "read-lineage.md").read_text(encoding="utf-8")
    said, _, _ = page.partition("## What no event says")
    event = complete_event()
    (read,), (written,) = event["inputs"], event["outputs"]
    told = {*run_facets_of_all_kinds(), *event["job"]["facets"], *dataset_facets_of_all_kinds()}
    told |= {*read["inputFacets"], *written["outputFacets"], DERIVED, ENRICHED_RUN}
    assert {key for key in told if f"`{key}`" not in said} == set()


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
        ("run/facets/jobType", job_facets.job_type("MODEL")),
        ("run/facets/unknown", job_facets.job_type("MODEL")),
        ("job/facets/jobType/_schemaURL", "https://openlineage.io/spec/facets/1-0-0/JobTypeJobFacet.json"),
        ("inputs/0/facets/dataQualityAssertions", facets.assertions([])),
        ("inputs/0/facets/dataSource/uri", "a folder"),
        ("outputs/0/outputFacets/outputStatistics/rowCount", "3"),
        ("run/facets/floe_artifact/digest", "latest"),
        ("run/facets/floe_artifact/attempt", 0),
        ("run/facets/floe_trace/traceId", "1"),
        ("run/facets/nominalTime/nominalStartTime", "2026-11-19"),
        ("run/facets/executionParameters/parameters", [{"value": "x"}]),
        ("job/facets/sourceCodeLocation/url", "no address"),
        ("outputs/0/facets/lifecycleStateChange/lifecycleStateChange", "REPLACE"),
        ("outputs/0/facets/catalog/framework", None),
        ("inputs/0/inputFacets/dataQualityMetrics/columnMetrics", None),
        ("run/facets/jobDependencies/upstream", [{"run": {"runId": RUN}}]),
        ("run/facets/test/tests", [{"name": "unique_id"}]),
        ("run/facets/externalQuery/source", None),
        ("outputs/0/facets/columnLineage/fields/id/inputFields", [{"field": "id"}]),
        ("outputs/0/outputFacets/icebergCommitReport/snapshotId", "7163948820947712345"),
        ("inputs/0/inputFacets/inputStatistics/rowCount", "3"),
        ("outputs/0/facets/floe_classification/columns/email/classification", "Top secret"),
    ],
)
def test_the_validator_finds_what_is_wrong(openlineage: Schemas, path: str, value: object) -> None:
    assert openlineage.problems(broken(path, value))


def test_classification_is_told_twice() -> None:
    own, tags = facets.classification(NODE.columns), facets.tags((), NODE.columns)
    assert own is not None
    assert tags is not None
    assert own["columns"] == {
        "email": {"classification": "pii", "sensitivity": "high", "piiType": "email"},
        "amount": {"classification": "financial", "sensitivity": "medium"},
    }
    assert [(tag["field"], tag["key"], tag["value"]) for tag in tags["tags"]] == [
        ("email", "classification", "pii"),
        ("email", "sensitivity", "high"),
        ("email", "pii_type", "email"),
        ("amount", "classification", "financial"),
        ("amount", "sensitivity", "medium"),
    ]
    assert {tag["source"] for tag in tags["tags"]} == {"FLOE"}
    assert facets.classification(NODE.columns[:1]) is None
    assert facets.tags((), NODE.columns[:1]) is None


def test_the_source_of_a_dataset_is_a_uri_also_where_its_namespace_is_none() -> None:
    assert facets.data_source("bigquery")["uri"] == "bigquery:"
    assert facets.data_source("snowflake://org-acme")["uri"] == "snowflake://org-acme"


def test_columns_keep_their_order_and_leave_out_what_is_not_known() -> None:
    fields = facets.schema([("b", None, ""), ("a", "int", "An a.")])["fields"]
    assert fields == [
        {"name": "b", "ordinal_position": 1},
        {"name": "a", "ordinal_position": 2, "type": "int", "description": "An a."},
    ]
    assert facets.schema([("b", None, "")], ordered=False)["fields"] == [{"name": "b"}]


def test_a_nodes_run_knows_its_parent_and_the_root() -> None:
    outer = Place("acme", "prod", "sales")
    facet = run_facets.parent(RunReference(PLACE, RUN), RunReference(outer, run_id(outer, "first")))
    assert facet["run"]["runId"] == RUN
    assert facet["job"] == {"namespace": "floe://acme/prod", "name": "orders"}
    assert facet["root"] == {
        "run": {"runId": run_id(outer, "first")},
        "job": {"namespace": "floe://acme/prod", "name": "sales"},
    }
    assert run_facets.parent(RunReference(PLACE, RUN))["root"]["run"]["runId"] == RUN


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
    assert relation(NODE) == "warehouse.main.fct_orders"
    assert iceberg_dataset(PLACE, "main.fct_orders") == ("iceberg://acme/prod", "main.fct_orders")


@pytest.mark.parametrize(
    ("warehouse", "properties", "namespace"),
    [
        ("duckdb", {"memory_limit": "1GB"}, "duckdb://acme.prod.orders"),
        ("postgres", {"host": "db.example.com", "port": 5433}, "postgres://db.example.com:5433"),
        ("postgres", {"host": "db.example.com"}, "postgres://db.example.com:5432"),
        ("postgres", {}, "postgres://acme.prod.orders"),
        ("snowflake", {"account": "org-acme"}, "snowflake://org-acme"),
        ("bigquery", {"project": "acme"}, "bigquery"),
        ("redshift", {"host": "c.example.com", "port": 5439}, "redshift://c.example.com:5439"),
        ("databricks", {"host": "dbc.example.com"}, "databricks://dbc.example.com"),
        ("spark", {"host": "spark.example.com", "port": 10000}, "spark://spark.example.com:10000"),
    ],
)
def test_a_warehouse_is_named_after_its_server(warehouse: str, properties: dict[str, Any], namespace: str) -> None:
    assert warehouse_namespace(PLACE, warehouse, properties) == namespace


@pytest.mark.parametrize(
    ("location", "stored"),
    [
        ("s3://lake/acme/orders", ("s3://lake", "acme/orders")),
        ("gs://lake", ("gs://lake", "/")),
        ("file:///srv/lake/orders", ("file", "/srv/lake/orders")),
        ("/srv/lake/orders", ("file", "/srv/lake/orders")),
    ],
)
def test_a_table_is_found_in_its_storage(location: str, stored: tuple[str, str]) -> None:
    assert stored_dataset(location) == stored


def test_an_event_is_compact_utf_8_and_its_id_names_what_happened_to_the_run() -> None:
    event = complete_event()
    body = to_bytes(event)
    assert json.loads(body) == event
    assert "é".encode() in body
    assert message_id(event) == f"{event['run']['runId']}:COMPLETE"


def test_times_keep_their_offset() -> None:
    local = TIME.astimezone(timezone(timedelta(hours=1)))
    event = run_event("START", time=local, place=PLACE, job="j", run_id=RUN, run_facets={}, job_facets={})
    assert event["eventTime"] == "2026-11-20T10:30:15.250000+01:00"
    assert complete_event()["eventTime"] == "2026-11-20T09:30:15.250000Z"
