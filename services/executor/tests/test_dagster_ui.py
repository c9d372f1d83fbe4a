"""Dagster's own webserver over an instance of floe's: what a person sees there."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.testing import free_port
from floe_contracts.compiled_product import CompiledPartitions
from floe_contracts.nodes import Check, Column, Node, NodeGraph
from floe_executor.adapters.dagster_graph.product_definition import ProductDefinition
from floe_executor.adapters.dagster_graph.runs import BuildRun, DagsterRuns, Telling
from floe_executor.core.node_reports import NodeDone, NodeStatus

WORKSPACE = """\
load_from:
  - python_module: {module_name: floe_executor.adapters.dagster_graph.code_location, location_name: floe}
"""
AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
Ask = Callable[[str], dict[str, Any]]


def _product(name: str) -> ProductDefinition:
    orders = Node(
        unique_id="model.shop.orders",
        name="orders",
        resource_type="model",
        materialized="table",
        database="shop",
        schema_name="main",
        identifier="orders",
        path="models/marts/orders.sql",
        description="One row an order.",
        owner="orders@example.com",
        tags=("daily",),
        depends_on=("source.shop.raw.orders",),
        columns=(Column(name="id", data_type="bigint", description="Names it."),),
        checks=(Check(unique_id="test.shop.unique_orders_id.1", name="unique", column="id"),),
    )
    raw = orders.model_copy(
        update={"unique_id": "source.shop.raw.orders", "resource_type": "source", "checks": (), "depends_on": ()}
    )
    return ProductDefinition(
        tenant="default",
        environment="dev",
        product=name,
        artifact_digest="sha256:a",
        compute="duckdb",
        partitions=CompiledPartitions(type="static", keys=("north", "south")),
        graph=NodeGraph(project="shop", nodes=(orders, raw), checks=()),
        groups={"model.shop.orders": "marts"},
    )


def _build(runs: DagsterRuns, product: ProductDefinition) -> None:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    told.put(NodeDone("model.shop.orders", AT, NodeStatus.SUCCESS, 0.5, rows=42, columns=(("id", "BIGINT"),)))
    told.put(NodeDone("test.shop.unique_orders_id.1", AT, NodeStatus.FAILED, 0.1, "Got 3 results", failures=3))
    told.put(None)
    build = BuildRun(product, {"floe/run_id": "r1"}, {"floe/run_id": "r1", "floe/commit": "c0ffee"}, "south")
    assert not runs.execute(build, Telling(told, lambda: "1 node failed"))


@pytest.fixture
def built(tmp_path: Path) -> Iterator[DagsterRuns]:
    """An instance in which one product was built."""
    runs = DagsterRuns(tmp_path / "home")
    _build(runs, _product("shop"))
    yield runs
    runs.close()


@pytest.fixture
def ask(built: DagsterRuns, tmp_path: Path) -> Iterator[Ask]:
    """Asks a webserver on that instance by GraphQL."""
    (tmp_path / "workspace.yaml").write_text(WORKSPACE)
    port = free_port()
    with (tmp_path / "webserver.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"],
            cwd=tmp_path,
            env=os.environ | {"DAGSTER_HOME": str(tmp_path / "home")},
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}/graphql"

    def ask(query: str) -> dict[str, Any]:
        document = json.dumps({"query": query}).encode()
        request = urllib.request.Request(address, document, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 -- our own server
            told = json.load(answer)
        assert "errors" not in told, told
        data: dict[str, Any] = told["data"]
        return data

    deadline = time.monotonic() + 120
    while True:
        try:
            ask("{ version }")
            break
        except OSError:
            assert server.poll() is None, (tmp_path / "webserver.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield ask
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def test_assets_checks_and_runs_are_there_and_linked(ask: Ask, built: DagsterRuns) -> None:
    (location,) = ask(
        """{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
            ... on PythonError { message } ... on RepositoryLocation { repositories { jobs { name } } } } } } } }"""
    )["workspaceOrError"]["locationEntries"]
    assert location["name"] == "floe"
    (repository,) = location["locationOrLoadError"]["repositories"]
    assert "default__dev__shop" in {job["name"] for job in repository["jobs"]}

    nodes = {
        "/".join(node["assetKey"]["path"]): node
        for node in ask(
            """{ assetNodes { assetKey { path } groupName kinds description isPartitioned isExecutable
                owners { ... on UserAssetOwner { email } } tags { key } jobNames dependencyKeys { path }
                metadataEntries { label ... on TableSchemaMetadataEntry { schema { columns { name type } } } }
                assetMaterializations(limit: 1) { runId partition metadataEntries { label
                    ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } }
                assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization {
                    status evaluation { success description metadataEntries { label
                        ... on IntMetadataEntry { intValue } } } } } } } } }"""
        )["assetNodes"]
    }
    assert nodes.keys() == {"default/dev/shop/orders", "default/dev/shop/raw/orders"}
    orders = nodes["default/dev/shop/orders"]
    assert orders["groupName"] == "dev/shop/marts"
    assert set(orders["kinds"]) == {"dbt", "duckdb", "table"}
    assert orders["description"] == "One row an order."
    assert orders["owners"] == [{"email": "orders@example.com"}]
    assert "daily" in {tag["key"] for tag in orders["tags"]}
    assert orders["isPartitioned"]
    assert orders["dependencyKeys"] == [{"path": ["default", "dev", "shop", "raw", "orders"]}]
    schema = next(entry for entry in orders["metadataEntries"] if entry["label"] == "dagster/column_schema")
    assert schema["schema"]["columns"] == [{"name": "id", "type": "bigint"}]
    (materialised,) = orders["assetMaterializations"]
    assert materialised["partition"] == "south"
    told = {entry["label"]: entry for entry in materialised["metadataEntries"]}
    assert told["dagster/row_count"]["intValue"] == 42
    assert told["floe/commit"]["text"] == "c0ffee"
    (check,) = orders["assetChecksOrError"]["checks"]
    execution = check["executionForLatestMaterialization"]
    assert (check["name"], execution["status"]) == ("unique_orders_id", "FAILED")
    assert execution["evaluation"]["description"] == "Got 3 results"
    failures = {entry["label"]: entry.get("intValue") for entry in execution["evaluation"]["metadataEntries"]}
    assert failures["floe/failures"] == 3
    assert not nodes["default/dev/shop/raw/orders"]["isExecutable"]

    (run,) = ask(
        """{ runsOrError { ... on Runs { results { runId jobName status
            repositoryOrigin { repositoryName repositoryLocationName } tags { key value } } } } }"""
    )["runsOrError"]["results"]
    assert run["runId"] == materialised["runId"]
    assert (run["jobName"], run["status"]) == ("default__dev__shop", "FAILURE")
    assert run["repositoryOrigin"] == {"repositoryName": "__repository__", "repositoryLocationName": "floe"}
    assert {"key": "dagster/partition", "value": "south"} in run["tags"]

    _build(built, _product("second"))
    loaded = ask('mutation { reloadRepositoryLocation(repositoryLocationName: "floe") { __typename } }')
    assert loaded["reloadRepositoryLocation"]["__typename"] == "WorkspaceLocationEntry"
    paths = {"/".join(node["assetKey"]["path"]) for node in ask("{ assetNodes { assetKey { path } } }")["assetNodes"]}
    assert "default/dev/second/orders" in paths
