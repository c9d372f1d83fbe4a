"""A product whose platform names Nessie, from the user's door: `floe run`, and what other readers find afterwards."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest
import yaml
from e2e_project import run_floe
from pyiceberg.catalog import load_catalog
from running_stack import write_files
from servers import BUCKET, REGION, CatalogServer

from floe_lakehouse.extension_files import load_extension

pytestmark = [pytest.mark.bus, pytest.mark.dbt, pytest.mark.timeout(300)]

PRODUCT: dict[str, Any] = {
    "apiVersion": "floe.dev/v1",
    "kind": "FloeSpec",
    "metadata": {"name": "shop", "version": "1.0.0", "description": "A shop.", "owner": "shop@example.com"},
    "compute": "default",
    "storage": "default",
    "catalog": "default",
    "transforms": [{"type": "dbt", "path": "dbt"}],
}
FILES = {
    "floe.yaml": yaml.safe_dump(PRODUCT, sort_keys=False),
    "dbt/dbt_project.yml": """
name: shop
version: '1.0'
profile: floe
models:
  shop:
    gold: {+materialized: iceberg_table, +database: lake, +schema: gold}
""",
    "dbt/seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n3,ann\n",
    "dbt/models/gold/customers.sql": (
        "select customer, count(*) as orders from {{ ref('raw_orders') }} group by customer"
    ),
}
ROWS = [("ann", 2), ("bob", 1)]


def platform(server: CatalogServer) -> dict[str, Any]:
    """No keys stand in it: the catalog vends them."""
    return {
        "apiVersion": "floe.dev/v1",
        "kind": "PlatformSpec",
        "metadata": {"name": "lake", "version": "1.0.0", "owner": "platform@example.com"},
        "environments": {
            "dev": {"refs": ["*"], "profiles": {"default": {"compute": "duckdb", "storage": "s3", "catalog": "nessie"}}}
        },
        "compute": {"duckdb": {"type": "duckdb", "threads": 2}},
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


@pytest.fixture(scope="module")
def result(nessie_server: CatalogServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of the product."""
    folder = write_files(tmp_path_factory.mktemp("shop"), FILES)
    (folder / "platform.yaml").write_text(yaml.safe_dump(platform(nessie_server)))
    done = run_floe("run", folder, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_run_tells_of_the_table_in_the_catalog(result: dict[str, Any], nessie_server: CatalogServer) -> None:
    table = load_catalog("reader", type="rest", uri=nessie_server.uri, warehouse=nessie_server.warehouse).load_table(
        ("main_gold", "customers")
    )

    assert [(told["identifier"], told["rows"]) for told in result["tables"]] == [("main_gold.customers", 2)]
    current = table.current_snapshot()
    assert current is not None
    assert result["tables"][0]["snapshot_id"] == current.snapshot_id


@pytest.mark.usefixtures("result")
def test_pyiceberg_reads_its_rows_with_vended_keys(nessie_server: CatalogServer) -> None:
    catalog = load_catalog("reader", type="rest", uri=nessie_server.uri, warehouse=nessie_server.warehouse)
    table = catalog.load_table(("main_gold", "customers"))

    assert sorted(tuple(row.values()) for row in table.scan().to_arrow().to_pylist()) == ROWS
    assert table.io.properties["s3.session-token"]
    assert table.io.properties["s3.access-key-id"] != nessie_server.store.access_key


@pytest.mark.usefixtures("result")
def test_duckdb_reads_its_rows_with_vended_keys(nessie_server: CatalogServer) -> None:
    with duckdb.connect() as connection:
        for extension in ("avro", "httpfs", "iceberg"):
            load_extension(connection, extension)
        connection.execute(
            f"ATTACH '{nessie_server.warehouse}' AS lake "
            f"(TYPE iceberg, ENDPOINT '{nessie_server.uri}', AUTHORIZATION_TYPE 'none')"
        )
        rows = connection.execute("SELECT customer, orders FROM lake.main_gold.customers ORDER BY ALL").fetchall()

    assert rows == ROWS
