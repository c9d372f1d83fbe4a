"""Products that build in PostgreSQL: by a published request, on a real server, into Iceberg."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.testing import eventually
from floe_chassis.testing_postgres import PostgresDatabase
from floe_chassis.testing_postgres import PostgresServer as OwnPostgres
from floe_contracts.artifacts import Compute
from floe_contracts.events import NodeFailed

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py

SHOP = {
    "seeds/raw_orders.csv": "id,amount,placed_at\n1,10.50,2024-01-01 10:00:00\n2,20.25,2024-01-02 11:00:00\n",
    "models/orders.sql": """
        select id, amount::numeric(12, 2) as amount, placed_at::timestamptz as placed_at,
               md5(id::text)::uuid as key, jsonb_build_object('id', id) as document, array[id, null] as ids
        from {{ ref('raw_orders') }}
    """,
    "models/totals.sql": "select count(*) as orders, sum(amount), avg(amount) as mean from {{ ref('orders') }}",
    "models/recent.sql": "{{ config(materialized='view') }} select * from {{ ref('orders') }} where id > 1",
    "models/seen.sql": """
        {{ config(materialized='incremental', unique_key='id', schema='kept') }}
        select id, {{ var('mark', 1) }} as mark from {{ ref('orders') }}
        {% if is_incremental() %} where id > 1 {% endif %}
    """,
    "models/schema.yml": """
models:
  - name: orders
    columns:
      - {name: id, data_tests: [unique, not_null]}
""",
    "snapshots/prices.sql": """
        {% snapshot prices %}
        {{ config(unique_key='id', strategy='check', check_cols=['amount']) }}
        select id, amount from {{ ref('raw_orders') }}
        {% endsnapshot %}
    """,
}
PASSWORD = "pg-password"
NAME = "warehouse"


def compute_of(database: PostgresDatabase, **changes: Any) -> Compute:
    return Compute(
        name=NAME,
        type="postgres",
        threads=2,
        properties={
            "host": database.host,
            "port": database.port,
            "user": database.user,
            "database": database.name,
            "schema_name": "public",
            "connect_timeout": 5,
            "retries": 0,
            **changes,
        },
        secrets={"DBT_ENV_SECRET_FLOE_WAREHOUSE__PASSWORD": PASSWORD},
    )


async def built(stack: Stack, database: PostgresDatabase, files: dict[str, str] | None = None, **changes: Any) -> str:
    """The artifact of the shop for a database, and an executor that knows its password."""
    compute = compute_of(database, **changes)
    return await stack.compile(SHOP if files is None else files, compute=compute, parsed_for=compute)


def rows_of(stack: Stack, name: str, schema: str = "public") -> list[dict[str, Any]]:
    table = stack.catalog().load_table(("default", "dev", "shop", schema, name))
    return sorted(table.scan().to_arrow().to_pylist(), key=lambda row: str(row.get("id")))


def stands_under(folder: Path, secret: str) -> bool:
    return any(secret.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_a_product_builds_in_postgres_and_lands(
    stack: Stack, postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    artifact = await built(stack, postgres_database)
    await stack.start(PG_PASSWORD=postgres_database.password)

    first = await stack.completed(await stack.request(artifact, "shop:1"))

    landed = {table.identifier.rpartition(".")[2]: table for table in first.tables}
    assert {name: table.rows for name, table in landed.items()} == {
        "orders": 2, "prices": 2, "raw_orders": 2, "seen": 2, "totals": 1,
    }  # fmt: skip
    statuses = {node.unique_id.rpartition(".")[2]: node.status for node in first.nodes}
    assert set(statuses.values()) == {"success"}
    assert {"recent", "orders"} <= set(statuses)
    orders = rows_of(stack, "orders")
    assert [(row["id"], row["amount"], row["ids"]) for row in orders] == [
        (1, Decimal("10.50"), [1, None]),
        (2, Decimal("20.25"), [2, None]),
    ]
    assert json.loads(orders[0]["document"]) == {"id": 1}
    assert rows_of(stack, "totals") == [{"orders": 2, "sum": Decimal("30.75"), "mean": Decimal("15.375")}]
    assert rows_of(stack, "prices")[0]["dbt_valid_to"] is None

    postgres_database.run("insert into public.raw_orders values (3, 5.00, '2024-01-03')")
    second = await stack.completed(await stack.request(artifact, "shop:2"))

    assert rows_of(stack, "seen", "public_kept")[0] == {"id": 1, "mark": 1}
    assert len(second.tables) == len(first.tables)
    assert not stands_under(tmp_path, postgres_database.password)
    told = json.dumps([json.loads(event.model_dump_json()) for event in await stack.events(second.run_id)])
    assert postgres_database.password not in told


async def test_a_wrong_password_is_told_once_and_not_tried_again(
    stack: Stack, postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    artifact = await built(stack, postgres_database)
    await stack.start(PG_PASSWORD="not-this-one")

    failed = await stack.failed(await stack.request(artifact))

    assert [problem.code for problem in failed.problems] == ["FLOE-RUN-005"]
    assert "password authentication failed" in failed.problems[0].message
    assert (await stack.record(failed.run_id)).attempt == 1
    assert not stands_under(tmp_path, "not-this-one")


async def test_a_server_that_stops_in_the_middle_of_a_build_is_waited_for(
    stack: Stack, own_postgres: OwnPostgres
) -> None:
    own_postgres.database.run("create table hold as select 1 as id")
    slow = {
        "models/orders.sql": "{{ config(pre_hook='select pg_sleep(30) where exists (select 1 from public.hold)') }}"
        " select 1 as id"
    }
    artifact = await built(stack, own_postgres.database, slow)
    await stack.start(PG_PASSWORD=own_postgres.database.password)
    run = await stack.request(artifact)
    await stack.until_started(run, "model.shop.orders")

    def waits() -> bool:
        return bool(own_postgres.database.run("select 1 from pg_stat_activity where wait_event = 'PgSleep'"))

    await eventually(waits)
    own_postgres.database.run("delete from hold")
    own_postgres.stop()
    own_postgres.start()

    completed = await stack.completed(run)
    assert completed.attempt == 2
    assert [table.rows for table in completed.tables] == [1]
    failed = [event for event in await stack.events(run) if isinstance(event, NodeFailed)]
    assert [event.attempt for event in failed] == [1]


async def test_a_value_that_cannot_land_fails_the_run_and_names_it(
    stack: Stack, postgres_database: PostgresDatabase
) -> None:
    artifact = await built(stack, postgres_database, {"models/orders.sql": "select 'NaN'::numeric as amount"})
    await stack.start(PG_PASSWORD=postgres_database.password)

    failed = await stack.failed(await stack.request(artifact))

    assert [problem.code for problem in failed.problems] == ["FLOE-LAND-006"]
    assert "NaN" in failed.problems[0].message
    assert stack.tables() == []
