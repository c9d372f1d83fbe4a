"""The lineage events that a run makes, checked against the official schemas; and what others get wrong in theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from floe_contracts.artifacts import CompiledArtifacts, Compute
from floe_contracts.events import LandedTable, RunOptions, SourceReference
from floe_contracts.nodes import Check, Classification, Column, Exposure, Node, NodeGraph
from floe_contracts.openlineage.events import to_bytes
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.openlineage.run_facets import RunReference
from floe_contracts.runs import RunRecord
from floe_executor.core.landed_table import Commit, Landed
from floe_executor.core.lineage import RunLineage, aborted
from floe_executor.core.lineage.closing import smaller
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeStatus

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
COMMIT = "4f0c1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b"
CHECK = Check(
    unique_id="test.shop.not_null_orders_id.ab12",
    name="not_null",
    column="id",
    depends_on=("model.shop.orders",),
    path="models/orders.yml",
)
RELATED = Check(
    unique_id="test.shop.relationships_orders.cd34",
    name="relationships",
    column="customer",
    depends_on=("seed.shop.raw", "model.shop.orders"),
    to_node="seed.shop.raw",
)
SINGULAR = Check(
    unique_id="test.shop.totals", name="totals", depends_on=("model.shop.orders", "seed.shop.raw", "source.shop.gone")
)
UNIT_TEST = Check(unique_id="unit_test.shop.orders.counts", name="counts", depends_on=("model.shop.orders",))
SCORES, SOURCE = "python.shop.scores", "source.shop.made.scores"
TABLE = LandedTable(
    identifier="default.dev.shop.main.orders",
    unique_id="model.shop.orders",
    table_uuid="u",
    snapshot_id=7163948820947712345,
    rows=2,
    files=1,
    bytes=100,
    mode="replace",
)

Make = Callable[..., RunLineage]


class Schemas(Protocol):
    def problems(self, event: Mapping[str, Any]) -> list[str]: ...


def node(unique_id: str, **fields: Any) -> Node:
    resource_type, name = unique_id.split(".")[0], unique_id.split(".")[-1]
    return Node(
        unique_id=unique_id,
        name=name,
        resource_type=resource_type,  # type: ignore[arg-type]
        database="shop",
        schema_name="main",
        **{"materialized": "table", "identifier": name, "path": f"models/{name}.sql"} | fields,
    )


GRAPH = NodeGraph(
    project="shop",
    nodes=(
        node(
            "model.shop.orders",
            description="One row an order.",
            owner="me@example.com",
            tier="gold",
            tags=("daily",),
            depends_on=("seed.shop.raw", "source.shop.web.clicks", "macro.shop.gone"),
            raw_code="select * from {{ ref('raw') }}",
            checks=(CHECK, RELATED, UNIT_TEST),
            columns=(
                Column(name="id", description="The order."),
                Column(name="name", classification=Classification(classification="pii", pii_type="name")),
            ),
        ),
        node("seed.shop.raw", materialized="seed"),
        node("source.shop.web.clicks", materialized="source"),
        node("model.shop.passing", materialized="ephemeral", depends_on=("model.shop.orders",)),
        node("model.shop.shown", materialized="view", depends_on=("model.shop.passing", "model.shop.orders")),
        node("model.shop.grown", materialized="incremental", depends_on=("model.shop.orders",)),
        node("snapshot.shop.kept", materialized="snapshot"),
    ),
    checks=(SINGULAR,),
)


@pytest.fixture
def make(run_record: RunRecord, artifact: CompiledArtifacts) -> Make:
    """Makes the lineage of a run: `record` changes its record, `environment` where it is built."""

    def lineage(
        graph: NodeGraph = GRAPH,
        *,
        record: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> RunLineage:
        place = artifact.environments["dev"].model_copy(update=dict(environment or {}))
        return RunLineage(run_record.model_copy(update=dict(record or {})), artifact, place, graph, **more)

    return lineage


@pytest.fixture
def lineage(make: Make) -> RunLineage:
    return make()


@pytest.fixture
def told(openlineage: Schemas) -> Callable[..., dict[str, Any]]:
    """The event of a report, which must be valid."""

    def tell(lineage: RunLineage, report: NodeBegan | NodeDone) -> dict[str, Any]:
        event = lineage.of_report(report)
        assert event is not None
        assert openlineage.problems(event) == []
        return event

    return tell


def ended(unique_id: str, status: NodeStatus = NodeStatus.SUCCESS, **more: Any) -> NodeDone:
    return NodeDone(unique_id, NOW, status, 1.0, **more)


def assertions(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        result
        for dataset in event["inputs"]
        for result in dataset.get("inputFacets", {}).get("dataQualityAssertions", {}).get("assertions", [])
    ]


def test_the_run_itself(lineage: RunLineage, run_record: RunRecord, openlineage: Schemas) -> None:
    start = lineage.of_run("START", NOW)
    assert openlineage.problems(start) == []
    assert start["job"]["name"] == "shop"
    assert start["job"]["facets"].keys() == {"jobType", "ownership", "documentation"}
    assert start["run"]["runId"] == run_record.run_id
    assert start["run"]["facets"].keys() == {"processing_engine", "floe_artifact", "executionParameters"}
    assert start["run"]["facets"]["processing_engine"]["version"] == "1.11.0"
    assert start["run"]["facets"]["floe_artifact"]["digest"] == run_record.artifact_digest
    failed = lineage.of_run("FAIL", NOW, error="2 nodes failed")
    assert openlineage.problems(failed) == []
    assert failed["run"]["facets"]["errorMessage"]["message"] == "2 nodes failed"
    assert openlineage.problems(lineage.of_run("ABORT", NOW)) == []


def test_a_model_reads_its_parents_and_writes_itself(
    lineage: RunLineage, run_record: RunRecord, told: Callable[..., dict[str, Any]]
) -> None:
    start = told(lineage, NodeBegan("model.shop.orders", NOW))
    complete = told(lineage, ended("model.shop.orders", rows=2))
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"] != run_record.run_id
    assert start["run"]["facets"]["parent"]["run"]["runId"] == run_record.run_id
    assert start["job"]["name"] == "shop.model.shop.orders"
    assert [dataset["name"] for dataset in start["inputs"]] == ["shop.main.raw", "shop.main.clicks"]
    assert [dataset["name"] for dataset in start["outputs"]] == ["shop.main.orders"]
    assert start["job"]["facets"].keys() == {"jobType", "documentation", "ownership", "tags"}  # the code is a template
    assert complete["job"]["facets"].keys() == {"jobType", "sql", "documentation", "ownership", "tags"}
    (output,) = complete["outputs"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert output["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "OVERWRITE"
    assert output["facets"].keys() == {
        "dataSource",
        "datasetType",
        "documentation",
        "floe_classification",
        "hierarchy",
        "lifecycleStateChange",
        "ownership",
        "schema",
        "tags",
    }
    assert "lifecycleStateChange" not in start["outputs"][0]["facets"]
    documented = start["outputs"][0]["facets"]["schema"]["fields"]
    assert [field["name"] for field in documented] == ["id", "name"]
    assert not any("ordinal_position" in field for field in documented)  # the project documents in no order


def test_a_node_run_is_another_one_in_each_attempt(make: Make) -> None:
    reports = [make(record={"attempt": attempt}).of_report(ended("model.shop.orders")) for attempt in (1, 2)]
    assert len({report["run"]["runId"] for report in reports if report}) == 2


@pytest.mark.parametrize(
    ("unique_id", "full_refresh", "kind", "change"),
    [
        ("model.shop.shown", False, "VIEW", "CREATE"),
        ("model.shop.grown", False, "TABLE", None),
        ("model.shop.grown", True, "TABLE", "OVERWRITE"),
        ("seed.shop.raw", False, "TABLE", "OVERWRITE"),
        ("snapshot.shop.kept", False, "TABLE", None),
    ],
)
def test_what_became_of_a_relation(
    make: Make, told: Callable[..., dict[str, Any]], unique_id: str, full_refresh: bool, kind: str, change: str | None
) -> None:
    options = RunOptions(full_refresh=full_refresh)
    (output,) = told(make(record={"options": options}), ended(unique_id))["outputs"]
    assert output["facets"]["datasetType"]["datasetType"] == kind
    assert output["facets"].get("lifecycleStateChange", {}).get("lifecycleStateChange") == change


def test_an_ephemeral_model_is_no_dataset(lineage: RunLineage, told: Callable[..., dict[str, Any]]) -> None:
    event = told(lineage, ended("model.shop.shown"))
    assert [dataset["name"] for dataset in event["inputs"]] == ["shop.main.orders"]


def test_a_later_reader_sees_the_types_that_dbt_found(lineage: RunLineage, told: Callable[..., dict[str, Any]]) -> None:
    columns = (("ID", "BIGINT"), ("name", "VARCHAR"), ("extra", "DATE"))
    (output,) = told(lineage, ended("model.shop.orders", columns=columns))["outputs"]
    (read,) = told(lineage, NodeBegan("model.shop.grown", NOW))["inputs"]
    for dataset in (output, read):
        fields = [(field["name"], field["type"]) for field in dataset["facets"]["schema"]["fields"]]
        assert fields == list(columns)
        assert dataset["facets"]["schema"]["fields"][0]["description"] == "The order."


def test_a_test_of_several_nodes_reads_those_that_are_known(
    lineage: RunLineage, told: Callable[..., dict[str, Any]]
) -> None:
    event = told(lineage, ended(SINGULAR.unique_id))
    assert [dataset["name"] for dataset in event["inputs"]] == ["shop.main.orders", "shop.main.raw"]
    related = told(lineage, ended(RELATED.unique_id, failures=0))
    assert [dataset["name"] for dataset in related["inputs"]] == ["shop.main.orders", "shop.main.raw"]
    assert ["inputFacets" in dataset for dataset in related["inputs"]] == [True, False]


@pytest.mark.parametrize("unique_id", ["test.shop.gone", UNIT_TEST.unique_id])
def test_a_test_that_nobody_knows_and_a_unit_test_read_nothing(
    lineage: RunLineage, told: Callable[..., dict[str, Any]], unique_id: str
) -> None:
    event = told(lineage, ended(unique_id, compiled_code="select 1"))
    assert (event["inputs"], event["outputs"]) == ([], [])
    assert event["job"]["facets"]["jobType"]["jobType"] == "TEST"


def test_a_test_belongs_to_whom_the_table_belongs(lineage: RunLineage, told: Callable[..., dict[str, Any]]) -> None:
    tests = (CHECK, SINGULAR, UNIT_TEST)
    jobs = [told(lineage, NodeBegan(test.unique_id, NOW))["job"]["facets"] for test in tests]
    owners = [job["ownership"]["owners"][0]["name"] for job in jobs]
    assert owners == ["me@example.com", "me", "me@example.com"]
    landing = lineage.of_landing_start(TABLE.identifier, TABLE.unique_id, NOW)
    assert landing["job"]["facets"]["ownership"]["owners"] == [{"name": "me@example.com"}]
    engine = landing["run"]["facets"]["processing_engine"]
    assert (engine["name"], engine["version"]) == ("floe", engine["openlineageAdapterVersion"])


def test_the_table_of_a_python_transform_is_one_dataset_whoever_reads_it(
    make: Make, told: Callable[..., dict[str, Any]]
) -> None:
    quality = Check(unique_id="python_test.shop.scores.one_each", name="unique", column="id", depends_on=(SCORES,))
    source_test = Check(unique_id="test.shop.source_unique.ef56", name="unique", column="id", depends_on=(SOURCE,))
    nodes = (
        node(SCORES, tags=("daily",), identifier="scores", checks=(quality,), path="../transforms/scores.py"),
        node(SOURCE, materialized="source", identifier="scores", depends_on=(SCORES,), checks=(source_test,)),
        node("model.shop.best", depends_on=(SOURCE,)),
    )
    repository = SourceReference(repository="https://github.com/acme/shop", commit=COMMIT)
    lineage = make(NodeGraph(project="shop", nodes=nodes, checks=()), record={"source": repository})
    built = told(lineage, ended(SCORES, columns=(("id", "BIGINT"),), rows=3))
    assert built["job"]["facets"]["sourceCodeLocation"]["path"] == "transforms/scores.py"
    for reader in ("model.shop.best", source_test.unique_id, quality.unique_id):
        (read,) = told(lineage, NodeBegan(reader, NOW))["inputs"]
        assert read["facets"].keys() >= {"schema", "tags"}
    (checked,) = assertions(told(lineage, ended(quality.unique_id, failures=0)))
    assert (checked["name"], checked["assertion"]) == ("one_each", "unique")
    (dataset,) = told(lineage, ended(source_test.unique_id, failures=0))["inputs"]
    assert dataset["inputFacets"]["dataQualityMetrics"]["rowCount"] == 3


@pytest.mark.parametrize(
    ("status", "failures", "expected"),
    [
        (NodeStatus.SUCCESS, 0, {"success": True, "actual": "0"}),
        (NodeStatus.WARNED, 2, {"success": False, "actual": "2", "severity": "warn"}),
        (NodeStatus.FAILED, 3, {"success": False, "actual": "3", "severity": "error"}),
    ],
)
def test_a_test_tells_about_the_column_that_it_checks(
    lineage: RunLineage,
    told: Callable[..., dict[str, Any]],
    status: NodeStatus,
    failures: int,
    expected: dict[str, object],
) -> None:
    assert assertions(told(lineage, NodeBegan(CHECK.unique_id, NOW))) == []
    event = told(lineage, ended(CHECK.unique_id, status, failures=failures, compiled_code="select 1"))
    (dataset,) = event["inputs"]
    assert (dataset["name"], event["outputs"]) == ("shop.main.orders", [])
    assert assertions(event) == [
        {"assertion": "not_null", "name": "not_null_orders_id", "column": "id"} | expected,
    ]
    assert event["job"]["facets"]["sql"]["query"] == "select 1"
    (result,) = event["run"]["facets"]["test"]["tests"]
    assert (result["name"], result["type"], result["params"]) == ("not_null_orders_id", "not_null", {"column": "id"})
    assert (result["status"] == "pass", result["actual"]) == (expected["success"], expected["actual"])
    assert result.get("severity") == expected.get("severity")


def test_a_unit_test_tells_its_result_without_a_dataset(
    lineage: RunLineage, told: Callable[..., dict[str, Any]]
) -> None:
    event = told(lineage, ended(UNIT_TEST.unique_id, NodeStatus.FAILED, failures=1))
    (result,) = event["run"]["facets"]["test"]["tests"]
    assert (result["name"], result["type"], result["status"]) == ("counts", "unit_test", "fail")


def test_what_is_known_of_the_rows_that_a_test_looked_at(
    lineage: RunLineage, told: Callable[..., dict[str, Any]]
) -> None:
    told(lineage, ended("model.shop.orders", rows=7))
    (dataset,) = told(lineage, ended(CHECK.unique_id, failures=0))["inputs"]
    metrics = dataset["inputFacets"]["dataQualityMetrics"]
    assert (metrics["rowCount"], metrics["columnMetrics"]) == (7, {"id": {"nullCount": 0}})
    (failing,) = told(lineage, ended(CHECK.unique_id, NodeStatus.FAILED, failures=2))["inputs"]
    assert failing["inputFacets"]["dataQualityMetrics"]["columnMetrics"] == {}


def test_a_test_that_could_not_be_made_asserts_nothing(
    lineage: RunLineage, told: Callable[..., dict[str, Any]]
) -> None:
    event = told(lineage, ended(CHECK.unique_id, NodeStatus.FAILED, failures=0, message="Binder Error"))
    assert event["eventType"] == "FAIL"
    assert assertions(event) == []
    assert "test" not in event["run"]["facets"]
    assert event["run"]["facets"]["errorMessage"]["message"] == "Binder Error"


def test_a_landing_goes_from_the_warehouse_to_a_snapshot(lineage: RunLineage, openlineage: Schemas) -> None:
    start = lineage.of_landing_start(TABLE.identifier, TABLE.unique_id, NOW)
    columns = [("id", "int", ""), ("name", "string", "")]
    complete = lineage.of_landing(Landed(TABLE, columns), NOW, location="s3://lake/default/dev/shop/orders")
    assert openlineage.problems(start) == openlineage.problems(complete) == []
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["outputs"] == []
    assert [dataset["name"] for dataset in complete["inputs"]] == ["shop.main.orders"]
    (output,) = complete["outputs"]
    facets = output["facets"]
    assert output["name"] == TABLE.identifier
    assert facets["version"]["datasetVersion"] == "7163948820947712345"
    assert [field["name"] for field in facets["schema"]["fields"]] == ["id", "name"]
    assert facets["schema"]["fields"][0]["description"] == "The order."
    assert facets["floe_classification"]["columns"]["name"]["classification"] == "pii"
    assert facets["symlinks"]["identifiers"] == [
        {"namespace": "s3://lake", "name": "default/dev/shop/orders", "type": "LOCATION"}
    ]
    assert (facets["catalog"]["name"], facets["catalog"]["type"]) == ("local", "sql")
    assert facets["storage"]["storageLayer"] == "iceberg"
    assert facets["lifecycleStateChange"]["lifecycleStateChange"] == "OVERWRITE"
    assert [(level["type"], level["name"]) for level in facets["hierarchy"]["hierarchy"]] == [
        ("CATALOG", "local"),
        *(("NAMESPACE", name) for name in ("default", "dev", "shop", "main")),
        ("TABLE", "orders"),
    ]
    statistics = output["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"], statistics["fileCount"]) == (2, 100, 1)


def test_a_landing_copies_the_columns_that_the_relation_has(lineage: RunLineage, openlineage: Schemas) -> None:
    columns = [("id", "long", ""), ("name", "string", ""), ("once", "string", "")]
    commit = Commit("overwrite", 3, {"added-records": "2", "deleted-records": "1", "floe.mode": "replace"})
    event = lineage.of_landing(Landed(TABLE, columns, source_columns=("ID", "name"), commit=commit), NOW)
    assert openlineage.problems(event) == []
    (output,), (read,) = event["outputs"], event["inputs"]
    identity = [{"type": "DIRECT", "subtype": "IDENTITY", "masking": False}]
    relation = {"namespace": "duckdb://default.dev.shop", "name": "shop.main.orders", "transformations": identity}
    assert output["facets"]["columnLineage"]["fields"] == {
        "id": {"inputFields": [relation | {"field": "ID"}]},
        "name": {"inputFields": [relation | {"field": "name"}]},
    }
    assert (read["namespace"], read["name"]) == (relation["namespace"], relation["name"])
    report = output["outputFacets"]["icebergCommitReport"]
    assert (report["snapshotId"], report["sequenceNumber"], report["operation"]) == (TABLE.snapshot_id, 3, "overwrite")
    assert report["commitMetrics"] == {"addedRecords": 2, "removedRecords": 1}
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == TABLE.rows
    grown = Landed(TABLE.model_copy(update={"mode": "upsert"}), columns)
    assert "inputFacets" not in lineage.of_landing(grown, NOW)["inputs"][0]  # which rows were read, nobody knows


def test_a_landing_tells_the_columns_of_a_relation_that_an_earlier_attempt_has_built(
    lineage: RunLineage, openlineage: Schemas
) -> None:
    landed = Landed(TABLE, [("id", "long", ""), ("once", "string", "")], source_columns=("ID", "once"))
    fields = lineage.of_landing(landed, NOW)["inputs"][0]["facets"]["schema"]["fields"]
    assert [(field["name"], field["ordinal_position"], field.get("description")) for field in fields] == [
        ("ID", 1, "The order."),
        ("once", 2, None),
    ]
    assert openlineage.problems(lineage.of_landing(landed, NOW)) == []
    assert "ordinal_position" not in str(lineage.of_landing_start(TABLE.identifier, TABLE.unique_id, NOW)["inputs"])


def test_a_run_names_the_runs_of_its_attempt_that_it_waited_for(
    lineage: RunLineage, told: Callable[..., dict[str, Any]]
) -> None:
    def upstream(event: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = event["run"]["facets"].get("jobDependencies", {}).get("upstream", [])
        return [(each["job"]["name"], each["run"]["runId"]) for each in found]

    seed = told(lineage, ended("seed.shop.raw"))
    told(lineage, ended("snapshot.shop.kept", NodeStatus.FAILED))
    made = upstream(told(lineage, NodeBegan("model.shop.orders", NOW)))
    assert made == [("shop.seed.shop.raw", seed["run"]["runId"])]
    orders = told(lineage, ended("model.shop.orders"))
    after = [("shop.model.shop.orders", orders["run"]["runId"])]
    assert upstream(told(lineage, NodeBegan("model.shop.shown", NOW))) == after  # through the ephemeral one
    assert upstream(told(lineage, NodeBegan(CHECK.unique_id, NOW))) == after
    assert upstream(lineage.of_landing_start(TABLE.identifier, TABLE.unique_id, NOW)) == after
    assert upstream(lineage.of_landing_start("a.kept", "snapshot.shop.kept", NOW)) == []


def test_a_table_is_created_once_and_grows_without_being_replaced(lineage: RunLineage, openlineage: Schemas) -> None:
    first = lineage.of_landing(Landed(TABLE, [], created=True), NOW)
    grown = lineage.of_landing(Landed(TABLE.model_copy(update={"mode": "append"}), []), NOW)
    assert openlineage.problems(first) == openlineage.problems(grown) == []
    assert first["outputs"][0]["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "CREATE"
    assert "lifecycleStateChange" not in grown["outputs"][0]["facets"]


def test_a_landing_of_a_node_that_the_graph_does_not_know(lineage: RunLineage, openlineage: Schemas) -> None:
    start = lineage.of_landing_start("a.b", "model.shop.gone", NOW)
    assert openlineage.problems(start) == []
    assert start["inputs"] == []


def test_who_reads_the_tables_outside_of_runs_is_told_by_name(make: Make, openlineage: Schemas) -> None:
    board = Exposure(
        unique_id="exposure.shop.board",
        name="board",
        type="dashboard",
        owner="ann",
        description="Seen every morning.",
        depends_on=("model.shop.passing", "seed.shop.raw", "metric.shop.gone"),
    )
    bare = Exposure(unique_id="exposure.shop.bare", name="bare", type="notebook")
    graph = GRAPH.model_copy(update={"exposures": (board, bare)})
    events = make(graph).of_exposures(NOW)
    assert [problem for event in events for problem in openlineage.problems(event)] == []
    told, _ = events
    assert told["job"]["name"] == "shop.exposure.shop.board"
    facets = told["job"]["facets"]
    assert (facets["jobType"]["processingType"], facets["jobType"]["jobType"]) == ("SERVICE", "EXPOSURE")
    assert facets["ownership"]["owners"] == [{"name": "ann"}]
    assert facets["documentation"]["description"] == "Seen every morning."
    assert facets["tags"]["tags"] == [{"key": "exposure", "value": "dashboard", "source": "DBT"}]
    assert told["inputs"] == [
        {"namespace": "duckdb://default.dev.shop", "name": name, "facets": {}}
        for name in ("shop.main.orders", "shop.main.raw")  # the first one through an ephemeral model
    ]
    assert "run" not in told


def test_an_open_start_is_aborted_as_it_was(lineage: RunLineage, openlineage: Schemas) -> None:
    start = lineage.of_run("START", NOW)
    closed = aborted(start, datetime(2026, 11, 20, 9, 31, tzinfo=UTC))
    assert openlineage.problems(closed) == []
    assert (closed["eventType"], closed["eventTime"]) == ("ABORT", "2026-11-20T09:31:00.000000Z")
    assert closed["run"] == start["run"]
    assert start["eventType"] == "START"


def test_the_window_of_a_partition_is_the_nominal_time(make: Make, openlineage: Schemas) -> None:
    window = (datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))
    tick = {"nominal_time": "2026-11-20T03:00:00+01:00"}
    for lineage, expected in (
        (make(record=tick), ("2026-11-20T03:00:00+01:00", None)),
        (make(record=tick, window=window), ("2026-11-19T00:00:00+00:00", "2026-11-20T00:00:00+00:00")),
    ):
        for event in (lineage.of_run("START", NOW), lineage.of_report(NodeBegan("seed.shop.raw", NOW))):
            assert event is not None
            assert openlineage.problems(event) == []
            facet = event["run"]["facets"]["nominalTime"]
            assert (facet["nominalStartTime"], facet.get("nominalEndTime")) == expected


def test_a_run_that_another_one_led_to_knows_it_and_the_root_of_all(make: Make, openlineage: Schemas) -> None:
    first, before = (Place("default", "dev", name) for name in ("web", "sales"))
    root, cause = RunReference(first, run_id(first, "1")), run_id(before, "1")
    lineage = make(record={"caused_by": cause, "chain": ("web", "sales")}, root=root)
    run = lineage.of_run("START", NOW)
    part = lineage.of_report(NodeBegan("seed.shop.raw", NOW))
    assert part is not None
    for event in (run, part):
        assert openlineage.problems(event) == []
        told = event["run"]["facets"]["parent"]["root"]
        assert (told["run"]["runId"], told["job"]["name"]) == (root.run_id, "web")
    assert run["run"]["facets"]["parent"]["run"]["runId"] == cause
    (waited,) = run["run"]["facets"]["jobDependencies"]["upstream"]
    assert (waited["run"]["runId"], waited["job"]["name"]) == (cause, "sales")
    assert waited["dependency_type"] == "DIRECT_INVOCATION"
    assert run["run"]["facets"]["parent"]["job"]["name"] == "sales"


def test_what_was_asked_for_is_told_without_secrets(make: Make, openlineage: Schemas) -> None:
    options = RunOptions(
        select=("orders+", "tag:daily"),
        full_refresh=True,
        vars={"day": "2026-11-20", "depth": 3, "api_key": "hunter2", "nested": {"password": "hunter2"}},
        partition="2026-11-20",
    )
    event = make(record={"options": options}).of_run("START", NOW)
    assert openlineage.problems(event) == []
    told = {each["key"]: each["value"] for each in event["run"]["facets"]["executionParameters"]["parameters"]}
    assert told == {
        "trigger": "manual",
        "select": "orders+ tag:daily",
        "full_refresh": "true",
        "vars.day": "2026-11-20",
        "vars.depth": "3",
        "vars.api_key": "***",
        "vars.nested": "***",
        "partition": "2026-11-20",
    }
    assert b"hunter2" not in to_bytes(event)


@pytest.mark.parametrize(
    ("repository", "url"),
    [
        ("https://github.com/acme/shop.git", f"https://github.com/acme/shop/blob/{COMMIT}/dbt/models/orders.sql"),
        ("ssh://git@gitlab.com/acme/shop.git", f"https://gitlab.com/acme/shop/-/blob/{COMMIT}/dbt/models/orders.sql"),
        ("git@github.com:acme/shop.git", f"https://github.com/acme/shop/blob/{COMMIT}/dbt/models/orders.sql"),
        ("github.com/acme/shop", f"https://github.com/acme/shop/blob/{COMMIT}/dbt/models/orders.sql"),
        ("https://git.example.com/acme/shop.git", "https://git.example.com/acme/shop.git"),
        ("https://me:hunter2@git.example.com/shop", "https://git.example.com/shop"),
        ("my shop", "git:my%20shop"),
    ],
)
def test_the_code_of_a_model_is_found_in_git(make: Make, openlineage: Schemas, repository: str, url: str) -> None:
    source = SourceReference(repository=repository, ref="refs/heads/main", commit=COMMIT)
    lineage = make(record={"source": source})
    for event in (lineage.of_run("START", NOW), lineage.of_report(NodeBegan("model.shop.orders", NOW))):
        assert event is not None
        assert openlineage.problems(event) == []
        facet = event["job"]["facets"]["sourceCodeLocation"]
        assert (facet["type"], facet["version"], facet["branch"]) == ("git", COMMIT, "main")
        assert b"hunter2" not in to_bytes(event)
    assert (facet["path"], facet["url"]) == ("dbt/models/orders.sql", url)


def test_the_code_of_a_product_in_a_folder_is_found_there(make: Make) -> None:
    source = SourceReference(repository="https://github.com/acme/data.git", commit=COMMIT, folder="products/shop")
    lineage = make(record={"source": source})
    page = f"https://github.com/acme/data/blob/{COMMIT}/products/shop"
    run, node = lineage.of_run("START", NOW), lineage.of_report(NodeBegan("model.shop.orders", NOW))
    found = [event["job"]["facets"]["sourceCodeLocation"] for event in (run, node) if event]
    assert [(facet["path"], facet["url"]) for facet in found] == [
        ("products/shop", page),
        ("products/shop/dbt/models/orders.sql", f"{page}/dbt/models/orders.sql"),
    ]


def test_a_test_is_found_where_it_is_written_and_what_a_package_brings_is_not(make: Make) -> None:
    graph = GRAPH.model_copy(update={"nodes": (*GRAPH.nodes, node("model.calendar.days"))})
    lineage = make(graph, record={"source": SourceReference(repository="https://github.com/acme/shop", commit=COMMIT)})
    found = {
        each: event["job"]["facets"].get("sourceCodeLocation", {}).get("path")
        for each in (CHECK.unique_id, RELATED.unique_id, "model.shop.orders", "model.calendar.days")
        if (event := lineage.of_report(NodeBegan(each, NOW)))
    }
    assert found == {
        CHECK.unique_id: "dbt/models/orders.yml",
        RELATED.unique_id: None,  # a graph of before 1.3
        "model.shop.orders": "dbt/models/orders.sql",
        "model.calendar.days": None,
    }


def test_a_span_and_a_run_know_each_other(lineage: RunLineage, openlineage: Schemas) -> None:
    span = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    event = lineage.of_report(NodeBegan("seed.shop.raw", NOW), span=span)
    assert event is not None
    assert openlineage.problems(event) == []
    assert (event["run"]["facets"]["floe_trace"]["traceId"], event["run"]["facets"]["floe_trace"]["spanId"]) == span


def test_a_model_built_elsewhere_stands_in_that_warehouse(make: Make, told: Callable[..., dict[str, Any]]) -> None:
    main = Compute(name="pg", type="postgres", threads=1, properties={"host": "db.example.com", "port": 5432})
    graph = GRAPH.model_copy(
        update={"nodes": (*GRAPH.nodes, node("model.shop.local", compute="small", depends_on=("seed.shop.raw",)))}
    )
    small = Compute(name="small", type="duckdb", threads=1)
    lineage = make(graph, environment={"compute": main, "computes": {"small": small}})
    event = told(lineage, ended("model.shop.local", compiled_code="select 1"))
    assert event["inputs"][0]["namespace"] == "postgres://db.example.com:5432"
    assert event["outputs"][0]["namespace"] == "duckdb://default.dev.shop"
    assert event["job"]["facets"]["sql"]["dialect"] == "duckdb"


def test_a_query_is_known_by_the_id_that_the_warehouse_gave_it(make: Make, told: Callable[..., dict[str, Any]]) -> None:
    compute = Compute(name="sf", type="snowflake", threads=1, properties={"account": "org-acme"})
    lineage = make(environment={"compute": compute})
    for unique_id in ("model.shop.orders", CHECK.unique_id):
        facet = told(lineage, ended(unique_id, query="01b2-0c"))["run"]["facets"]["externalQuery"]
        assert (facet["externalQueryId"], facet["source"]) == ("01b2-0c", "snowflake")


def test_an_event_too_large_for_the_bus_loses_its_largest_facets_first(make: Make, openlineage: Schemas) -> None:
    wide = node("model.shop.wide", columns=tuple(Column(name=f"c{n}") for n in range(20_000)), raw_code="x" * 300_000)
    event = make(NodeGraph(project="shop", nodes=(wide,), checks=())).of_report(ended("model.shop.wide"))
    assert event is not None
    assert "sql" not in event["job"]["facets"]
    sizes = [len(to_bytes(each)) for each in smaller(event)]
    assert len(to_bytes(event)) > 300_000 > 10_000 > sizes[-1]
    assert sizes == sorted(sizes, reverse=True)
    assert all(openlineage.problems(each) == [] for each in smaller(event))


def test_making_an_event_takes_microseconds(lineage: RunLineage) -> None:
    columns = tuple((f"column_{n}", "VARCHAR") for n in range(20))
    lineage.of_report(ended("model.shop.orders", columns=columns, rows=1))
    rounds, took = 500, []
    for _ in range(5):
        started = time.thread_time()
        for _ in range(rounds):
            to_bytes(lineage.of_report(NodeBegan("model.shop.grown", NOW)) or {})
        took.append((time.thread_time() - started) / rounds)
    # Measured some 20 microseconds; a copy or a lookup that grows with the project would show as hundreds.
    assert min(took) < 0.0003


class TestWhatOthersGetWrong:
    """Defects of the emitter that dbt projects are most often run with, one test each."""

    def test_seeds_and_sources_are_inputs_and_a_seed_has_its_own_events(
        self, lineage: RunLineage, told: Callable[..., dict[str, Any]]
    ) -> None:
        event = told(lineage, ended("model.shop.orders"))
        assert {dataset["name"] for dataset in event["inputs"]} == {"shop.main.raw", "shop.main.clicks"}
        seed = told(lineage, ended("seed.shop.raw"))
        assert (seed["job"]["facets"]["jobType"]["jobType"], seed["outputs"][0]["name"]) == ("SEED", "shop.main.raw")

    def test_a_skipped_test_has_not_failed(self, lineage: RunLineage) -> None:
        assert lineage.of_report(ended(CHECK.unique_id, NodeStatus.SKIPPED)) is None
        assert lineage.of_report(ended("model.shop.orders", NodeStatus.SKIPPED)) is None

    def test_a_failed_model_says_why(self, lineage: RunLineage, told: Callable[..., dict[str, Any]]) -> None:
        event = told(lineage, ended("model.shop.orders", NodeStatus.FAILED, message="Binder Error"))
        assert event["eventType"] == "FAIL"
        assert event["run"]["facets"]["errorMessage"]["message"] == "Binder Error"

    @pytest.mark.parametrize(
        "options", [RunOptions(), RunOptions(select=("orders",)), RunOptions(full_refresh=True)], ids=str
    )
    def test_the_job_is_called_the_same_whatever_was_asked_for(
        self, make: Make, told: Callable[..., dict[str, Any]], options: RunOptions
    ) -> None:
        event = told(make(record={"options": options}), NodeBegan("model.shop.orders", NOW))
        assert event["job"]["name"] == "shop.model.shop.orders"

    def test_a_test_writes_no_dataset(self, lineage: RunLineage, told: Callable[..., dict[str, Any]]) -> None:
        assert told(lineage, ended(CHECK.unique_id))["outputs"] == []

    def test_types_need_no_catalog_file_also_of_an_incremental_model_without_columns(
        self, lineage: RunLineage, told: Callable[..., dict[str, Any]]
    ) -> None:
        event = told(lineage, ended("model.shop.grown", columns=(("id", "BIGINT"),)))
        assert [field["type"] for field in event["outputs"][0]["facets"]["schema"]["fields"]] == ["BIGINT"]

    def test_tags_and_meta_stand_on_the_dataset_and_its_columns(
        self, lineage: RunLineage, told: Callable[..., dict[str, Any]]
    ) -> None:
        event = told(lineage, ended("model.shop.orders"))
        tags = [(tag["key"], tag["value"], tag.get("field")) for tag in event["outputs"][0]["facets"]["tags"]["tags"]]
        assert tags == [
            ("daily", "true", None),
            ("tier", "gold", None),
            ("classification", "pii", "name"),
            ("sensitivity", "medium", "name"),
            ("pii_type", "name", "name"),
        ]
        assert "tags" not in event["run"]["facets"]
        assert event["job"]["facets"]["tags"]["tags"] == [{"key": "daily", "value": "true", "source": "DBT"}]

    def test_dbts_own_meta_stands_on_the_dataset_too_but_no_secret(
        self, make: Make, told: Callable[..., dict[str, Any]]
    ) -> None:
        meta = {
            "owner": "data_team",
            "pii": False,
            "level": 3,
            "domain": "sales",
            "api_key": "hunter2",
            "source": "postgres://me:hunter2@db.example.com/shop",
            "nested": {"domain": "hunter2"},
            "floe": {"tier": "gold"},
        }
        lineage = make(NodeGraph(project="shop", nodes=(node("model.shop.orders", meta=meta),), checks=()))
        event = told(lineage, ended("model.shop.orders"))
        facets = event["outputs"][0]["facets"]
        tags = [(tag["key"], tag["value"], tag["source"]) for tag in facets["tags"]["tags"]]
        assert tags == [
            (key, value, "DBT_META") for key, value in (("domain", "sales"), ("level", "3"), ("pii", "false"))
        ]
        assert facets["ownership"]["owners"] == event["job"]["facets"]["ownership"]["owners"] == [{"name": "data_team"}]
        assert b"hunter2" not in to_bytes(event)

    def test_assertions_stand_only_where_the_specification_has_them(
        self, lineage: RunLineage, told: Callable[..., dict[str, Any]]
    ) -> None:
        (dataset,) = told(lineage, ended(CHECK.unique_id, failures=0))["inputs"]
        assert "dataQualityAssertions" in dataset["inputFacets"]
        assert "dataQualityAssertions" not in dataset["facets"]

    def test_two_products_with_the_same_project_do_not_collide(self, make: Make) -> None:
        names = set()
        for product in ("shop", "copy"):
            event = make(record={"product": product}).of_report(NodeBegan("model.shop.orders", NOW))
            assert event is not None
            names.add((event["job"]["name"], event["outputs"][0]["namespace"]))
        assert len({job for job, _ in names}) == len({namespace for _, namespace in names}) == 2

    def test_every_facet_names_its_immutable_schema(
        self, lineage: RunLineage, told: Callable[..., dict[str, Any]]
    ) -> None:
        event = told(lineage, ended("model.shop.orders", rows=1))
        facets = [*event["run"]["facets"].values(), *event["job"]["facets"].values()]
        facets += [facet for dataset in event["outputs"] for facet in dataset["facets"].values()]
        for facet in facets:
            address, _, place = facet["_schemaURL"].partition("#")
            assert address.endswith(".json")
            assert "/main/" not in address
            assert place.startswith("/$defs/")
