"""Products whose platform names Nessie, from the user's door: their runs, other readers, and requests to the catalog.

One builds in Nessie, which DuckDB has attached; the other in PostgreSQL, from where its tables land there.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyiceberg.catalog import Catalog, load_catalog
from running_stack import RunningStack, write_files
from servers import BUCKET, REGION, CatalogServer

from floe_chassis.stream_reader import read_stream
from floe_chassis.testing_postgres import PostgresDatabase
from floe_chassis.topology import EVENTS
from floe_contracts.cloudevents import decode
from floe_contracts.events import TableCommitted
from floe_contracts.subjects import ROOT, EventKind
from floe_lakehouse.testing.other_engine import duckdb_with_iceberg

pytestmark = [pytest.mark.bus, pytest.mark.dbt, pytest.mark.timeout(900)]

MODEL = "select customer, count(*) as orders from {{ ref('raw_orders') }} group by customer"
ATTACHED = {
    "dbt/dbt_project.yml": """
name: shop
version: '1.0'
profile: floe
models:
  shop:
    gold: {+materialized: iceberg_table, +database: lake, +schema: gold}
""",
    "dbt/seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "dbt/models/gold/customers.sql": MODEL,
}
LANDED = {
    "dbt/dbt_project.yml": "{name: stall, version: '1.0', profile: floe, models: {+materialized: table}}\n",
    "dbt/seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "dbt/models/customers.sql": MODEL,
}
ROWS = [("ann", 2), ("bob", 1)]
LANDED_TABLE = "default.dev.stall.public.customers"


def product(name: str, profile: str) -> str:
    """A floe.yaml."""
    document = {
        "apiVersion": "floe.dev/v1",
        "kind": "FloeSpec",
        "metadata": {"name": name, "version": "1.0.0", "description": "A shop.", "owner": "shop@example.com"},
        **dict.fromkeys(("compute", "storage", "catalog"), profile),
        "transforms": [{"type": "dbt", "path": "dbt"}],
    }
    return yaml.safe_dump(document, sort_keys=False)


def platform(server: CatalogServer, database: PostgresDatabase) -> str:
    """A platform.yaml. No keys of the store stand in it: the catalog vends them."""
    profiles = {
        "attached": {"compute": "duckdb", "storage": "s3", "catalog": "nessie"},
        "landed": {"compute": "warehouse", "storage": "s3", "catalog": "nessie"},
    }
    document = {
        "apiVersion": "floe.dev/v1",
        "kind": "PlatformSpec",
        "metadata": {"name": "lake", "version": "1.0.0", "owner": "platform@example.com"},
        "environments": {"dev": {"refs": ["*"], "profiles": profiles}},
        "compute": {
            "duckdb": {"type": "duckdb", "threads": 2},
            "warehouse": {
                "type": "postgres",
                "host": database.host,
                "port": database.port,
                "database": database.name,
                "schema": "public",
                "user": database.user,
                "password": {"secretRef": "pg-password"},
                "sslMode": "disable",
            },
        },
        "storage": {
            "s3": {
                "type": "s3",
                "bucket": BUCKET,
                "region": REGION,
                "endpoint": server.store.endpoint,
                "pathStyleAccess": True,
            }
        },
        "catalogs": {"nessie": {"type": "nessie", "uri": server.uri, "warehouse": server.warehouse}},
    }
    return yaml.safe_dump(document)


@pytest.fixture(scope="module")
def database(postgres_server: PostgresDatabase) -> Iterator[PostgresDatabase]:
    """An empty one for the products."""
    postgres_server.run("create database stack_products")
    yield PostgresDatabase.at(postgres_server.url.rpartition("/")[0] + "/stack_products")
    postgres_server.run("drop database stack_products with (force)")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, database: PostgresDatabase) -> Iterator[RunningStack]:
    running = RunningStack(tmp_path_factory.mktemp("stack"), {"PG_PASSWORD": database.password or "none"})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shop(
    nessie_server: CatalogServer,
    database: PostgresDatabase,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    files = {"floe.yaml": product("shop", "attached"), "platform.yaml": platform(nessie_server, database)}
    return write_files(tmp_path_factory.mktemp("shop"), ATTACHED | files)


@pytest.fixture(scope="module")
def stall(
    nessie_server: CatalogServer,
    database: PostgresDatabase,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    files = {"floe.yaml": product("stall", "landed"), "platform.yaml": platform(nessie_server, database)}
    return write_files(tmp_path_factory.mktemp("stall"), LANDED | files)


@pytest.fixture
def reader(nessie_server: CatalogServer) -> Catalog:
    """Somebody else's pyiceberg, with no key of the store."""
    return load_catalog("reader", type="rest", uri=nessie_server.uri, warehouse=nessie_server.warehouse)


def run(stack: RunningStack, folder: Path) -> dict[str, Any]:
    """`floe run`, to its good end."""
    told: dict[str, Any] = json.loads(well(stack.floe("run", folder, "--json")))
    return told


def well(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that went well has said."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def committed(stack: RunningStack, identifier: str) -> list[TableCommitted]:
    """What was told of a table's commits, the newest last."""
    async with stack.bus() as bus:
        stored = read_stream(bus.js, EVENTS, f"{ROOT}.{EventKind.TABLE_COMMITTED}.>")
        events = [decode(message.subject, message.headers, message.data).event async for message in stored]
    return [event for event in events if isinstance(event, TableCommitted) and event.identifier == identifier]


async def test_what_dbt_builds_in_nessie_is_told_and_read_by_others(
    stack: RunningStack, shop: Path, nessie_server: CatalogServer, reader: Catalog
) -> None:
    for _ in range(2):
        (told,) = run(stack, shop)["tables"]
        table = reader.load_table(("main_gold", "customers"))
        current = table.current_snapshot()
        assert current is not None
        assert (told["identifier"], told["rows"]) == ("main_gold.customers", len(ROWS))
        assert told["snapshot_id"] == current.snapshot_id
        assert sorted(tuple(row.values()) for row in table.scan().to_arrow().to_pylist()) == ROWS
        assert table.io.properties["s3.session-token"]
        assert table.io.properties["s3.access-key-id"] != nessie_server.store.access_key

    with duckdb_with_iceberg() as connection:
        connection.execute(
            f"ATTACH '{nessie_server.warehouse}' AS lake "
            f"(TYPE iceberg, ENDPOINT '{nessie_server.uri}', AUTHORIZATION_TYPE 'none')"
        )
        rows = connection.execute("SELECT customer, orders FROM lake.main_gold.customers ORDER BY ALL").fetchall()
    assert rows == ROWS

    first, second = await committed(stack, "main_gold.customers")
    assert (first.rows, first.delete_files) == (2, 0)
    assert (second.rows, second.delete_files) == (4, 1)  # DuckDB marks the old rows, and leaves them there


async def test_what_lands_in_nessie_has_one_snapshot_to_look_at(
    stack: RunningStack, stall: Path, reader: Catalog
) -> None:
    first, second = ({one["identifier"]: one for one in run(stack, stall)["tables"]} for _ in range(2))
    old, new = (str(told[LANDED_TABLE]["snapshot_id"]) for told in (first, second))
    read = reader.load_table(tuple(LANDED_TABLE.split("."))).scan().to_arrow().to_pylist()
    assert sorted(tuple(row.values()) for row in read) == ROWS
    assert [str(one.snapshot_id) for one in await committed(stack, LANDED_TABLE)] == [old, new]

    shown = json.loads(well(stack.floe("catalog", "snapshots", LANDED_TABLE, "--json")))
    assert [str(one["snapshot_id"]) for one in shown["snapshots"]] == [new]
    refused = {
        "read": stack.floe("catalog", "read", LANDED_TABLE, "--at", old),
        "tag": stack.floe("catalog", "tag", LANDED_TABLE, "closing"),
        "branch": stack.floe("catalog", "branch", LANDED_TABLE, "audit"),
        "rollback": stack.floe("catalog", "rollback", "--table", LANDED_TABLE, "--to", old, "--yes"),
    }
    for name, done in refused.items():
        assert done.returncode != 0, name
        assert "keeps the past of tables in commits of its own" in " ".join(done.stderr.split()), done.stderr
    for action in ("expire", "orphans"):
        done = stack.floe("catalog", action, "--table", LANDED_TABLE, "--json")
        (result,) = json.loads(done.stdout)["results"]
        assert (done.returncode, result["outcome"]) == (5, "unsupported"), done.stderr
    assert reader.load_table(tuple(LANDED_TABLE.split("."))).scan().count() == len(ROWS)
