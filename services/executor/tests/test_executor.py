"""The executor from the request on the bus to tables, events and lineage."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import dagster
import psutil
import pytest

from floe_chassis.testing import eventually
from floe_chassis.topology import EXECUTOR, LEASES_BUCKET, RUNS
from floe_contracts.artifacts import Compute
from floe_contracts.digests import digest_of
from floe_contracts.events import (
    LandedTable,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeSkipped,
    NodeStarted,
    RunQueued,
    RunStarted,
)
from floe_contracts.runs import RunStatus

from .dbt_processes import dbt_processes, runs
from .lasting_models import ENDLESS, endless_once

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py


class Schemas(Protocol):
    def problems(self, event: Mapping[str, Any]) -> list[str]: ...


ORDERS = {
    "seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "models/orders.sql": "select id, customer from {{ ref('raw_orders') }}",
}
SHOP = ORDERS | {
    "models/customers.sql": "select distinct customer from {{ ref('orders') }}",
    "models/shown.sql": "{{ config(materialized='view') }} select * from {{ ref('customers') }}",
    "models/schema.yml": """\
models:
  - name: orders
    columns:
      - {name: id, data_tests: [unique]}
      - {name: customer, data_tests: [{accepted_values: {arguments: {values: [ann]}, config: {severity: warn}}}]}
""",
}
WARNING = "test.shop.accepted_values_orders_customer__ann"


def open_jobs(lineage: list[dict[str, Any]]) -> dict[str, str]:
    """The runs whose START nothing closed."""
    begun = {event["run"]["runId"]: event["job"]["name"] for event in lineage if event["eventType"] == "START"}
    closed = {event["run"]["runId"] for event in lineage if event["eventType"] in {"COMPLETE", "FAIL", "ABORT"}}
    return {run: job for run, job in begun.items() if run not in closed}


async def test_a_request_becomes_tables_events_and_lineage(
    stack: Stack, openlineage: Schemas, dagster_home: Path
) -> None:
    await stack.start()
    artifact = await stack.compile(SHOP)
    run = await stack.request(artifact)
    completed = await stack.completed(run)

    await _nodes_are_told(stack, run, completed.nodes)
    _tables_are_landed(stack, run, artifact, completed.tables)
    await _lineage_is_whole(stack, run, completed, openlineage)
    _dagster_knows(dagster_home, run, artifact, completed.tables)
    record = await stack.record(run)
    assert (record.status, record.attempt) == (RunStatus.COMPLETED, 1)
    assert record.ended_at is not None
    await eventually(lambda: _nobody_waits(stack))
    assert completed.seconds.run > 0
    assert completed.seconds.land > 0

    again = await stack.request(artifact, cause="shop:2")
    assert again != run
    second = await stack.completed(again)
    assert [(table.identifier, table.rows) for table in second.tables] == [
        (table.identifier, table.rows) for table in completed.tables
    ]
    orders = stack.catalog().load_table(("default", "dev", "shop", "main", "orders"))
    assert [snapshot.summary["floe.run-id"] for snapshot in orders.snapshots()] == [run, again]
    assert orders.scan().to_arrow().num_rows == 3


async def _nobody_waits(stack: Stack) -> bool:
    return [stored async for stored in stack.store.pending()] == []


async def _nodes_are_told(stack: Stack, run: str, outcomes: Any) -> None:
    events = await stack.events(run)
    assert isinstance(events[0], RunQueued)
    assert isinstance(events[1], RunStarted)
    nodes = [event for event in events if isinstance(event, NodeEvent)]
    started = [event.unique_id for event in nodes if isinstance(event, NodeStarted)]
    ended = {event.unique_id: event.status for event in nodes if isinstance(event, NodeCompleted)}
    assert sorted(started) == sorted(ended) == [outcome.unique_id for outcome in outcomes]
    assert ended == {outcome.unique_id: outcome.status for outcome in outcomes}
    assert Counter(ended.values()) == {"success": 5, "warned": 1}
    warned = next(event for event in nodes if isinstance(event, NodeCompleted) and event.status == "warned")
    assert warned.unique_id.startswith(WARNING)
    assert warned.message
    assert "WARN 1" in warned.message


def _tables_are_landed(stack: Stack, run: str, artifact: str, tables: Any) -> None:
    assert stack.tables() == ["customers", "orders", "raw_orders"]
    assert {table.identifier: table.rows for table in tables} == {
        "default.dev.shop.main.customers": 2,
        "default.dev.shop.main.orders": 3,
        "default.dev.shop.main.raw_orders": 3,
    }
    for table in tables:
        landed = stack.catalog().load_table(tuple(table.identifier.split(".")))
        snapshot = landed.current_snapshot()
        assert landed.scan().to_arrow().num_rows == table.rows
        assert (str(landed.metadata.table_uuid), snapshot.snapshot_id) == (table.table_uuid, table.snapshot_id)
        assert (snapshot.summary["floe.run-id"], snapshot.summary["floe.artifact-digest"]) == (run, artifact)


async def _lineage_is_whole(stack: Stack, run: str, completed: Any, openlineage: Schemas) -> None:
    lineage = await stack.lineage(run)
    assert [problem for event in lineage for problem in openlineage.problems(event)] == []
    assert len(lineage) == completed.lineage_events
    assert open_jobs(lineage) == {}
    ended = [event["job"]["name"] for event in lineage if event["eventType"] == "COMPLETE"]
    assert (lineage[0]["job"]["name"], ended[-1]) == ("shop", "shop")
    assert set(ended) == {
        "shop",
        *(f"shop.{node.unique_id}" for node in completed.nodes),
        *(f"shop.land.{table.identifier}" for table in completed.tables),
    }
    snapshots = {
        output["facets"]["version"]["datasetVersion"]
        for event in lineage
        for output in event["outputs"]
        if "version" in output["facets"]
    }
    assert snapshots == {str(table.snapshot_id) for table in completed.tables}


def _dagster_knows(home: Path, run: str, artifact: str, tables: Sequence[LandedTable]) -> None:
    with dagster.DagsterInstance.from_config(str(home)) as instance:
        tags = {"floe/run_id": run, "floe/artifact": artifact, "floe/attempt": "1"}
        (recorded,) = instance.get_runs(filters=dagster.RunsFilter(tags=tags))
        assert recorded.status is dagster.DagsterRunStatus.SUCCESS
        asset = dagster.AssetKey(["default", "dev", "shop", "orders"])
        event = instance.get_latest_materialization_event(asset)
        assert event is not None
        assert event.run_id == recorded.run_id
        (observed,) = instance.fetch_observations(asset, limit=1).records
        assert observed.run_id == recorded.run_id
        assert observed.asset_observation is not None
        landed = observed.asset_observation.metadata
        table = next(table for table in tables if table.unique_id.endswith(".orders"))
        assert (landed["floe/snapshot"].value, landed["floe/table"].value) == (str(table.snapshot_id), table.identifier)


async def test_what_failed_is_named_and_nothing_lands(stack: Stack, openlineage: Schemas) -> None:
    await stack.start()
    files = ORDERS | {
        # Not from orders, whose failing test would keep it from being built.
        "models/broken.sql": "select cast(customer as integer) as number\nfrom {{ ref('raw_orders') }}",
        "models/after.sql": "select * from {{ ref('broken') }}",
        "models/schema.yml": "models: [{name: orders, columns: [{name: customer, data_tests: [unique]}]}]\n",
    }
    run = await stack.request(await stack.compile(files))
    failed = await stack.failed(run)

    (problem,) = failed.problems
    assert problem.code == "FLOE-RUN-001"
    assert problem.message.startswith("2 nodes failed\n")
    assert "Could not convert string 'ann'" in problem.message
    assert "test.shop.unique_orders_customer" in problem.message
    status = {node.unique_id: node.status for node in failed.nodes}
    assert (status["model.shop.broken"], status["model.shop.after"]) == ("failed", "skipped")
    assert (status["model.shop.orders"], status["seed.shop.raw_orders"]) == ("success", "success")
    assert failed.tables == ()
    assert stack.tables() == []
    events = await stack.events(run)
    assert {event.unique_id for event in events if isinstance(event, NodeSkipped)} == {"model.shop.after"}
    assert sum(isinstance(event, NodeFailed) for event in events) == 2
    lineage = await stack.lineage(run)
    assert [problem for event in lineage for problem in openlineage.problems(event)] == []
    assert open_jobs(lineage) == {}
    assert len(lineage) == failed.lineage_events
    failures = [event["job"]["name"] for event in lineage if event["eventType"] == "FAIL"]
    assert failures[-1] == "shop"
    assert "shop.model.shop.broken" in failures
    assert "shop.model.shop.after" not in {event["job"]["name"] for event in lineage}


async def test_a_column_that_cannot_land_is_named(stack: Stack, openlineage: Schemas) -> None:
    await stack.start()
    run = await stack.request(
        await stack.compile({"models/mixed.sql": "select 1 as id, union_value(k := 1) as either"})
    )
    failed = await stack.failed(run)
    (problem,) = failed.problems
    assert (problem.code, problem.path) == ("FLOE-LAND-001", "default.dev.shop.main.mixed.either")
    assert 'column "either" has type UNION' in problem.message
    assert [(node.unique_id, node.status) for node in failed.nodes] == [("model.shop.mixed", "success")]
    assert stack.tables() == []
    lineage = await stack.lineage(run)
    assert [problem for event in lineage for problem in openlineage.problems(event)] == []
    assert open_jobs(lineage) == {}


async def test_a_request_that_leads_nowhere_fails_with_the_reason(stack: Stack) -> None:
    await stack.start(FLOE_EXECUTOR_MAX_ATTEMPTS="2")
    artifact = await stack.compile({"models/one.sql": "select 1 as id"})
    elsewhere = await stack.request(artifact, cause="elsewhere", environment="staging")
    (problem,) = (await stack.failed(elsewhere)).problems
    assert (problem.code, problem.hint) == ("FLOE-RUN-004", "it has: dev")

    missing = await stack.request(digest_of(b"never stored"), cause="missing")
    failed = await stack.failed(missing)
    (problem,) = failed.problems
    assert problem.code == "FLOE-RUN-003"
    assert problem.message.startswith("2 attempts ended without an outcome")
    await eventually(lambda: _nobody_waits(stack))
    assert (await stack.bus.js.consumer_info(RUNS, EXECUTOR)).num_ack_pending == 0


async def test_a_compute_that_the_executor_cannot_build_in_is_refused(stack: Stack) -> None:
    await stack.start()
    elsewhere = Compute(name="warehouse", type="redshift", threads=1)
    files = {"models/one.sql": "select 1 as id"}
    run = await stack.request(await stack.compile(files, compute=elsewhere), cause="all")
    (problem,) = (await stack.failed(run)).problems
    assert (problem.code, problem.path) == ("FLOE-RUN-007", "compute.warehouse")
    assert problem.message.startswith("the environment builds in 'warehouse', which is redshift")
    assert "another compute" in (problem.hint or "")

    run = await stack.request(await stack.compile(files, computes={"heavy": elsewhere}), cause="some")
    (problem,) = (await stack.failed(run)).problems
    assert problem.code == "FLOE-RUN-007"
    assert problem.message.startswith("floe.yaml gives models the compute 'heavy', which is 'warehouse' here")

    same = stack.compute.model_copy(update={"threads": 4})
    run = await stack.request(await stack.compile(files, computes={"heavy": same}), cause="same")
    assert [table.rows for table in (await stack.completed(run)).tables] == [1]


async def test_a_project_that_dbt_refuses_is_not_tried_again(stack: Stack) -> None:
    await stack.start()
    good = {"models/one.sql": "select 1 as id"}
    artifact = await stack.compile(good, built={"models/one.sql": "select {{ ref('nowhere') }}"})
    run = await stack.request(artifact)
    failed = await stack.failed(run)
    (problem,) = failed.problems
    assert problem.code == "FLOE-RUN-005"
    assert "nowhere" in problem.message
    assert failed.attempt == 1


async def test_the_same_request_twice_is_one_run(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile({"models/one.sql": "select 1 as id"})
    run = await stack.request(artifact)
    await stack.completed(run)
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "shop:1",
        "ce-source": "test",
        "ce-type": "dev.floe.run.requested.v1",
        "ce-time": "2026-11-20T09:30:00Z",
    }
    request = {
        "tenant": "default",
        "environment": "dev",
        "product": "shop",
        "artifact_digest": artifact,
        "requester": "test",
        "reason": "again, with a field of a newer minor",
        "priority": 1,
    }
    body = json.dumps(request).encode()
    await stack.bus.publish_raw("floe.v1.run.requested.default.dev.shop", body, headers, "another message")

    async def handled() -> bool:
        consumer = await stack.bus.js.consumer_info(RUNS, EXECUTOR)
        return (consumer.ack_floor.stream_seq if consumer.ack_floor else 0) == 2

    await eventually(handled)
    counted = Counter(event.kind.value for event in await stack.events(run))
    assert (counted["run.queued"], counted["run.started"], counted["run.completed"]) == (1, 1, 1)
    assert [stored async for stored in stack.store.pending()] == []


async def test_lineage_comes_while_dbt_works(stack: Stack) -> None:
    await stack.start()
    endless = "-- depends_on: {{ ref('orders') }}\n" + ENDLESS
    run = await stack.request(await stack.compile({**ORDERS, "models/endless.sql": endless}))

    async def told() -> bool:
        events = {(event["job"]["name"], event["eventType"]) for event in await stack.lineage(run)}
        return {("shop.model.shop.orders", "COMPLETE"), ("shop.model.shop.endless", "START")} <= events

    await stack.until_started(run, "model.shop.endless")
    await eventually(told)


async def test_a_lost_lease_ends_dbt_and_a_dead_dbt_is_tried_again(stack: Stack, openlineage: Schemas) -> None:
    await stack.start(FLOE_EXECUTOR_MAX_ATTEMPTS="2")
    run = await stack.request(await stack.compile({"models/endless.sql": ENDLESS}))
    await stack.until_started(run, "model.shop.endless")
    (first,) = dbt_processes(stack.dbt)
    bucket = await stack.bus.key_value(LEASES_BUCKET)
    await bucket.purge("default.dev.shop")  # as when the bus was away for longer than a lease lives
    await eventually(lambda: not runs(first))

    async def working_again() -> psutil.Process | None:
        started = [event for event in await stack.events(run) if isinstance(event, NodeStarted)]
        return next(iter(dbt_processes(stack.dbt)), None) if len(started) == 2 else None

    second = await eventually(working_again, timeout=120)
    assert second is not None
    second.kill()
    failed = await stack.failed(run)
    assert [problem.code for problem in failed.problems] == ["FLOE-RUN-003"]
    assert not dbt_processes(stack.dbt)
    lineage = await stack.lineage(run)
    assert [problem for event in lineage for problem in openlineage.problems(event)] == []
    assert open_jobs(lineage) == {}
    assert Counter(event["eventType"] for event in lineage if event["job"]["name"] != "shop") == {
        "START": 2,
        "ABORT": 2,
    }
    assert len(lineage) == failed.lineage_events


async def test_stopping_an_executor_hands_its_run_to_the_next(stack: Stack, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    first = await stack.start()
    artifact = await stack.compile({"models/one.sql": "select 1 as id", "models/two.py": endless_once(begun, "one")})
    run = await stack.request(artifact)
    await eventually(begun.exists, timeout=120)
    stack.services.remove(first)
    await asyncio.gather(first.stop(), stack.start())
    completed = await stack.completed(run)
    assert completed.attempt == 2
    assert stack.tables() == ["one", "two"]
    assert open_jobs(await stack.lineage(run)) == {}
