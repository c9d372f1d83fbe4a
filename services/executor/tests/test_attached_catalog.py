"""Products that DuckDB builds in an attached Iceberg REST catalog: a real server of the protocol, files in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.sql import SqlCatalog

from floe_contracts.artifacts import Catalog, Storage, read_artifact
from floe_lakehouse.testing.rest_server import RestServer, serving
from floe_lakehouse.testing.s3_server import serving_s3

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py

BUCKET = "lake"
SHOP = {
    "dbt_project.yml": """
name: shop
version: '1.0'
profile: floe
models:
  shop:
    +materialized: table
    gold: {+materialized: iceberg_table, +database: lake, +schema: gold}
""",
    "seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "models/orders.sql": "select id, customer from {{ ref('raw_orders') }}",
    "models/gold/customers.sql": "select customer, count(*) as orders from {{ ref('orders') }} group by customer",
    "models/gold/ranked.sql": "select customer, rank() over (order by orders) as place from {{ ref('customers') }}",
    "models/gold/seen.sql": """
        {{ config(materialized='incremental', incremental_strategy='append') }}
        select id from {{ ref('orders') }}
        {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
    """,
    "models/gold/kept.sql": """
        {{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='id') }}
        select id, customer from {{ ref('orders') }}
    """,
    "models/gold/merged.sql": """
        {{ config(materialized='incremental', incremental_strategy='merge', unique_key='id') }}
        select id, customer from {{ ref('orders') }}
    """,
    "models/schema.yml": "models: [{name: customers, columns: [{name: customer, data_tests: [unique]}]}]",
}


@pytest.fixture(scope="module")
def storage() -> Iterator[dict[str, str]]:
    """An empty bucket of a server that speaks S3, as pyiceberg's properties for it."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    with serving_s3() as endpoint:
        boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=BUCKET)
        yield {
            "s3.endpoint": endpoint,
            "s3.access-key-id": "key",
            "s3.secret-access-key": "secret",
            "s3.region": "us-east-1",
            "s3.path-style-access": "true",
        }


@pytest.fixture
def server(tmp_path: Path, storage: dict[str, str]) -> Iterator[RestServer]:
    uri = f"sqlite:///{tmp_path}/rest.db?check_same_thread=false"
    catalog = SqlCatalog("rest", uri=uri, warehouse=f"s3://{BUCKET}/{tmp_path.name}", **storage)
    with serving(catalog, **storage) as running:
        yield running


async def built(stack: Stack, server: RestServer, files: dict[str, str] = SHOP) -> str:
    """The artifact of a project for an environment whose catalog is the server's."""
    digest = await stack.compile(files)
    artifact = read_artifact(await stack.blobs.get(digest), digest)
    properties = {
        "uri": server.url,
        "warehouse": "lake",
        "credentials": {"mode": "oauth2", "client_id": server.client_id},
    }
    catalog = Catalog(
        name="polaris", type="polaris", properties=properties, secrets={"credentials.client_secret": "rest-secret"}
    )
    storage = Storage(name="lake", type="s3", properties={"bucket": BUCKET})
    environment = artifact.environments["dev"].model_copy(update={"catalog": catalog, "storage": storage})
    return str(await stack.blobs.put(artifact.model_copy(update={"environments": {"dev": environment}}).to_bytes()))


def stands_under(folder: Path, secret: str) -> bool:
    return any(secret.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def rows(server: RestServer, name: str) -> list[dict[str, Any]]:
    """What pyiceberg, by the REST protocol, reads of a table."""
    table = load_catalog("reader", **server.properties).load_table(("main_gold", name))
    return sorted(table.scan().to_arrow().to_pylist(), key=str)


async def test_models_become_tables_of_the_catalog_and_are_told(stack: Stack, server: RestServer) -> None:
    artifact = await built(stack, server)
    await stack.start(REST_SECRET=server.client_secret)

    completed = await stack.completed(await stack.request(artifact))

    assert rows(server, "customers") == [{"customer": "ann", "orders": 2}, {"customer": "bob", "orders": 1}]
    assert rows(server, "seen") == [{"id": 1}, {"id": 2}, {"id": 3}]
    told = {table.identifier: table for table in completed.tables}
    assert set(told) == {f"main_gold.{name}" for name in ("customers", "kept", "merged", "ranked", "seen")}
    customers = load_catalog("reader", **server.properties).load_table(("main_gold", "customers"))
    current = customers.current_snapshot()
    assert current is not None
    assert told["main_gold.customers"].snapshot_id == current.snapshot_id
    assert told["main_gold.customers"].table_uuid == str(customers.metadata.table_uuid)
    assert told["main_gold.customers"].rows == 2
    assert told["main_gold.customers"].files == 1
    assert told["main_gold.customers"].bytes > 0
    assert stack.tables() == []


async def test_a_second_run_replaces_the_rows_in_one_commit_and_evolves_columns(
    stack: Stack, server: RestServer
) -> None:
    await stack.start(REST_SECRET=server.client_secret)
    await stack.completed(await stack.request(await built(stack, server), "shop:1"))
    changed = SHOP | {
        "seeds/raw_orders.csv": "id,customer\n1,eve\n4,cid\n",
        "models/gold/customers.sql": "select customer, max(id) as latest from {{ ref('orders') }} group by customer",
        "models/gold/ranked.sql": "select customer, 1 as place from {{ ref('customers') }}",
    }
    before = sum("transactions/commit" in path for path in server.asked)

    completed = await stack.completed(await stack.request(await built(stack, server, changed), "shop:2"))

    assert rows(server, "customers") == [{"customer": "cid", "latest": 4}, {"customer": "eve", "latest": 1}]
    kept = [{"id": 1, "customer": "eve"}, {"id": 2, "customer": "bob"}, {"id": 3, "customer": "ann"}]
    assert rows(server, "kept") == [*kept, {"id": 4, "customer": "cid"}]
    assert rows(server, "merged") == rows(server, "kept")
    assert rows(server, "seen") == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]
    assert {table.identifier.removeprefix("main_gold."): table.rows for table in completed.tables} == {
        "customers": 2, "kept": 4, "merged": 4, "ranked": 2, "seen": 4,
    }  # fmt: skip
    assert sum("transactions/commit" in path for path in server.asked) - before >= 3


async def test_the_clients_secret_stays_in_dbts_environment(stack: Stack, server: RestServer, tmp_path: Path) -> None:
    artifact = await built(stack, server)
    await stack.start(REST_SECRET=server.client_secret)
    run = await stack.request(artifact)
    await stack.completed(run)

    assert not stands_under(tmp_path, server.client_secret)
    told = json.dumps([event.model_dump(mode="json") for event in await stack.events(run)])
    assert server.client_secret not in told


async def test_a_catalog_that_refuses_the_client_fails_the_run(stack: Stack, server: RestServer) -> None:
    artifact = await built(stack, server)
    await stack.start(REST_SECRET="not-this-one")

    failed = await stack.failed(await stack.request(artifact))

    assert [problem.code for problem in failed.problems] == ["FLOE-RUN-005"]
    assert "not-this-one" not in failed.problems[0].message
    assert not any("tables" in path for path in server.asked)


async def test_a_model_beside_the_catalog_still_reads_no_file_and_no_address(stack: Stack, server: RestServer) -> None:
    prying = {
        "dbt_project.yml": SHOP["dbt_project.yml"],
        "models/gold/host.sql": "select content from read_text('/etc/hostname')",
        "models/gold/web.sql": f"select content from read_text('{server.url}/v1/config')",
        "models/gold/bucket.sql": "select content from read_text('s3://other/file')",
    }
    artifact = await built(stack, server, prying)
    await stack.start(REST_SECRET=server.client_secret)

    failed = await stack.failed(await stack.request(artifact))

    assert {node.status for node in failed.nodes} == {"failed"}
    assert failed.problems[0].message.count("disabled by configuration") == 3
