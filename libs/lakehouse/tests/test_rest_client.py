"""The client of the REST protocol against the server for tests: tokens, keys, the root, pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from floe_contracts.errors import Permanent, Transient
from floe_lakehouse.catalogs import ensure_namespace, open_catalog, reaching
from floe_lakehouse.errors import (
    CatalogLacks,
    CatalogRefused,
    CatalogRequestRefused,
    CatalogUnreachable,
    LakeUnsupported,
)
from floe_lakehouse.snapshots import list_tables
from floe_lakehouse.tables import find_table, io_of, plan_table
from floe_lakehouse.testing import rest_answers
from floe_lakehouse.testing.rest_server import RestServer, serving
from floe_lakehouse.testing.rest_tokens import Tokens

KEYS = {"s3.access-key-id": "vended", "s3.secret-access-key": "canary-4ad1"}
SCHEMA = Schema(NestedField(1, "id", LongType(), required=False))
SHOP = ("acme", "shop")
ORDERS = (*SHOP, "orders")
Serve = Callable[..., RestServer]


@pytest.fixture
def server(served: SqlCatalog) -> Iterator[RestServer]:
    with serving(served, **KEYS) as running:
        yield running


@pytest.fixture
def catalog(server: RestServer) -> Catalog:
    return open_catalog(server.properties)


@pytest.mark.parametrize("trouble", ["forget_all", "end_all"], ids=["unknown token (401)", "ended token (419)"])
def test_a_refused_token_is_renewed_and_the_request_made_again(
    catalog: Catalog, server: RestServer, trouble: str
) -> None:
    ensure_namespace(catalog, SHOP, {"owner": "sales"})
    given = server.tokens.given
    getattr(server.tokens, trouble)()

    assert catalog.load_namespace_properties(SHOP)["owner"] == "sales"
    assert server.tokens.given == given + 1


@pytest.mark.parametrize(("early", "refused"), [("true", 0), ("false", 1)], ids=["early", "once it is refused"])
def test_a_token_is_renewed_before_it_ends_or_after(served: SqlCatalog, early: str, refused: int) -> None:
    with serving(served, tokens=Tokens({"floe": "s3cret"}, lifetime_seconds=4)) as server:
        catalog = open_catalog(server.properties | {"token-refresh-enabled": early})
        server.asked.clear()
        answered = 0
        while server.tokens.given < 2:
            catalog.list_namespaces()
            answered += 1
        assert server.asked.count("GET /v1/lake/namespaces") == answered + refused


def test_one_token_serves_all_requests_of_a_catalog(catalog: Catalog, server: RestServer) -> None:
    for _ in range(3):
        catalog.list_namespaces()
    assert server.tokens.given == 1


def test_credentials_go_by_basic_where_the_server_takes_no_form(served: SqlCatalog) -> None:
    secret = "with:colons & signs/+%"
    with serving(served, tokens=Tokens({"floe": secret}, basic_only=True)) as server:
        assert open_catalog(server.properties).list_namespaces() == []
        with pytest.raises(CatalogRefused, match=r"FLOE-LAKE-060.*invalid_client") as caught:
            open_catalog(server.properties | {"credential": "floe:canary-91c2"})
    assert isinstance(caught.value, Permanent)
    assert "canary" not in str(caught.value)


def test_a_bearer_token_is_sent_as_it_is_and_refused_once_it_has_ended(server: RestServer) -> None:
    open_catalog(server.properties)
    (token,) = server.tokens._owners
    properties = {"type": "rest", "uri": server.url, "warehouse": "lake", "token": token}
    catalog = open_catalog(properties)
    given = server.tokens.given
    assert catalog.list_namespaces() == []
    server.tokens.end_all()
    with pytest.raises(CatalogRefused, match="the token has ended"), reaching("the catalog"):
        catalog.list_namespaces()
    with pytest.raises(CatalogRefused, match="no valid token") as caught:
        open_catalog(properties | {"token": "canary-71fe"})
    assert "canary" not in str(caught.value)
    assert server.tokens.given == given


def test_without_credentials_none_are_sent(server: RestServer) -> None:
    with pytest.raises(CatalogRefused, match="no valid token"):
        open_catalog({"type": "rest", "uri": server.url})


def test_keys_are_vended_for_tables_that_are_there_and_that_will_be(catalog: Catalog) -> None:
    ensure_namespace(catalog, SHOP, {})
    assert not KEYS.items() & catalog.properties.items()
    planned = io_of(plan_table(catalog, ORDERS, SCHEMA))
    catalog.create_table(ORDERS, SCHEMA)
    table = find_table(catalog, ORDERS)
    assert table is not None
    assert KEYS.items() <= planned.properties.items()
    assert KEYS.items() <= table.io.properties.items()
    assert KEYS.items() <= catalog.load_credentials(ORDERS, table.location()).items()  # type: ignore[attr-defined]


def test_no_keys_are_asked_for_where_the_storage_has_its_own(server: RestServer) -> None:
    catalog = open_catalog({**server.properties, "access-delegation": "none", "s3.access-key-id": "own"})
    ensure_namespace(catalog, SHOP, {})
    table = catalog.create_table(ORDERS, SCHEMA)
    assert table.io.properties["s3.access-key-id"] == "own"
    assert "s3.secret-access-key" not in table.io.properties


def test_a_catalog_that_signs_requests_to_the_storage_is_refused(server: RestServer) -> None:
    with pytest.raises(LakeUnsupported, match="signs each request"):
        open_catalog(server.properties | {"access-delegation": "remote-signing"})
    assert server.asked == []


def test_all_namespaces_stand_below_the_root(catalog: Catalog, server: RestServer) -> None:
    rooted = open_catalog(server.properties | {"namespace": "floe.lakes"})
    ensure_namespace(rooted, SHOP, {"owner": "sales"})
    rooted.create_table(ORDERS, SCHEMA)
    rooted.rename_table(ORDERS, (*SHOP, "sales"))
    table = rooted.load_table((*SHOP, "sales"))
    table.append(table.scan().to_arrow())

    assert catalog.list_namespaces() == [("floe",)]
    assert catalog.list_tables(("floe", "lakes", *SHOP)) == [("floe", "lakes", *SHOP, "sales")]
    assert rooted.list_namespaces() == [("acme",)]
    assert rooted.list_namespaces(("acme",)) == [SHOP]
    assert rooted.load_namespace_properties(SHOP) == {"owner": "sales"}
    assert list_tables(rooted, SHOP) == ((*SHOP, "sales"),)
    assert table.refresh().current_snapshot() is not None
    rooted.drop_table((*SHOP, "sales"))
    rooted.drop_namespace(SHOP)
    assert catalog.list_namespaces(("floe", "lakes", "acme")) == []


def test_long_lists_come_by_pages(server: RestServer) -> None:
    catalog = open_catalog(server.properties | {"rest-page-size": "2"})
    for number in range(5):
        ensure_namespace(catalog, ("acme", f"shop_{number}"), {})
        catalog.create_table(("acme", "shop_0", f"orders_{number}"), SCHEMA)
    server.asked.clear()

    assert len(catalog.list_namespaces(("acme",))) == 5
    assert len(list_tables(catalog, ("acme", "shop_0"))) == 5
    assert len(server.asked) == 3 + 3


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_in_trouble_is_unreachable(catalog: Catalog, server: RestServer, status: int) -> None:
    server.refusals = [status]
    with pytest.raises(CatalogUnreachable, match="FLOE-LAKE-002") as caught:
        ensure_namespace(catalog, SHOP, {})
    assert isinstance(caught.value, Transient)
    ensure_namespace(catalog, SHOP, {})


@pytest.mark.parametrize(
    ("status", "failure"), [(403, CatalogRefused), (400, CatalogRequestRefused), (422, CatalogRequestRefused)]
)
def test_a_server_that_says_no_is_not_asked_again(
    catalog: Catalog, server: RestServer, status: int, failure: type[Permanent]
) -> None:
    server.refusals = [status]
    with pytest.raises(failure) as caught, reaching("the catalog"):
        catalog.list_namespaces()
    assert isinstance(caught.value, Permanent)
    assert caught.value.hint


def test_an_unknown_warehouse_is_told(server: RestServer) -> None:
    with pytest.raises(CatalogRequestRefused, match=r"FLOE-LAKE-062.*there is one warehouse, lake"):
        open_catalog(server.properties | {"warehouse": "lakes"})


def test_a_server_that_does_not_offer_something_is_told(server: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [endpoint for endpoint in rest_answers.ENDPOINTS if "register" not in endpoint]
    monkeypatch.setattr(rest_answers, "ENDPOINTS", few)
    catalog = open_catalog(server.properties)
    with pytest.raises(CatalogLacks, match="FLOE-LAKE-063"), reaching("the catalog"):
        catalog.register_table(ORDERS, "file:///nowhere")


def test_a_server_that_is_not_there_is_unreachable(served: SqlCatalog) -> None:
    with serving(served) as server:
        catalog = open_catalog(server.properties)
    with pytest.raises(CatalogUnreachable):
        ensure_namespace(catalog, SHOP, {})
    with pytest.raises(CatalogUnreachable) as caught:
        open_catalog(server.properties)
    assert server.client_secret not in str(caught.value)
    with pytest.raises(CatalogRequestRefused):
        open_catalog({**server.properties, "uri": "no address", "oauth2-server-uri": f"{server.url}/v1/oauth/tokens"})
