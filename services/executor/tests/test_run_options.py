"""Runs of a part of a product: by selection, by variables, by partition; and backfills of many."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.testing_postgres import PostgresDatabase
from floe_chassis.topology import EVENTS, EXECUTOR, RUNS
from floe_contracts.cloudevents import decode
from floe_contracts.compiled_product import CompiledConcurrency, CompiledOrchestration, CompiledPartitions
from floe_contracts.errors import Unreachable
from floe_contracts.events import (
    BackfillCompleted,
    NodeCompleted,
    PartitionChoice,
    RunCancelled,
    RunFailed,
    RunOptions,
    RunQueued,
    RunStarted,
)
from floe_contracts.openlineage.naming import run_id
from floe_contracts.runs import RunStatus
from floe_executor.adapters.landing.iceberg_landing import IcebergLander
from floe_executor.core.ports import BuildRequest
from floe_executor.errors import BackfillRefused, NothingSelected, PartitionUnknown, SelectionInvalid
from floe_executor.runs.attempt import Attempt
from floe_executor.runs.landings import Landings

from .conftest import ORCHESTRATION
from .dbt_processes import dbt_processes
from .lasting_models import ENDLESS
from .test_postgres_products import compute_of
from .test_run_life import cancel, ended, orchestration, stack_place

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py
THREE = {
    "models/one.sql": "{{ config(tags=['daily']) }} select 1 as id",
    "models/two.sql": "select id, {{ var('factor', 1) }} as factor from {{ ref('one') }}",
    "models/three.sql": """{{ config(materialized='incremental') }}
select {{ var('number', 1) }} as number""",
    "models/schema.yml": "models: [{name: one, columns: [{name: id, data_tests: [unique]}]}]\n",
}
COUNTRIES = CompiledPartitions(type="static", keys=("de", "fr", "it"))
DAYS = CompiledPartitions(type="daily", start="2026-01-01", timezone="Europe/Berlin")
PER_PARTITION = {
    "models/rows.sql": """{{ config(materialized='incremental', unique_key='partition') }}
select '{{ var("floe_partition", "none") }}' as partition,
       '{{ var("floe_partition_start", "") }}' as starts,
       {% if var("floe_partition", "none") == var("bad", "-") %}cast('x' as integer){% else %}1{% endif %} as n""",
}


def partitioned(definition: CompiledPartitions, parallel: int = 1, queue: str = "queue") -> CompiledOrchestration:
    return ORCHESTRATION.model_copy(
        update={
            "partitions": definition,
            "concurrency": CompiledConcurrency(queue=queue, partitions=parallel),
        }
    )


def rows(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    (file,) = (stack.folder.parent / "warehouse").rglob("*.duckdb")
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.sql(query).fetchall()


async def built(stack: Stack, run: str) -> set[str]:
    return {event.unique_id for event in await stack.events(run) if isinstance(event, NodeCompleted)}


async def test_a_selection_builds_and_lands_a_part(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(THREE)
    run = await stack.request(
        artifact, cause="1", options=RunOptions(select=("tag:daily", "three"), exclude=("three",))
    )
    await stack.completed(run)
    assert {".".join(name.split(".")[:3]) for name in await built(stack, run)} == {
        "model.shop.one",
        "test.shop.unique_one_id",
    }
    assert stack.tables() == ["one"]

    variables = RunOptions(select=("two",), vars={"factor": 7, "text": 'it\'s; -- "quoted"'})
    run = await stack.request(artifact, cause="2", options=variables)
    await stack.completed(run)
    assert await built(stack, run) == {"model.shop.two"}
    assert rows(stack, "select factor from shop.main.two") == [(7,)]


async def test_a_full_refresh_builds_incremental_models_from_nothing(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(THREE)
    for number in (1, 2):
        options = RunOptions(select=("three",), vars={"number": number})
        await stack.completed(await stack.request(artifact, cause=f"{number}", options=options))
    assert rows(stack, "select number from shop.main.three order by 1") == [(1,), (2,)]
    options = RunOptions(select=("three",), vars={"number": 3}, full_refresh=True)
    await stack.completed(await stack.request(artifact, cause="3", options=options))
    assert rows(stack, "select number from shop.main.three") == [(3,)]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (RunOptions(select=("nowhere",)), NothingSelected.code),
        (RunOptions(exclude=("one", "two", "three")), NothingSelected.code),
        (RunOptions(select=("--profiles-dir=/tmp",)), SelectionInvalid.code),
        (RunOptions(vars={"floe_partition": "de"}), SelectionInvalid.code),
        (RunOptions(partition="de"), PartitionUnknown.code),
    ],
    ids=["nothing-selected", "all-excluded", "an-option", "a-reserved-variable", "no-partitions"],
)
async def test_what_cannot_be_built_fails_by_its_code(stack: Stack, options: RunOptions, code: str) -> None:
    await stack.start()
    run = await stack.request(await stack.compile(THREE), options=options)
    failed = await stack.failed(run)
    assert [problem.code for problem in failed.problems] == [code]
    assert failed.attempt == 1
    assert failed.nodes == ()
    assert stack.tables() == []


async def test_a_run_of_a_partition_tells_dbt_its_key_and_window(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(PER_PARTITION, orchestration=partitioned(DAYS))
    run = await stack.request(artifact, cause="1", options=RunOptions(partition="2026-03-29"))
    completed = await stack.completed(run)
    assert completed.partition == "2026-03-29"
    assert rows(stack, "select partition, starts from shop.main.rows") == [("2026-03-29", "2026-03-29T00:00:00+01:00")]

    tick = await stack.request(artifact, cause="2", trigger="schedule", nominal_time="2026-11-20T00:00:00+01:00")
    assert (await stack.completed(tick)).partition == "2026-11-19"
    started = next(event for event in await stack.events(tick) if isinstance(event, RunStarted))
    assert started.partition == "2026-11-19"


# ---- backfills


async def backfill_end(stack: Stack, backfill: str) -> BackfillCompleted:
    async def found() -> BackfillCompleted | None:
        ends = await backfill_ends(stack, backfill)
        return ends[0] if ends else None

    event = await eventually(found, timeout=150)
    assert event is not None
    return event


async def backfill_ends(stack: Stack, backfill: str) -> list[BackfillCompleted]:
    found = []
    async for message in read_stream(stack.bus.js, EVENTS, "floe.v1.backfill.>"):
        event = decode(message.subject, message.headers, message.data).event
        if isinstance(event, BackfillCompleted) and event.backfill == backfill:
            found.append(event)
    return found


def part_id(backfill: str, key: str) -> str:
    return run_id(stack_place(), f"{backfill}:{key}")


async def test_a_backfill_has_a_run_and_a_result_for_each_partition(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(PER_PARTITION, orchestration=partitioned(COUNTRIES, parallel=3))
    options = RunOptions(vars={"bad": "fr"})
    backfill = await stack.request(artifact, cause="1", options=options, partitions=PartitionChoice())
    after = await stack.request(artifact, cause="2")
    end = await backfill_end(stack, backfill)
    assert [(result.partition, result.status) for result in end.results] == [
        ("de", "completed"),
        ("fr", "failed"),
        ("it", "completed"),
    ]
    assert [result.run_id for result in end.results] == [part_id(backfill, key) for key in COUNTRIES.keys]
    await stack.completed(after)
    assert rows(stack, "select partition from shop.main.rows order by 1") == [("de",), ("it",), ("none",)]
    records = [await stack.record(result.run_id) for result in end.results]
    assert [record.backfill for record in records] == [backfill] * 3
    times = [(record.started_at or "", record.ended_at or "") for record in [*records, await stack.record(after)]]
    assert times == sorted(times), "a DuckDB file has one writer, and what came later waits"
    queued = [event for event in await stack.events(records[0].run_id) if isinstance(event, RunQueued)]
    assert [(event.trigger, event.partition, event.backfill) for event in queued] == [("backfill", "de", backfill)]

    failed = await ended(stack, records[1].run_id)
    assert isinstance(failed, RunFailed)
    retry = await stack.request(
        artifact, cause="3", options=RunOptions(retry_of=failed.run_id, vars={"bad": "-"}), trigger="retry"
    )
    assert (await stack.completed(retry)).partition == "fr"
    assert len(await backfill_ends(stack, backfill)) == 1


async def test_the_same_backfill_asked_for_twice_is_one(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(PER_PARTITION, orchestration=partitioned(COUNTRIES))
    choice = PartitionChoice(keys=("it",))
    backfill = await stack.request(artifact, cause="1", partitions=choice)
    await backfill_end(stack, backfill)
    body = {
        "tenant": "default",
        "environment": "dev",
        "product": "shop",
        "artifact_digest": artifact,
        "requester": "test",
        "reason": "again",
        "partitions": {"keys": ["it"]},
    }
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "test",
        "ce-type": "dev.floe.run.requested.v1",
        "ce-time": "2026-11-20T09:30:00Z",
    }
    subject = "floe.v1.run.requested.default.dev.shop"
    await stack.bus.publish_raw(subject, json.dumps(body).encode(), headers, "another message")

    async def handled() -> bool:
        consumer = await stack.bus.js.consumer_info(RUNS, EXECUTOR)
        return (consumer.ack_floor.stream_seq if consumer.ack_floor else 0) == 2

    await eventually(handled)
    await stack.completed(await stack.request(artifact, cause="2"))  # the dispatcher has looked again
    assert len(await backfill_ends(stack, backfill)) == 1
    started = [event for event in await stack.events(part_id(backfill, "it")) if isinstance(event, RunStarted)]
    assert len(started) == 1


async def test_cancelling_a_backfill_ends_all_of_its_runs(stack: Stack) -> None:
    await stack.start()
    keys = tuple(f"p{number}" for number in range(8))
    definition = CompiledPartitions(type="dynamic", name="parts")
    artifact = await stack.compile({"models/endless.sql": ENDLESS}, orchestration=partitioned(definition))
    backfill = await stack.request(artifact, cause="1", partitions=PartitionChoice(keys=keys))
    first = part_id(backfill, "p0")
    await stack.until_started(first, "model.shop.endless")
    await cancel(stack, backfill, "wrong artifact")
    end = await backfill_end(stack, backfill)
    assert [result.partition for result in end.results] == list(keys)
    assert {result.status for result in end.results} == {"cancelled"}
    cancelled = await ended(stack, first)
    assert isinstance(cancelled, RunCancelled)
    assert cancelled.reason == "wrong artifact"
    assert dbt_processes(stack.dbt) == []
    assert [stored async for stored in stack.store.pending()] == []
    assert await stack.store.partitions(stack_place(), "parts") == ("p0",)


async def test_a_backfill_goes_on_after_its_executor_was_stopped(stack: Stack) -> None:
    first = await stack.start()
    definition = CompiledPartitions(type="dynamic", name="parts")
    artifact = await stack.compile(PER_PARTITION, orchestration=partitioned(definition))
    keys = ("a", "b", "c", "d")
    backfill = await stack.request(artifact, cause="1", partitions=PartitionChoice(keys=keys))
    await ended(stack, part_id(backfill, "a"))
    stack.services.remove(first)
    await first.stop()
    await stack.start()
    end = await backfill_end(stack, backfill)
    assert [(result.partition, result.status) for result in end.results] == [(key, "completed") for key in keys]
    assert len(await backfill_ends(stack, backfill)) == 1
    assert await stack.store.partitions(stack_place(), "parts") == keys


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        (PartitionChoice(keys=("de", "xx")), PartitionUnknown.code),
        (PartitionChoice(first="it", last="de"), BackfillRefused.code),
        (PartitionChoice(keys=tuple(f"{number}" for number in range(5001))), BackfillRefused.code),
    ],
    ids=["unknown", "none", "too-many"],
)
async def test_a_backfill_that_names_no_partitions_fails_in_its_own_name(
    stack: Stack, choice: PartitionChoice, code: str
) -> None:
    await stack.start()
    artifact = await stack.compile(PER_PARTITION, orchestration=partitioned(COUNTRIES))
    backfill = await stack.request(artifact, cause="1", partitions=choice)
    failed = await ended(stack, backfill)
    assert isinstance(failed, RunFailed)
    assert [problem.code for problem in failed.problems] == [code]
    await stack.completed(await stack.request(artifact, cause="2"))
    assert await backfill_ends(stack, backfill) == []


async def test_a_rejecting_product_refuses_a_backfill_while_it_builds(stack: Stack) -> None:
    await stack.start()
    busy = await stack.compile({"models/endless.sql": ENDLESS}, orchestration=orchestration(queue="reject"))
    running = await stack.request(busy, cause="1")
    await stack.until_started(running, "model.shop.endless")
    artifact = await stack.compile(PER_PARTITION, orchestration=partitioned(COUNTRIES, queue="reject"))
    backfill = await stack.request(artifact, cause="2", partitions=PartitionChoice())
    rejected = await ended(stack, backfill)
    assert isinstance(rejected, RunCancelled)
    assert (await stack.record(backfill)).status is RunStatus.CANCELLED
    assert running in rejected.reason
    assert await stack.store.find(stack_place(), part_id(backfill, "de")) is None


async def test_as_many_partitions_build_at_once_as_the_product_says(
    stack: Stack, postgres_database: PostgresDatabase
) -> None:
    """In a warehouse of many writers; all under the one lease of the place, so with one fencing token."""
    compute = compute_of(postgres_database)
    keys = ("a", "b", "c", "d", "e")
    parts = partitioned(CompiledPartitions(type="static", keys=keys), parallel=2)
    files = {
        "models/rows.sql": "{{ config(materialized='incremental', unique_key='part') }}"
        'select \'{{ var("floe_partition", "") }}\'::text as part, pg_sleep(0.5)::text as slept'
    }
    artifact = await stack.compile(files, compute=compute, parsed_for=compute, orchestration=parts)
    await stack.start(FLOE_EXECUTOR_MAX_RUNS="4", PG_PASSWORD=postgres_database.password)
    await stack.completed(await stack.request(artifact, cause="0"))  # the table is there
    backfill = await stack.request(artifact, cause="1", partitions=PartitionChoice())
    end = await backfill_end(stack, backfill)
    assert [(result.partition, result.status) for result in end.results] == [(key, "completed") for key in keys]
    records = [await stack.record(result.run_id) for result in end.results]
    begins = [(record.started_at or "", 1) for record in records]
    ends = [(record.ended_at or "", -1) for record in records]
    steps = [step for _, step in sorted([*begins, *ends])]
    assert max(sum(steps[: count + 1]) for count in range(len(steps))) == 2
    assert {record.interruptions for record in records} == {0}  # each landed after the one before it, at once


async def test_what_a_partition_has_staged_lands_before_another_one_stages(
    stack: Stack, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog is away between the two phases of the first landing; the other partition was built meanwhile."""
    land, switch = Landings.land, IcebergLander.switch
    landing: list[str] = []
    broken: list[str] = []

    async def lands(landings: Landings, attempt: Attempt, request: BuildRequest) -> None:
        landing.append(attempt.stored.record.run_id)
        await land(landings, attempt, request)

    async def breaks_off_once(lander: IcebergLander, request: BuildRequest, *arguments: Any, **named: Any) -> Any:
        if not broken:
            broken.append(request.record.run_id)
            await eventually(lambda: set(parts) <= set(landing), timeout=60)  # the other one is next in line
            raise Unreachable("no catalog answers")
        return await switch(lander, request, *arguments, **named)

    compute = compute_of(postgres_database)
    files = {
        "models/rows.sql": "{{ config(materialized='incremental', unique_key='part') }}"
        'select \'{{ var("floe_partition", "none") }}\'::text as part'
    }
    two = partitioned(CompiledPartitions(type="static", keys=("a", "b")), parallel=2)
    artifact = await stack.compile(files, compute=compute, parsed_for=compute, orchestration=two)
    await stack.start(FLOE_EXECUTOR_MAX_RUNS="4", PG_PASSWORD=postgres_database.password)
    await stack.completed(await stack.request(artifact, cause="0"))  # the table is there
    monkeypatch.setattr(Landings, "land", lands)
    monkeypatch.setattr(IcebergLander, "switch", breaks_off_once)
    backfill = run_id(stack_place(), "1")
    parts = [part_id(backfill, key) for key in ("a", "b")]
    await stack.request(artifact, cause="1", partitions=PartitionChoice())
    assert [result.status for result in (await backfill_end(stack, backfill)).results] == ["completed", "completed"]

    (first,) = broken
    (second,) = set(parts) - {first}
    table = stack.catalog().load_table(("default", "dev", "shop", "public", "rows"))
    landed = [snapshot.summary.additional_properties["floe.run-id"] for snapshot in table.snapshots()]
    assert [run for run in dict.fromkeys(landed) if run in parts] == [first, second]
    assert sorted(table.scan().to_arrow()["part"].to_pylist()) == ["a", "b", "none"]
    assert (await stack.record(second)).interruptions >= 1
