"""How floe shows a catalog who it is, against servers that check it: OAuth2, and signatures of AWS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.errors import CatalogRefused
from floe_lakehouse.snapshots import list_tables
from floe_lakehouse.testing.lake_under_test import at_once
from floe_lakehouse.testing.rest_server import serving
from floe_lakehouse.testing.rest_signatures import Signatures
from floe_lakehouse.testing.rest_tokens import Tokens

SHOP = ("acme", "dev", "shop & café")
ORDERS = (*SHOP, "orders")
ROWS = pa.table({"id": pa.array([1, 2], pa.int64())})
AWKWARD = ["100%41", "a+b c", "ключ:é", "a&b=c%"]


@pytest.fixture
def served(tmp_path: Path) -> SqlCatalog:
    uri = f"sqlite:///{tmp_path}/rest.db?check_same_thread=false"
    return SqlCatalog("rest", uri=uri, warehouse=(tmp_path / "lake").as_uri())


@pytest.mark.parametrize("basic", [False, True], ids=["form", "basic"])
def test_a_secret_may_have_any_sign(served: SqlCatalog, basic: bool) -> None:
    """In both forms it is encoded as the standard has it (RFC 6749, 2.3.1)."""
    for secret in AWKWARD:
        with serving(served, tokens=Tokens({"floe": secret}, basic_only=basic)) as server:
            assert open_catalog(server.properties).list_namespaces() == []


def test_a_commit_whose_token_ends_meanwhile_arrives_once(served: SqlCatalog) -> None:
    with serving(served) as server:
        catalog = open_catalog(server.properties)
        ensure_namespace(catalog, SHOP, {})
        table = catalog.create_table(ORDERS, ROWS.schema)
        for refuse in (server.tokens.end_all, server.tokens.forget_all):
            refuse()
            table.append(ROWS)
        assert catalog.load_table(ORDERS).scan().count() == 2 * ROWS.num_rows
        assert server.tokens.given == 3


def test_threads_of_a_service_go_on_when_their_token_ends(served: SqlCatalog) -> None:
    with serving(served) as server:
        catalog = open_catalog(server.properties)

        def work(number: int) -> Callable[[], None]:
            return lambda: ensure_namespace(catalog, ("acme", f"shop_{number}"), {})

        for start in (0, 4, 8):
            server.tokens.end_all()
            at_once([work(start + number) for number in range(4)])
        assert len(catalog.list_namespaces(("acme",))) == 12


KEYS = {"client.access-key-id": "AKIAFLOE", "client.secret-access-key": "canary/9d+e="}
SIGNED = {"rest.sigv4-enabled": "true", "rest.signing-region": "eu-north-1", "rest.signing-name": "glue"}


def test_a_server_that_checks_signatures_takes_every_request(served: SqlCatalog) -> None:
    signatures = Signatures({KEYS["client.access-key-id"]: KEYS["client.secret-access-key"]}, "eu-north-1", "glue")
    with serving(served, signatures=signatures) as server:
        place = {"type": "rest", "uri": server.url, "warehouse": "lake", **SIGNED, "client.region": "eu-north-1"}
        catalog = open_catalog({**place, **KEYS, "rest-page-size": "1"})
        ensure_namespace(catalog, SHOP, {"owner": "sales"})
        for name in ("orders", "returns"):
            catalog.create_table((*SHOP, name), ROWS.schema).append(ROWS)
        catalog.rename_table(ORDERS, (*SHOP, "sales of 2026"))
        assert len(list_tables(catalog, SHOP)) == 2
        assert catalog.load_table((*SHOP, "sales of 2026")).scan().count() == ROWS.num_rows
        catalog.drop_table((*SHOP, "returns"))

        for wrong in ({"client.secret-access-key": "canary-other"}, {"rest.signing-region": "us-east-1"}):
            with pytest.raises(CatalogRefused, match="FLOE-LAKE-060") as caught:
                open_catalog({**place, **KEYS, **wrong})
            assert "canary" not in str(caught.value)
        with pytest.raises(CatalogRefused, match="not signed"):
            open_catalog({"type": "rest", "uri": server.url, "warehouse": "lake"})
