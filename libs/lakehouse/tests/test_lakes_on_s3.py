from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from pyiceberg.catalog import Catalog

from floe_contracts.errors import LeaseLost, Transient
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.duckdb_files import DuckDBTable, DuckDBWarehouse
from floe_lakehouse.errors import CopyFailed, LakeUnreachable, LakeUnsupported
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.maintenance.compaction import CompactionOptions, compact_table
from floe_lakehouse.maintenance.expiry import ExpiryOptions, expire_snapshots
from floe_lakehouse.maintenance.manifests import rewrite_manifests
from floe_lakehouse.maintenance.orphan_files import remove_orphans
from floe_lakehouse.orphans import discard_staged
from floe_lakehouse.staged import LandingRequest
from floe_lakehouse.staging import stage_table
from floe_lakehouse.testing.s3_server import serving_s3

KEYS = {"s3.access-key-id": "writer", "s3.secret-access-key": "s3cret", "s3.region": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serving_s3() as address:
        yield address


@pytest.fixture
def bucket(endpoint: str) -> Any:
    store = boto3.resource(
        "s3", endpoint_url=endpoint, aws_access_key_id="writer", aws_secret_access_key="s3cret", region_name="us-east-1"
    )
    lake = store.Bucket("lake")
    lake.create()
    lake.objects.all().delete()
    return lake


@pytest.fixture
def properties(tmp_path: Path, endpoint: str, bucket: Any) -> dict[str, str]:
    place = {"type": "sql", "uri": f"sqlite:///{tmp_path}/floe.db", "warehouse": "s3://lake/tables"}
    return {**place, "s3.endpoint": endpoint, **KEYS}


@pytest.fixture
def objects(bucket: Any) -> Callable[[], list[str]]:
    """The keys of the data files."""
    return lambda: sorted(item.key for item in bucket.objects.all() if item.key.endswith(".parquet"))


def test_every_mode_lands_in_a_bucket(stage: Any, switch: Any, read: Any, objects: Callable[[], list[str]]) -> None:
    parted = {"partition_by": ("truncate[1](word)",)}
    switch(stage("select * from (values (1, 'a'), (2, 'b')) t(id, word)", **parted))
    keyed = {"mode": "upsert", "unique_key": ("id",), **parted}
    switch(stage("select 2 as id, 'bb' as word", run_id="run-2", **keyed), sequence=2)
    growing = {"mode": "append", "watermark": "id"}
    switch(stage("select 3 as id, 'c' as word", run_id="run-3", **growing), sequence=3)

    assert sorted((row["id"], row["word"]) for row in read()) == [(1, "a"), (2, "bb"), (3, "c")]
    assert all(key.startswith("tables/acme.dev.shop/orders/data/run-") for key in objects())
    assert len(objects()) == 4


def test_a_table_in_a_bucket_is_compacted(
    stage: Any, switch: Any, read: Any, catalog: Catalog, identifier: Any, objects: Callable[[], list[str]]
) -> None:
    for run in (1, 2, 3):
        growing = {"mode": "append", "watermark": "id", "partition_by": ("bucket[2](id)",)}
        switch(stage(f"select i as id from range({run * 10}) r(i)", run_id=f"run-{run}", **growing), sequence=run)

    report = compact_table(catalog, identifier, CompactionOptions(2**20, 2), fence=lambda: None)

    assert (report.outcome, report.files_before, report.files_after) == ("done", 6, 2)
    assert sorted(row["id"] for row in read()) == list(range(30))
    assert len([key for key in objects() if "/data/compaction-" in key]) == 2
    assert rewrite_manifests(catalog, identifier, 2, fence=lambda: None).outcome == "nothing_to_do"

    def lost() -> None:
        raise LeaseLost("somebody else has it")

    switch(stage("select i as id from range(40) r(i)", run_id="run-4", **growing), sequence=4)
    with pytest.raises(LeaseLost):
        compact_table(catalog, identifier, CompactionOptions(2**20, 2), fence=lost)
    assert len([key for key in objects() if "/data/compaction-" in key]) == 2


def test_orphans_in_a_bucket_are_removed(
    stage: Any, switch: Any, read: Any, catalog: Catalog, objects: Callable[[], list[str]]
) -> None:
    switch(stage("select 1 as id"))
    abandoned = stage("select 2 as id", run_id="run-2")
    retried = stage("select 3 as id", run_id="run-2", attempt=2)
    assert len(objects()) == 2
    assert discard_staged(catalog, abandoned) == 0
    assert discard_staged(catalog, retried) == 1
    assert len(objects()) == 1
    assert read() == [{"id": 1}]


def test_a_project_reaches_no_other_place_in_the_bucket(
    build: Callable[[str], Path], properties: dict[str, str], bucket: Any
) -> None:
    for key in ("secrets/key.csv", "tables/t/database.txt"):
        bucket.put_object(Key=key, Body=b"canary\n1\n")
    source = DuckDBTable(build("create table t as select 1 as id"), "main", "t")
    with source.warehouse.open([Lake("s3://lake/tables/t/data", open_catalog(properties).properties)]) as connection:
        connection.execute("copy (select 1) to 's3://lake/tables/t/data/mine.parquet'")
        for statement in (
            "from read_csv('s3://lake/secrets/key.csv')",
            "from read_text('s3://lake/tables/t/database.txt')",
            "copy (select 1) to 's3://lake/tables/other.parquet'",
            f"from read_csv('{properties['s3.endpoint']}/lake/secrets/key.csv')",
            "from read_text('/etc/hostname')",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
        told = str(connection.execute("from duckdb_secrets()").fetchall())
        assert "s3cret" not in told


def test_a_store_that_does_not_answer_is_told_from_one_that_refuses(
    stage: Any, tmp_path: Path, properties: dict[str, str]
) -> None:
    silent = open_catalog({**properties, "s3.endpoint": "http://127.0.0.1:9", "name": "silent"})
    database = tmp_path / "silent.duckdb"
    duckdb.connect(database).execute("create table t as select 1 as id").close()
    request = LandingRequest(
        source=DuckDBTable(database, "main", "t"), identifier=("a", "b", "t"), run_id="run", attempt=1
    )
    with pytest.raises(LakeUnreachable, match="FLOE-LAKE-027") as caught:
        stage_table(silent, request)
    assert isinstance(caught.value, Transient)

    nowhere = open_catalog({**properties, "warehouse": "s3://no-such-bucket/tables", "name": "nowhere"})
    with pytest.raises(CopyFailed):
        stage_table(nowhere, request)


def test_other_stores_are_refused(build: Callable[[str], Path]) -> None:
    warehouse = DuckDBWarehouse(build("create table t as select 1 as id"))
    lakes = [Lake("gs://lake/tables/t/data")]
    with pytest.raises(LakeUnsupported, match=r"FLOE-LAKE-020.*gs://"), warehouse.open(lakes):
        pass


def test_snapshots_expire_and_orphans_go_in_a_bucket(
    stage: Any, switch: Any, read: Any, catalog: Catalog, identifier: Any, bucket: Any, objects: Callable[[], list[str]]
) -> None:
    def put(key: str) -> str:
        bucket.put_object(Key=f"tables/acme.dev.shop/orders/{key}", Body=b"left")
        return f"s3://lake/tables/acme.dev.shop/orders/{key}"

    for run in range(1, 5):
        switch(stage(f"select {run} as id", run_id=f"run-{run}"), sequence=run)
    assert len(objects()) == 4
    options = ExpiryOptions(2**62, 1)
    report = expire_snapshots(catalog, identifier, options, fence=lambda: None)
    assert len(report.snapshots_removed) == 3
    assert len(objects()) == 1
    assert read() == [{"id": 4}]

    beside = put("README")
    left = {put("data/x=1/left.parquet"), put("metadata/left.avro")}
    assert remove_orphans(catalog, identifier, 0, fence=lambda: None).outcome == "nothing_to_do"
    foretold = remove_orphans(catalog, identifier, 2**62, fence=lambda: None, dry_run=True)
    found = remove_orphans(catalog, identifier, 2**62, fence=lambda: None)
    assert set(found.removed) == set(foretold.removed) == left
    assert found.bytes_removed == 8
    assert read() == [{"id": 4}]
    assert f"s3://lake/{next(item.key for item in bucket.objects.all() if item.key.endswith('README'))}" == beside


def test_a_bucket_spelled_in_two_ways_is_one(
    stage: Any, switch: Any, read: Any, catalog: Catalog, identifier: Any, bucket: Any
) -> None:
    switch(stage("select 1 as id"))
    table = catalog.load_table(identifier)
    path = next(iter(table.inspect.files()["file_path"].to_pylist()))
    copied = path.replace(".parquet", "-copied.parquet").removeprefix("s3://lake/")
    bucket.copy({"Bucket": "lake", "Key": path.removeprefix("s3://lake/")}, copied)
    table.add_files([f"s3a://lake/{copied}"])

    assert remove_orphans(catalog, identifier, 2**62, fence=lambda: None).outcome == "nothing_to_do"
    assert len(read()) == 2
