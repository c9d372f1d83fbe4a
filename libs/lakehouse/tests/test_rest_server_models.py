"""The REST catalog for tests, asked by the official client of Polaris: what it answers fits the protocol's models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
import requests
from apache_polaris.sdk import catalog as polaris
from apache_polaris.sdk.catalog.api.iceberg_catalog_api import IcebergCatalogAPI
from apache_polaris.sdk.catalog.api.iceberg_configuration_api import IcebergConfigurationAPI
from apache_polaris.sdk.catalog.api.iceberg_o_auth2_api import IcebergOAuth2API
from apache_polaris.sdk.catalog.exceptions import ApiException
from apache_polaris.sdk.catalog.models import (
    AssertRefSnapshotId,
    CommitTableRequest,
    CommitTransactionRequest,
    CreateNamespaceRequest,
    IcebergErrorResponse,
    RegisterTableRequest,
    RenameTableRequest,
    SetPropertiesUpdate,
    TableIdentifier,
    TableUpdate,
    UpdateNamespacePropertiesRequest,
)
from pyiceberg.catalog.sql import SqlCatalog

from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.testing.rest_server import RestServer, serving

pytestmark = pytest.mark.filterwarnings("ignore:POST /v1/oauth/tokens is deprecated:DeprecationWarning")

KEYS = {"s3.access-key-id": "vended", "s3.secret-access-key": "s3cret"}
ORDERS = pa.table({"id": pa.array([1, 2], pa.int64())})
SHOP = "acme\x1fshop"


@pytest.fixture
def server(served: SqlCatalog) -> Iterator[RestServer]:
    with serving(served, **KEYS) as running:
        catalog = open_catalog(running.properties)
        for levels in [("acme",), ("acme", "shop")]:
            catalog.create_namespace(levels, {"owner": "sales"})
        for name in ("orders", "sales", "returns"):
            catalog.create_table(("acme", "shop", name), ORDERS.schema).append(ORDERS)
        yield running


@pytest.fixture
def connection(server: RestServer) -> polaris.ApiClient:
    open_door = polaris.ApiClient(polaris.Configuration(host=server.url))
    granted = IcebergOAuth2API(open_door).get_token(
        grant_type="client_credentials", client_id=server.client_id, client_secret=server.client_secret, scope="catalog"
    )
    assert granted.token_type == "bearer"
    return polaris.ApiClient(polaris.Configuration(host=server.url, access_token=granted.access_token))


@pytest.fixture
def client(connection: polaris.ApiClient) -> IcebergCatalogAPI:
    return IcebergCatalogAPI(connection)


def problem(caught: pytest.ExceptionInfo[Any]) -> tuple[int, str]:
    """Status and type of a refusal, by the protocol's model of errors."""
    error = IcebergErrorResponse.from_dict(json.loads(caught.value.body)).error
    assert error.code == caught.value.status
    assert error.message
    return error.code, error.type


def test_the_configuration_names_the_prefix_and_every_endpoint(connection: polaris.ApiClient) -> None:
    config = IcebergConfigurationAPI(connection).get_config("lake")
    assert config.overrides == {"prefix": "lake"}
    assert "POST /v1/{prefix}/transactions/commit" in config.endpoints
    with pytest.raises(ApiException) as caught:
        IcebergConfigurationAPI(connection).get_config("other")
    assert problem(caught) == (404, "NoSuchWarehouseException")


def test_every_endpoint_that_it_names_is_there(connection: polaris.ApiClient, server: RestServer) -> None:
    names = {"{prefix}": "lake", "{namespace}": "no", "{table}": "such"}
    headers = {"Authorization": f"Bearer {connection.configuration.access_token}"}
    for endpoint in IcebergConfigurationAPI(connection).get_config("lake").endpoints:
        method, _, path = endpoint.partition(" ")
        for name, value in names.items():
            path = path.replace(name, value)
        answer = requests.request(method, server.url + path, json={}, headers=headers, timeout=60)
        assert answer.status_code != 405, endpoint
        assert "there is no" not in answer.text, endpoint


def test_namespaces(client: IcebergCatalogAPI) -> None:
    made = client.create_namespace("lake", CreateNamespaceRequest(namespace=["acme", "bank"], properties={"a": "b"}))
    assert (made.namespace, made.properties) == (["acme", "bank"], {"a": "b"})
    assert client.list_namespaces("lake").namespaces == [["acme"]]
    assert client.list_namespaces("lake", parent="acme").namespaces == [["acme", "bank"], ["acme", "shop"]]
    changed = client.update_properties(
        "lake", SHOP, UpdateNamespacePropertiesRequest(removals=["owner", "none"], updates={"tier": "gold"})
    )
    assert (changed.updated, changed.removed, changed.missing) == (["tier"], ["owner"], ["none"])
    assert client.load_namespace_metadata("lake", SHOP).properties["tier"] == "gold"
    client.namespace_exists("lake", SHOP)

    for call, expected in [
        (lambda: client.namespace_exists("lake", "none"), None),
        (lambda: client.load_namespace_metadata("lake", "none"), (404, "NoSuchNamespaceException")),
        (
            lambda: client.create_namespace("lake", CreateNamespaceRequest(namespace=["no", "parent"])),
            (404, "NoSuchNamespaceException"),
        ),
        (
            lambda: client.create_namespace("lake", CreateNamespaceRequest(namespace=["acme"])),
            (409, "AlreadyExistsException"),
        ),
        (lambda: client.drop_namespace("lake", SHOP), (409, "NamespaceNotEmptyException")),
        (lambda: client.drop_namespace("lake", "acme"), (409, "NamespaceNotEmptyException")),
        (
            lambda: client.update_properties(
                "lake", SHOP, UpdateNamespacePropertiesRequest(removals=["tier"], updates={"tier": "x"})
            ),
            (422, "UnprocessableEntityException"),
        ),
    ]:
        with pytest.raises(ApiException) as caught:
            call()
        assert expected is None or problem(caught) == expected


def test_tables(client: IcebergCatalogAPI) -> None:
    loaded = client.load_table("lake", SHOP, "orders")
    assert loaded.metadata.current_snapshot_id is not None
    assert loaded.metadata.schemas[0].fields[0].name == "id"
    assert loaded.config == {}
    client.table_exists("lake", SHOP, "orders")
    moved = TableIdentifier(namespace=["acme", "shop"], name="kept")
    client.rename_table(
        "lake",
        RenameTableRequest(source=TableIdentifier(namespace=["acme", "shop"], name="orders"), destination=moved),
    )
    again = client.register_table(
        "lake", SHOP, RegisterTableRequest(name="copy", **{"metadata-location": loaded.metadata_location})
    )
    assert again.metadata.table_uuid == loaded.metadata.table_uuid
    client.drop_table("lake", SHOP, "copy")
    names = [one.name for one in client.list_tables("lake", SHOP).identifiers]
    assert names == ["kept", "returns", "sales"]

    for call, expected in [
        (lambda: client.table_exists("lake", SHOP, "orders"), None),
        (lambda: client.load_table("lake", SHOP, "orders"), (404, "NoSuchTableException")),
        (lambda: client.drop_table("lake", SHOP, "orders"), (404, "NoSuchTableException")),
        (lambda: client.list_tables("lake", "none"), (404, "NoSuchNamespaceException")),
        (
            lambda: client.register_table(
                "lake", SHOP, RegisterTableRequest(name="kept", **{"metadata-location": loaded.metadata_location})
            ),
            (409, "AlreadyExistsException"),
        ),
    ]:
        with pytest.raises(ApiException) as caught:
            call()
        assert expected is None or problem(caught) == expected


def test_keys_are_vended_with_the_tables_location(client: IcebergCatalogAPI) -> None:
    loaded = client.load_table("lake", SHOP, "orders", x_iceberg_access_delegation="vended-credentials")
    (vended,) = loaded.storage_credentials
    assert (vended.prefix, vended.config) == (loaded.metadata.location, KEYS)
    assert loaded.config == KEYS
    (asked_for,) = client.load_credentials("lake", SHOP, "orders").storage_credentials
    assert asked_for == vended


@pytest.mark.parametrize("what", ["tables", "namespaces"])
def test_a_list_comes_by_pages_to_who_asks_for_them(client: IcebergCatalogAPI, server: RestServer, what: str) -> None:
    server.page_size = 2

    def ask(**page: Any) -> tuple[list[Any], str | None]:
        if what == "tables":
            found = client.list_tables("lake", SHOP, **page)
            return [one.name for one in found.identifiers], found.next_page_token
        found = client.list_namespaces("lake", parent="acme", **page)
        return [levels[-1] for levels in found.namespaces], found.next_page_token

    for name in ("bank", "club"):
        client.create_namespace("lake", CreateNamespaceRequest(namespace=["acme", name]))
    everything, more = ask()
    first, token = ask(page_token="")
    second, end = ask(page_token=token)
    assert (len(everything), more, end) == (3, None, None)
    assert first + second == everything
    assert ask(page_size=1)[0] == everything[:1]


def _set_owner(table: str, owner: str, snapshot_id: int | None) -> CommitTableRequest:
    return CommitTableRequest(
        identifier=TableIdentifier(namespace=["acme", "shop"], name=table),
        requirements=[AssertRefSnapshotId(type="assert-ref-snapshot-id", ref="main", **{"snapshot-id": snapshot_id})],
        updates=[TableUpdate(SetPropertiesUpdate(action="set-properties", updates={"owner": owner}))],
    )


def test_a_transaction_changes_all_of_its_tables_or_none(client: IcebergCatalogAPI) -> None:
    def owners() -> list[str | None]:
        return [
            (client.load_table("lake", SHOP, name).metadata.properties or {}).get("owner")
            for name in ("orders", "sales")
        ]

    current = {name: client.load_table("lake", SHOP, name).metadata.current_snapshot_id for name in ("orders", "sales")}
    for second, expected in [
        (_set_owner("sales", "b", 17), (409, "CommitFailedException")),
        (_set_owner("none", "b", 17), (404, "NoSuchTableException")),
    ]:
        first = _set_owner("orders", "a", current["orders"])
        with pytest.raises(ApiException) as caught:
            client.commit_transaction("lake", CommitTransactionRequest(**{"table-changes": [first, second]}))
        assert problem(caught) == expected
        assert owners() == [None, None]

    both = [_set_owner(name, "a", snapshot_id) for name, snapshot_id in current.items()]
    client.commit_transaction("lake", CommitTransactionRequest(**{"table-changes": both}))
    assert owners() == ["a", "a"]


def test_a_commit_answers_with_the_new_metadata(client: IcebergCatalogAPI) -> None:
    before = client.load_table("lake", SHOP, "orders")
    change = _set_owner("orders", "a", before.metadata.current_snapshot_id)
    after = client.update_table("lake", SHOP, "orders", change)
    assert after.metadata_location != before.metadata_location
    assert after.metadata.properties["owner"] == "a"
    assert client.load_table("lake", SHOP, "orders").metadata_location == after.metadata_location


def test_who_brings_no_token_gets_an_error_of_the_protocol(server: RestServer, connection: polaris.ApiClient) -> None:
    open_door = IcebergCatalogAPI(polaris.ApiClient(polaris.Configuration(host=server.url)))
    with pytest.raises(ApiException) as caught:
        open_door.list_namespaces("lake")
    assert problem(caught) == (401, "NotAuthorizedException")
    server.tokens.end_all()
    with pytest.raises(ApiException) as caught:
        IcebergCatalogAPI(connection).list_namespaces("lake")
    assert problem(caught) == (419, "AuthenticationTimeoutException")
    answer = requests.get(f"{server.url}/v1/lake/views", timeout=60, headers={"Authorization": "Bearer x"})
    assert answer.json()["error"]["code"] == answer.status_code
