"""Landings as the executor makes them: as a node declares and a run asks for, where platform.yaml says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from floe_chassis.testing import eventually
from floe_contracts.artifacts import Catalog, CompiledArtifacts, CompiledEnvironment, Storage
from floe_contracts.events import RunOptions
from floe_contracts.nodes import Node, NodeGraph, NodeLanding
from floe_contracts.runs import RunRecord
from floe_executor.adapters.landing.iceberg_landing import IcebergLander
from floe_executor.core.landed_table import Landed
from floe_executor.core.landing_journal import planned_landing
from floe_executor.core.ports import BuildRequest
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.compiled_catalogs import CatalogHandles
from floe_lakehouse.errors import CopyFailed, SchemaBroken
from floe_lakehouse.identifiers import Identifier
from floe_lakehouse.testing.rest_server import RestServer, serving
from floe_lakehouse.testing.s3_server import serving_s3

TABLE: Identifier = ("default", "dev", "shop", "main", "orders")
UPSERT = NodeLanding(mode="upsert")
APPEND = NodeLanding(mode="append", watermark="id", partition_by=("bucket[2](id)",))


def orders(landing: NodeLanding | None = None, name: str = "orders") -> Node:
    return Node(
        unique_id=f"model.shop.{name}",
        name=name,
        resource_type="model",
        materialized="incremental",
        database="shop",
        schema_name="main",
        identifier=name,
        path=f"models/{name}.sql",
        unique_key=("id",),
        landing=landing,
    )


class Product:
    """A warehouse file, its catalog, and runs that land from one in the other."""

    def __init__(self, folder: Path, record: RunRecord, artifact: CompiledArtifacts) -> None:
        self.database = folder / "shop.duckdb"
        self.secrets = {"lake-keys": "writer:s3cret"}
        self.lake = folder / "lake"
        self._uri = f"sqlite:///{folder}/catalog.db"
        self._record = record
        self._artifact = artifact
        local = {"uri": self._uri, "warehouse": f"file://{self.lake}"}
        self.handles = CatalogHandles(local, lambda tenant: self.secrets.__getitem__)
        self.lander = IcebergLander(self.handles, lambda place: self.database, lambda tenant: self.secrets.__getitem__)
        self._runs = 0

    def build(self, *statements: str) -> None:
        with duckdb.connect(self.database) as connection:
            for statement in statements:
                connection.execute(statement)

    def request(self, **changes: Any) -> BuildRequest:
        """The next run; `environment` or a field of its record may be given."""
        self._runs += 1
        environment = changes.pop("environment", self._artifact.environments["dev"])
        record = self._record.model_copy(update={"run_id": f"run-{self._runs}", **changes})
        return BuildRequest(
            record, self._artifact, environment, NodeGraph(project="shop", nodes=(), checks=()), {}, self.lake
        )

    async def land(self, node: Node, **changes: Any) -> Landed:
        request = self.request(**changes)
        (staged,) = await self.lander.stage(request, [node])
        return await self.lander.switch(request, staged, token=self._runs, fence=lambda: None)

    def rows(self) -> list[dict[str, Any]]:
        catalog = open_catalog({"type": "sql", "uri": self._uri, "warehouse": str(self.lake)})
        return sorted(catalog.load_table(TABLE).scan().to_arrow().to_pylist(), key=lambda row: str(row["id"]))

    def files(self) -> list[Path]:
        return [path for path in self.lake.rglob("*") if path.suffix == ".parquet"]


@pytest.fixture
def product(tmp_path: Path, run_record: RunRecord, artifact: CompiledArtifacts) -> Product:
    return Product(tmp_path, run_record, artifact)


@pytest.mark.parametrize(
    ("landing", "options", "mode"),
    [
        (None, RunOptions(), "replace"),
        (NodeLanding(partition_by=("id",)), RunOptions(), "replace"),
        (UPSERT, RunOptions(), "upsert"),
        (APPEND, RunOptions(partition="2026-01-01"), "append"),
        (APPEND, RunOptions(full_refresh=True), "replace"),
    ],
)
def test_the_mode_is_the_nodes_unless_it_was_built_from_nothing(
    landing: NodeLanding | None, options: RunOptions, mode: str
) -> None:
    planned = planned_landing(orders(landing), options)
    assert planned.mode == mode
    assert planned.partition_by == (landing.partition_by if landing else ())


async def test_a_node_lands_as_it_declares_and_the_event_says_so(product: Product) -> None:
    product.build("create table orders as select * from (values (1, 'a'), (2, 'b')) t(id, word)")
    first = await product.land(orders(UPSERT))
    product.build(
        "delete from orders where id = 1", "update orders set word = 'B'", "insert into orders values (3, 'c')"
    )
    second = await product.land(orders(UPSERT))
    assert [row["word"] for row in product.rows()] == ["a", "B", "c"]
    assert (first.table.mode, second.table.mode, second.table.rows) == ("upsert", "upsert", 3)

    product.build("insert into orders values (0, 'late'), (4, 'd')")
    third = await product.land(orders(APPEND))
    assert [row["word"] for row in product.rows()] == ["a", "B", "c", "d"]
    assert (third.table.mode, third.table.rows) == ("append", 4)

    again = await product.land(orders(APPEND), options=RunOptions(full_refresh=True))
    assert [row["word"] for row in product.rows()] == ["late", "B", "c", "d"]
    assert again.table.mode == "replace"


async def test_a_breaking_change_lands_only_in_a_run_that_may(product: Product) -> None:
    product.build("create table orders as select 1 as id, 'x' as n")
    await product.land(orders())
    product.build("create or replace table orders as select 1 as id, 5 as n")
    with pytest.raises(SchemaBroken):
        await product.land(orders())
    await product.land(orders(), options=RunOptions(allow_breaking=True))
    assert product.rows() == [{"id": 1, "n": 5}]


async def test_a_staging_that_fails_leaves_nothing_of_any_table(product: Product) -> None:
    product.build("create table orders as select i as id from range(10) r(i)")
    nodes = [orders(), orders(name="missing"), orders(NodeLanding(partition_by=("bucket[3](id)",)))]
    with pytest.raises(CopyFailed, match="missing"):
        await product.lander.stage(product.request(), nodes)
    assert product.files() == []


async def test_a_staging_that_is_cancelled_leaves_nothing_and_ends_at_once(product: Product) -> None:
    product.build(
        "create table small as select 1 as id",
        "create view orders as select count(*) as id from range(10000000) a(i), range(10000000) b(j)"
        " where i % 7 = j % 11",
    )
    request = product.request()
    staging = asyncio.create_task(product.lander.stage(request, [orders(name="small"), orders()]))
    await eventually(product.files, timeout=60)  # the small one is there, the other one would take hours
    staging.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(60):
            await staging
    assert product.files() == []
    product.build("drop view orders")  # nobody reads the file any more


async def test_discarded_rows_never_land(product: Product) -> None:
    product.build("create table orders as select 1 as id")
    landed = product.request()
    (kept,) = await product.lander.stage(landed, [orders()])
    await product.lander.switch(landed, kept, token=1, fence=lambda: None)
    failed = product.request()
    (staged,) = await product.lander.stage(failed, [orders()])
    assert len(product.files()) == 2
    for _ in range(2):
        await product.lander.discard(failed, staged)
        await product.lander.discard(landed, kept)
    assert (len(product.files()), product.rows()) == (1, [{"id": 1}])


# ---- where

MODELS = {"models/one.sql": "select * from range(3)", "models/two.sql": "select * from {{ ref('one') }}"}


@pytest.fixture
def s3() -> Iterator[str]:
    keys = {"aws_access_key_id": "writer", "aws_secret_access_key": "s3cret", "region_name": "us-east-1"}
    with serving_s3() as endpoint:
        boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="lake")  # type: ignore[call-overload]
        yield endpoint


def in_bucket(environment: CompiledEnvironment, keys: str = "lake-keys", **properties: Any) -> CompiledEnvironment:
    storage = Storage(
        name="lake",
        type="s3",
        properties={"bucket": "lake", "prefix": "/tables/", "path_style_access": True, **properties},
        secrets={"credentials": keys},
    )
    return environment.model_copy(update={"storage": storage})


async def test_tables_land_in_the_bucket_that_the_platform_names(
    product: Product, artifact: CompiledArtifacts, s3: str
) -> None:
    credentials = {"mode": "static"}
    environment = in_bucket(artifact.environments["dev"], endpoint=s3, region="us-east-1", credentials=credentials)
    product.build("create table orders as select 1 as id")
    landed = await product.land(orders(UPSERT), environment=environment)
    product.build("update orders set id = 2")
    await product.land(orders(UPSERT), environment=environment)

    assert landed.table.rows == 1
    assert product.files() == []
    store = boto3.client(
        "s3", endpoint_url=s3, aws_access_key_id="x", aws_secret_access_key="y", region_name="us-east-1"
    )
    keys = [item["Key"] for item in store.list_objects_v2(Bucket="lake")["Contents"]]
    assert len([key for key in keys if key.endswith(".parquet")]) == 2
    assert all(key.startswith("tables/default.dev.shop.main/orders/") for key in keys)


@pytest.mark.bus
@pytest.mark.dbt
async def test_a_run_lands_in_the_bucket_that_the_platform_names(stack: Any, s3: str) -> None:
    compiled = CompiledArtifacts.model_validate_json(await stack.blobs.get(await stack.compile(MODELS)))
    environment = in_bucket(
        compiled.environments["dev"], "LAKE_KEYS", endpoint=s3, region="us-east-1", credentials={"mode": "static"}
    )
    artifact = await stack.blobs.put(compiled.model_copy(update={"environments": {"dev": environment}}).to_bytes())
    await stack.start(LAKE_KEYS="writer:s3cret")
    completed = await stack.completed(await stack.request(artifact))
    assert {(table.identifier.rpartition(".")[2], table.rows) for table in completed.tables} == {("one", 3), ("two", 3)}
    lake = {
        "type": "sql",
        "uri": stack.environment["FLOE_EXECUTOR_CATALOG_URI"],
        "warehouse": "s3://lake/tables",
        "s3.endpoint": s3,
        "s3.access-key-id": "writer",
        "s3.secret-access-key": "s3cret",
    }
    table = open_catalog(lake).load_table(("default", "dev", "shop", "main", "two"))
    assert table.location().startswith("s3://lake/tables/")
    assert table.scan().count() == 3


@pytest.mark.parametrize("kind", ["rest", "polaris"])
@pytest.mark.parametrize("vended", [True, False], ids=["vended keys", "own keys"])
async def test_tables_land_in_a_catalog_of_the_rest_protocol(
    product: Product, artifact: CompiledArtifacts, s3: str, tmp_path: Path, kind: str, vended: bool
) -> None:
    keys = {"s3.endpoint": s3, "s3.access-key-id": "writer", "s3.secret-access-key": "s3cret", "s3.region": "us-east-1"}
    uri = f"sqlite:///{tmp_path}/rest.db?check_same_thread=false"
    with serving(
        SqlCatalog("rest", uri=uri, warehouse="s3://lake/house", **keys), **(keys if vended else {})
    ) as server:
        product.secrets["rest-secret"] = server.client_secret
        own = {} if vended else {"credentials": {"mode": "static"}}
        environment = in_rest(
            in_bucket(artifact.environments["dev"], endpoint=s3, region="us-east-1", **own), server, kind
        )
        if vended:
            environment = environment.model_copy(
                update={"storage": environment.storage.model_copy(update={"secrets": {}})}
            )
        product.build("create table orders as select * from (values (1, 'a'), (2, 'b')) t(id, word)")
        first = await product.land(orders(UPSERT), environment=environment)
        product.build("update orders set word = 'B' where id = 2")
        second = await product.land(orders(UPSERT), environment=environment)

        table = product.handles.open("default", "dev", environment).load_table(TABLE)
        assert sorted(row["word"] for row in table.scan().to_arrow().to_pylist()) == ["B", "a"]
        assert (first.created, second.created) == (True, False)
        assert table.location().startswith("s3://lake/house/")
        assert product.files() == []


def in_rest(environment: CompiledEnvironment, server: RestServer, kind: str) -> CompiledEnvironment:
    catalog = Catalog(
        name="rest",
        type=kind,
        properties={
            "uri": server.url,
            "warehouse": "lake",
            "namespace": "floe.lakes",
            "credentials": {"mode": "oauth2", "client_id": server.client_id},
        },
        secrets={"credentials.client_secret": "rest-secret"},
    )
    return environment.model_copy(update={"catalog": catalog})


async def test_tables_land_in_glue(product: Product, artifact: CompiledArtifacts, s3: str) -> None:
    catalog = Catalog(
        name="glue",
        type="glue",
        properties={
            "region": "us-east-1",
            "credentials": {"mode": "static"},
            "properties": {"glue.endpoint": s3},
        },
        secrets={"credentials": "lake-keys"},
    )
    credentials = {"mode": "static"}
    environment = in_bucket(artifact.environments["dev"], endpoint=s3, region="us-east-1", credentials=credentials)
    environment = environment.model_copy(update={"catalog": catalog})
    product.build("create table orders as select 1 as id")
    landed = await product.land(orders(UPSERT), environment=environment)
    product.build("insert into orders values (2)")
    await product.land(orders(UPSERT), environment=environment)

    table = product.handles.open("default", "dev", environment).load_table(TABLE)
    assert sorted(row["id"] for row in table.scan().to_arrow().to_pylist()) == [1, 2]
    assert landed.table.identifier == "default.dev.shop.main.orders"
