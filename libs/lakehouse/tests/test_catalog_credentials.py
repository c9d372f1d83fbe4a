"""How floe shows a catalog who it is, against servers that check it: OAuth2, signatures of AWS, vended keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.errors import CatalogRefused, CopyFailed
from floe_lakehouse.snapshots import list_tables
from floe_lakehouse.testing.lake_under_test import LakeUnderTest, at_once
from floe_lakehouse.testing.rest_server import serving
from floe_lakehouse.testing.rest_signatures import Signatures
from floe_lakehouse.testing.rest_tokens import Tokens
from floe_lakehouse.testing.s3_server import checking_keys, serving_s3

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


def user(iam: Any, name: str) -> dict[str, str]:
    """Keys of a user who may work in the bucket `lake`."""
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="lake", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"s3.access-key-id": made["AccessKeyId"], "s3.secret-access-key": made["SecretAccessKey"]}


def test_vended_keys_open_a_store_that_checks_them(tmp_path: Path) -> None:
    """floe holds none of its own; rows are written by DuckDB and read by pyiceberg."""
    with serving_s3() as endpoint:
        made = {"endpoint_url": endpoint, "aws_access_key_id": "k", "aws_secret_access_key": "s"}
        boto3.client("s3", region_name="us-east-1", **made).create_bucket(Bucket="lake")
        iam = boto3.client("iam", region_name="us-east-1", **made)
        store = {"s3.endpoint": endpoint, "s3.region": "us-east-1", "s3.path-style-access": "true"}
        own, vended = (store | user(iam, name) for name in ("server", "vended"))
        uri = f"sqlite:///{tmp_path}/rest.db?check_same_thread=false"
        served = SqlCatalog("rest", uri=uri, warehouse="s3://lake/tables", **own)
        with serving(served) as server, checking_keys(endpoint):
            server.table_config = vended
            lake = LakeUnderTest(server.properties, tmp_path)
            lake.land("SELECT 1 AS id")
            assert lake.rows() == [(1,)]

            server.table_config = vended | {"s3.secret-access-key": "canary-ended"}
            with pytest.raises(CopyFailed, match="the store refuses its keys") as caught:
                lake.land("SELECT 2 AS id")
            assert "canary" not in str(caught.value)
            server.table_config = vended
            lake.land("SELECT 3 AS id")
            assert lake.rows() == [(3,)]
