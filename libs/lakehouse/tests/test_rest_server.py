"""The REST catalog for tests, asked by two clients that know nothing of each other: pyiceberg's and DuckDB's."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NamespaceNotEmptyError,
    NoSuchTableError,
    OAuthError,
    TableAlreadyExistsError,
)
from pyiceberg.types import LongType

from floe_lakehouse.testing.rest_server import RestServer

ORDERS = pa.table({"id": pa.array([1, 2], pa.int64())})


def test_a_client_without_the_secret_is_refused(server: RestServer) -> None:
    with pytest.raises(OAuthError, match="invalid_client"):
        load_catalog("client", **server.properties | {"credential": f"{server.client_id}:other"})
    assert not any("namespaces" in path for path in server.asked)


def test_namespaces_are_nested_kept_and_dropped_when_empty(client: Catalog) -> None:
    client.create_namespace(("a",), {"owner": "me"})
    client.create_namespace(("a", "b"))
    with pytest.raises(NamespaceAlreadyExistsError):
        client.create_namespace(("a",))
    client.update_namespace_properties(("a",), updates={"owner": "you"})
    client.create_table(("a", "b", "orders"), schema=ORDERS.schema)

    assert client.load_namespace_properties(("a",))["owner"] == "you"
    assert client.list_namespaces(("a",)) == [("a", "b")]
    with pytest.raises(NamespaceNotEmptyError):
        client.drop_namespace(("a", "b"))
    client.drop_table(("a", "b", "orders"))
    client.drop_namespace(("a", "b"))
    assert not client.namespace_exists(("a", "b"))


def test_a_table_is_created_written_renamed_and_registered(client: Catalog) -> None:
    client.create_namespace(("shop",))
    table = client.create_table(("shop", "orders"), schema=ORDERS.schema)
    table.append(ORDERS)
    with table.update_schema() as update:
        update.add_column("total", LongType())
    with pytest.raises(TableAlreadyExistsError):
        client.create_table(("shop", "orders"), schema=ORDERS.schema)

    client.rename_table(("shop", "orders"), ("shop", "sales"))
    metadata = client.load_table(("shop", "sales")).metadata_location
    client.drop_table(("shop", "sales"))
    with pytest.raises(NoSuchTableError):
        client.load_table(("shop", "sales"))
    again = client.register_table(("shop", "sales"), metadata)

    assert again.scan().to_arrow().to_pylist() == [{"id": 1, "total": None}, {"id": 2, "total": None}]


def test_a_table_that_is_created_in_a_transaction_is_there_with_its_rows_or_not_at_all(client: Catalog) -> None:
    client.create_namespace(("shop",))
    with client.create_table_transaction(("shop", "orders"), schema=ORDERS.schema) as creation:
        assert not client.table_exists(("shop", "orders"))
        creation.append(ORDERS)
    assert client.load_table(("shop", "orders")).scan().to_arrow().num_rows == 2


def test_a_stale_commit_is_a_conflict(client: Catalog) -> None:
    client.create_namespace(("shop",))
    properties = {"commit.retry.num-retries": "0"}
    stale = client.create_table(("shop", "orders"), schema=ORDERS.schema, properties=properties)
    client.load_table(("shop", "orders")).append(ORDERS)
    with pytest.raises(CommitFailedException):
        stale.append(ORDERS)
    assert client.load_table(("shop", "orders")).scan().to_arrow().num_rows == 2


def test_what_duckdb_writes_pyiceberg_reads_and_the_other_way_round(
    client: Catalog, other_engine: duckdb.DuckDBPyConnection
) -> None:
    other_engine.execute("create schema lake.shop")
    other_engine.execute("create table lake.shop.orders as select 1::bigint as id")
    client.load_table(("shop", "orders")).append(ORDERS)
    other_engine.execute("delete from lake.shop.orders where id = 2")
    other_engine.execute("alter table lake.shop.orders add column note varchar")

    table = client.load_table(("shop", "orders"))
    assert table.scan().to_arrow().to_pylist() == [{"id": 1, "note": None}, {"id": 1, "note": None}]
    assert other_engine.execute("select count(*) from lake.shop.orders").fetchall() == [(2,)]


def test_two_statements_in_one_transaction_are_one_commit(
    client: Catalog, server: RestServer, other_engine: duckdb.DuckDBPyConnection
) -> None:
    other_engine.execute("create schema lake.shop")
    other_engine.execute("create table lake.shop.orders as select 1 as id")
    server.asked.clear()

    other_engine.execute("begin; delete from lake.shop.orders; insert into lake.shop.orders values (2); commit")

    assert [path for path in server.asked if path.startswith("POST")] == ["POST /v1/lake/transactions/commit"]
    assert client.load_table(("shop", "orders")).scan().to_arrow().to_pylist() == [{"id": 2}]
