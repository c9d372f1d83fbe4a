"""A product that builds in PostgreSQL: Cube asks PostgreSQL itself, and its numbers are those of the landed tables."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from cube_client import CubeClient  # found by the path that conftest.py adds
from cube_home import CubeHome
from landed_numbers import answered, landed, plain
from running_stack import write_files
from served_example import served_example

from floe_chassis.testing_postgres import PostgresDatabase

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

SEED: Final = """id,customer,Amount,at,paid
1,ann,10.25,2026-01-01 23:30:00,true
2,bob,4.50,2026-01-02 08:00:00,false
3,ann,0.25,2026-02-01 12:00:00,true
4,,7.00,2026-02-03 00:00:00,
"""
FILES: Final = {
    "dbt/dbt_project.yml": "{name: stall, version: '1.0', profile: floe, models: {+materialized: table}}\n",
    "dbt/seeds/raw_orders.csv": SEED,
    "dbt/seeds/schema.yml": """
seeds:
  - name: raw_orders
    config:
      quote_columns: true
      column_types: {id: bigint, customer: text, Amount: "numeric(10,2)", at: timestamp, paid: boolean}
""",
    "dbt/models/fct_orders.sql": """
select id, customer, "Amount", at, at::date as day, paid, "Amount" * 1.0 / 3 as third from {{ ref('raw_orders') }}
""",
    "dbt/models/dim_customers.sql": """
select distinct customer, upper(customer) as "Shown Name" from {{ ref('raw_orders') }} where customer is not null
""",
    "dbt/models/metricflow_time_spine.sql": "select date '2026-01-01' as date_day",
    "dbt/models/models.yml": """
models:
  - name: metricflow_time_spine
    time_spine: {standard_granularity_column: date_day}
    columns: [{name: date_day, granularity: day}]
  - name: fct_orders
    config: {meta: {floe: {expose: true}}}
    columns:
      - {name: id, data_type: bigint, data_tests: [unique, not_null]}
      - name: customer
        data_type: text
        data_tests:
          - relationships: {arguments: {to: ref('dim_customers'), field: customer}, config: {severity: warn}}
      - {name: Amount, quote: true, data_type: "numeric(10,2)"}
      - {name: at, data_type: timestamp without time zone}
      - {name: day, data_type: date}
      - {name: paid, data_type: boolean}
      - {name: third, data_type: numeric}
  - name: dim_customers
    config: {meta: {floe: {expose: true}}}
    columns:
      - {name: customer, data_type: text, data_tests: [unique, not_null]}
      - {name: Shown Name, quote: true, data_type: text}
semantic_models:
  - name: orders
    model: ref('fct_orders')
    defaults: {agg_time_dimension: day}
    entities: [{name: order, type: primary, expr: id}]
    dimensions: [{name: day, type: time, type_params: {time_granularity: day}}, {name: paid, type: categorical}]
    measures:
      - {name: amount_sum, agg: sum, expr: '"Amount"'}
      - {name: amount_average, agg: average, expr: '"Amount"'}
      - {name: buyers, agg: count_distinct, expr: customer}
""",
}
MEASURES: Final = {
    "count": "count(*)",
    "amount_sum": 'sum("Amount")',
    "amount_average": 'avg("Amount")',
    "buyers": "count(DISTINCT customer)",
}


def documents(database: PostgresDatabase) -> dict[str, str]:
    product = {
        "apiVersion": "floe.dev/v1",
        "kind": "FloeSpec",
        "metadata": {"name": "stall", "version": "1.0.0", "description": "A stall.", "owner": "stall@example.com"},
        **dict.fromkeys(("compute", "storage", "catalog"), "default"),
        "transforms": [{"type": "dbt", "path": "dbt"}],
        "consumption": {"cube": {"enabled": True}},
    }
    warehouse = {
        "type": "postgres",
        "host": database.host,
        "port": database.port,
        "database": database.name,
        "schema": "Shop",
        "user": database.user,
        "password": {"secretRef": "pg-password"},
        "sslMode": "disable",
    }
    profiles = {"default": {"compute": "warehouse", "storage": "local", "catalog": "local"}}
    platform = {
        "apiVersion": "floe.dev/v1",
        "kind": "PlatformSpec",
        "metadata": {"name": "stalls", "version": "1.0.0", "owner": "platform@example.com"},
        "environments": {"dev": {"refs": ["*"], "profiles": profiles}},
        "compute": {"warehouse": warehouse},
        "storage": {"local": {"type": "local"}},
        "catalogs": {"local": {"type": "sql"}},
    }
    return {"floe.yaml": yaml.safe_dump(product), "platform.yaml": yaml.safe_dump(platform)}


def expected(stack: Path, sql: str) -> list[tuple[Any, ...]]:
    tables = landed(stack, ("default", "dev", "stall", "Shop"))
    return sorted((tuple(map(plain, row)) for row in tables.connection.execute(sql).fetchall()), key=repr)


def shown(client: CubeClient, kinds: dict[str, str], **query: Any) -> list[tuple[Any, ...]]:
    rows = client.load(query).data
    names = [*query.get("dimensions", ()), *query["measures"]]
    return sorted((tuple(answered(row[name], kinds[name]) for name in names) for row in rows), key=repr)


def test_every_member_of_a_product_in_postgres(
    cube_home: CubeHome, postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    product = write_files(tmp_path / "stall", FILES | documents(postgres_database))
    password = postgres_database.password or "none"
    warehouse = {
        "FLOE_SERVE_DATABASE": None,
        "CUBEJS_DB_TYPE": "postgres",
        "CUBEJS_DB_HOST": postgres_database.host,
        "CUBEJS_DB_PORT": str(postgres_database.port),
        "CUBEJS_DB_NAME": postgres_database.name,
        "CUBEJS_DB_USER": postgres_database.user,
        "CUBEJS_DB_PASS": password,
    }
    with served_example(
        cube_home,
        product,
        tmp_path / "cube",
        name="stall",
        of_stack={"PG_PASSWORD": password},
        of_cube=warehouse,
    ) as stall:
        stack, client = stall.stack.folder / ".floe", stall.cube.client()
        cubes = {cube["name"]: cube for cube in client.meta().body["cubes"]}
        assert sorted(cubes) == ["dim_customers", "fct_orders"]
        assert {one["name"].partition(".")[2] for one in cubes["fct_orders"]["measures"]} == MEASURES.keys()
        for name, cube in cubes.items():
            kinds = {one["name"]: one["type"] for one in (*cube["dimensions"], *cube["measures"])}
            measures = [one["name"] for one in cube["measures"]]
            aggregates = ", ".join(MEASURES[one.partition(".")[2]] for one in measures)
            assert shown(client, kinds, measures=measures) == expected(stack, f"SELECT {aggregates} FROM {name}")
            for dimension in cube["dimensions"]:
                (column,) = dimension["meta"]["floe"]["columns"]
                asked = shown(client, kinds, dimensions=[dimension["name"]], measures=measures)
                sql = f'SELECT "{column}", {aggregates} FROM {name} GROUP BY 1'
                assert asked == expected(stack, sql), dimension["name"]
        assert len(cubes["fct_orders"]["dimensions"]) == 7

        (product / "dbt/seeds/raw_orders.csv").write_text(SEED + "5,eve,100.00,2026-03-01 00:00:00,true\n")
        stall.build()
        kinds = dict.fromkeys(("fct_orders.count", "fct_orders.amount_sum"), "number")
        seen = partial(shown, client, kinds, measures=list(kinds))
        stall.cube.eventually(lambda: seen() == [("5", "122")], "the new rows are seen")
