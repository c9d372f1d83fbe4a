"""Landing modes from the user's door: a dbt project says how its tables land, runs build it, others read the lake."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from floe_contracts.events import RunFailed, RunOptions

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py
PLACE = ("default", "dev", "shop", "main")
# What a run finds is told by its variables; the warehouse forgets ids under `forget`, as one that keeps only new rows.
PROJECT = {
    "models/orders.sql": """{{ config(
    materialized='incremental', unique_key='id',
    post_hook="delete from {{ this }} where id < {{ var('forget', 0) }}") }}
select i::int as id, '{{ var("word", "old") }}' as word, date '2026-01-01' + i::int as ordered
from range({{ var('first', 0) }}, {{ var('last', 4) }}) rows(i)""",
    "models/events.sql": """{{ config(materialized='incremental') }}
select i::int as id from range({{ var('first', 0) }}, {{ var('last', 4) }}) rows(i)""",
    "models/schema.yml": """
models:
  - name: orders
    config: {meta: {floe: {landing: {mode: upsert, partition_by: [month(ordered), "bucket[2](id)"]}}}}
  - name: events
    config: {meta: {floe: {landing: {mode: append, watermark: id}}}}
""",
}


def rows(stack: Stack, table: str) -> list[tuple[Any, ...]]:
    found = stack.catalog().load_table((*PLACE, table)).scan().to_arrow().to_pylist()
    return sorted(tuple(row.values())[:2] for row in found)


async def test_tables_land_as_the_project_says_run_after_run(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(PROJECT)
    first = await stack.completed(await stack.request(artifact, "shop:1"))
    assert {table.unique_id: table.mode for table in first.tables} == {
        "model.shop.events": "append",
        "model.shop.orders": "upsert",
    }
    assert rows(stack, "orders") == [(0, "old"), (1, "old"), (2, "old"), (3, "old")]
    assert [field.name for field in stack.catalog().load_table((*PLACE, "orders")).spec().fields] == [
        "ordered_month",
        "id_bucket_2",
    ]

    later = RunOptions(vars={"first": 3, "last": 6, "word": "new", "forget": 2})
    second = await stack.completed(await stack.request(artifact, "shop:2", options=later))
    # The warehouse has forgotten orders 0 and 1; event 3 came a second time and is not above the watermark.
    assert rows(stack, "orders") == [(0, "old"), (1, "old"), (2, "old"), (3, "new"), (4, "new"), (5, "new")]
    assert rows(stack, "events") == [(number,) for number in range(6)]
    assert {table.unique_id: table.rows for table in second.tables} == {
        "model.shop.events": 6,
        "model.shop.orders": 6,
    }

    refreshed = RunOptions(full_refresh=True, vars={"first": 9, "last": 10})
    third = await stack.completed(await stack.request(artifact, "shop:3", options=refreshed))
    assert {table.mode for table in third.tables} == {"replace"}
    assert (rows(stack, "orders"), rows(stack, "events")) == ([(9, "old")], [(9,)])


async def test_a_landing_that_cannot_be_fails_the_run_and_leaves_no_file(stack: Stack) -> None:
    """A key that is an expression is a key for dbt, and no column for Iceberg."""
    project = {**PROJECT, "models/orders.sql": PROJECT["models/orders.sql"].replace("'id'", "'id || word'")}
    await stack.start()
    outcome = await stack.ended(await stack.request(await stack.compile(project)))

    assert isinstance(outcome, RunFailed)
    assert [problem.code for problem in outcome.problems] == ["FLOE-LAKE-023"]
    assert "id || word" in outcome.problems[0].message
    assert stack.tables() == []
    lake = stack.environment["FLOE_EXECUTOR_CATALOG_WAREHOUSE"].removeprefix("file://")
    assert duckdb.sql(f"select * from glob('{lake}/**/*.parquet')").fetchall() == []
