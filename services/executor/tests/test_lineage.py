from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from floe_contracts.events import LandedTable
from floe_contracts.nodes import Check, Classification, Column, Node, NodeGraph
from floe_contracts.runs import RunRecord
from floe_executor.core.lineage import RunLineage, aborted
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeStatus

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
CHECK = Check(unique_id="test.shop.not_null_orders_id", name="not_null", column="id", depends_on=("model.shop.orders",))
SINGULAR = Check(
    unique_id="test.shop.totals", name="totals", depends_on=("model.shop.orders", "seed.shop.raw", "source.shop.gone")
)


class Schemas(Protocol):
    def problems(self, event: Mapping[str, Any]) -> list[str]: ...


def node(unique_id: str, **fields: Any) -> Node:
    resource_type, _, name = unique_id.split(".")
    return Node(
        unique_id=unique_id,
        name=name,
        resource_type=resource_type,  # type: ignore[arg-type]
        materialized="table",
        database="shop",
        schema_name="main",
        identifier=name,
        path=f"models/{name}.sql",
        **fields,
    )


GRAPH = NodeGraph(
    project="shop",
    nodes=(
        node(
            "model.shop.orders",
            description="One row an order.",
            owner="me@example.com",
            depends_on=("seed.shop.raw", "macro.shop.gone"),
            raw_code="select 1",
            checks=(CHECK,),
            columns=(Column(name="id"), Column(name="name", classification=Classification(classification="pii"))),
        ),
        node("seed.shop.raw"),
    ),
    checks=(SINGULAR,),
)


@pytest.fixture
def lineage(run_record: RunRecord) -> RunLineage:
    return RunLineage(run_record, GRAPH, "1.11.16", "A shop.", "me@example.com")


def ended(unique_id: str, status: NodeStatus = NodeStatus.SUCCESS, message: str | None = None) -> NodeDone:
    return NodeDone(unique_id, NOW, status, 1.0, message)


def test_the_run_itself(lineage: RunLineage, run_record: RunRecord, openlineage: Schemas) -> None:
    start = lineage.of_run("START", NOW)
    assert openlineage.problems(start) == []
    assert start["job"]["name"] == "shop"
    assert start["run"]["runId"] == run_record.run_id
    assert "parent" not in start["run"]["facets"]
    assert start["run"]["facets"]["floe_artifact"]["digest"] == run_record.artifact_digest
    failed = lineage.of_run("FAIL", NOW, error="2 nodes failed")
    assert openlineage.problems(failed) == []
    assert failed["run"]["facets"]["errorMessage"]["message"] == "2 nodes failed"


def test_a_product_without_a_description(run_record: RunRecord, openlineage: Schemas) -> None:
    event = RunLineage(run_record, GRAPH, "1.11.16", "", "me").of_run("COMPLETE", NOW)
    assert openlineage.problems(event) == []
    assert "documentation" not in event["job"]["facets"]


def test_a_model_reads_its_parents_and_writes_itself(
    lineage: RunLineage, run_record: RunRecord, openlineage: Schemas
) -> None:
    start = lineage.of_report(NodeBegan("model.shop.orders", NOW))
    complete = lineage.of_report(ended("model.shop.orders"))
    assert start is not None
    assert complete is not None
    assert openlineage.problems(start) == openlineage.problems(complete) == []
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"] != run_record.run_id
    assert start["run"]["facets"]["parent"]["run"]["runId"] == run_record.run_id
    assert start["job"]["name"] == "shop.model.shop.orders"
    assert [dataset["name"] for dataset in start["inputs"]] == ["shop.main.raw"]
    assert [dataset["name"] for dataset in start["outputs"]] == ["shop.main.orders"]
    assert set(start["job"]["facets"]) == {"jobType", "sql", "documentation", "ownership"}


def test_a_node_run_is_another_one_in_each_attempt(lineage: RunLineage, run_record: RunRecord) -> None:
    again = RunLineage(run_record.model_copy(update={"attempt": 2}), GRAPH, "1", "", "me")
    reports = [each.of_report(ended("model.shop.orders")) for each in (lineage, again)]
    assert len({report["run"]["runId"] for report in reports if report}) == 2


def test_a_failed_model_says_why(lineage: RunLineage, openlineage: Schemas) -> None:
    event = lineage.of_report(ended("model.shop.orders", NodeStatus.FAILED, "Binder Error"))
    assert event is not None
    assert openlineage.problems(event) == []
    assert event["eventType"] == "FAIL"
    assert event["run"]["facets"]["errorMessage"]["message"] == "Binder Error"


def test_a_skipped_node_had_no_run(lineage: RunLineage) -> None:
    assert lineage.of_report(ended("model.shop.orders", NodeStatus.SKIPPED)) is None


@pytest.mark.parametrize(
    ("status", "success"), [(NodeStatus.SUCCESS, True), (NodeStatus.WARNED, True), (NodeStatus.FAILED, False)]
)
def test_a_test_tells_about_the_column_that_it_checks(
    lineage: RunLineage, openlineage: Schemas, status: NodeStatus, success: bool
) -> None:
    start, event = lineage.of_report(NodeBegan(CHECK.unique_id, NOW)), lineage.of_report(ended(CHECK.unique_id, status))
    assert start is not None
    assert event is not None
    assert openlineage.problems(start) == openlineage.problems(event) == []
    assert "inputFacets" not in start["inputs"][0]
    assert event["job"]["facets"]["jobType"]["jobType"] == "TEST"
    (dataset,) = event["inputs"]
    assert (dataset["name"], event["outputs"]) == ("shop.main.orders", [])
    assert dataset["inputFacets"]["dataQualityAssertions"]["assertions"] == [
        {"assertion": "not_null", "success": success, "column": "id"}
    ]


def test_a_test_of_several_nodes_reads_those_that_are_known(lineage: RunLineage, openlineage: Schemas) -> None:
    event = lineage.of_report(ended(SINGULAR.unique_id))
    assert event is not None
    assert openlineage.problems(event) == []
    assert [dataset["name"] for dataset in event["inputs"]] == ["shop.main.orders", "shop.main.raw"]


def test_a_test_that_nobody_knows_reads_nothing(lineage: RunLineage) -> None:
    event = lineage.of_report(ended("operation.shop.on_run_start"))
    assert event is not None
    assert (event["inputs"], event["outputs"]) == ([], [])


def test_a_landing_goes_from_the_warehouse_to_a_snapshot(lineage: RunLineage, openlineage: Schemas) -> None:
    identifier = "default.dev.shop.main.orders"
    table = LandedTable(
        identifier=identifier,
        unique_id="model.shop.orders",
        table_uuid="u",
        snapshot_id=7163948820947712345,
        rows=2,
        files=1,
        bytes=100,
    )
    start = lineage.of_landing_start(identifier, "model.shop.orders", NOW)
    complete = lineage.of_landing(table, [("id", "int", ""), ("name", "string", "")], NOW)
    assert openlineage.problems(start) == openlineage.problems(complete) == []
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["outputs"] == []
    assert [dataset["name"] for dataset in complete["inputs"]] == ["shop.main.orders"]
    (output,) = complete["outputs"]
    assert output["name"] == identifier
    assert output["facets"]["version"]["datasetVersion"] == "7163948820947712345"
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == ["id", "name"]
    assert output["facets"]["floe_classification"]["columns"]["name"]["classification"] == "pii"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2


def test_a_landing_of_a_node_that_the_graph_does_not_know(lineage: RunLineage, openlineage: Schemas) -> None:
    start = lineage.of_landing_start("a.b", "model.shop.gone", NOW)
    assert openlineage.problems(start) == []
    assert start["inputs"] == []


def test_an_open_start_is_aborted_as_it_was(lineage: RunLineage, openlineage: Schemas) -> None:
    start = lineage.of_run("START", NOW)
    closed = aborted(start, datetime(2026, 11, 20, 9, 31, tzinfo=UTC))
    assert openlineage.problems(closed) == []
    assert (closed["eventType"], closed["eventTime"]) == ("ABORT", "2026-11-20T09:31:00.000000Z")
    assert closed["run"] == start["run"]
    assert start["eventType"] == "START"
