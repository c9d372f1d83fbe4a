"""The kinds of catalogs that are no SQL database: what each is opened with, and what it does that others do not."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from floe_contracts.errors import Permanent, Transient
from floe_contracts.plugins.conformance import CatalogConformance
from floe_lakehouse.aws_sessions import Keys, store_keys
from floe_lakehouse.catalog_kinds.flat_namespaces import database_of, namespace_of
from floe_lakehouse.catalogs import ensure_namespace, open_catalog
from floe_lakehouse.errors import CatalogDriverMissing, CatalogMisconfigured, CatalogRefused, CatalogUnreachable
from floe_lakehouse.lake_folders import Lake
from floe_lakehouse.testing.lake_under_test import LakeUnderTest
from floe_lakehouse.testing.landing_behaviour import LandingBehaviour
from floe_lakehouse.testing.namespace_behaviour import NamespaceBehaviour
from floe_lakehouse.testing.rest_server import RestServer
from floe_lakehouse.testing.s3_server import serving_s3
from floe_lakehouse.testing.table_behaviour import TableBehaviour

ROLE = "arn:aws:iam::123456789012:role/lake"
NAMESPACES = [("acme",), ("acme", "dev"), ("acme", "dev_2", "Größe"), ("a_", "_b"), ("a", "_", "b"), ("größe", "x y")]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """A server of S3, Glue and STS."""
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    with serving_s3() as endpoint:
        boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="lake")  # type: ignore[call-overload]
        yield endpoint


@pytest.fixture
def glue(aws: str) -> dict[str, str]:
    store = {"s3.endpoint": aws, "s3.access-key-id": "k", "s3.secret-access-key": "s", "s3.region": "us-east-1"}
    client = {"glue.endpoint": aws, "client.access-key-id": "k", "client.secret-access-key": "canary-7e"}
    return {"type": "glue", "glue.region": "us-east-1", "warehouse": "s3://lake/glue", **store, **client}


class TestRestKit(CatalogConformance):
    name = "rest"

    @pytest.fixture
    def options(self, server: RestServer) -> Mapping[str, str]:
        return {name: value for name, value in server.properties.items() if name != "type"}


class TestPolarisKit(TestRestKit):
    name = "polaris"


class TestGlue(NamespaceBehaviour, LandingBehaviour, TableBehaviour):
    @pytest.fixture
    def lake(self, glue: dict[str, str], tmp_path: Path) -> LakeUnderTest:
        return LakeUnderTest(glue, tmp_path)

    @pytest.mark.skip(reason="moto's Glue does not compare versions, so that of two commits at once both pass")
    def test_writers_at_once_lose_no_row(self, lake: LakeUnderTest) -> None: ...

    @pytest.mark.skip(reason="moto's Glue does not compare versions, so that of two commits at once both pass")
    def test_a_run_lands_once_however_often_it_is_switched(self, lake: LakeUnderTest) -> None: ...

    @pytest.mark.skip(reason="moto's Glue does not compare versions, so that of two commits at once both pass")
    def test_a_table_that_several_create_at_once_is_one_table(self, lake: LakeUnderTest) -> None: ...


@pytest.mark.parametrize("namespace", NAMESPACES, ids=".".join)
def test_a_database_tells_its_namespace(namespace: tuple[str, ...]) -> None:
    database = database_of(namespace)
    assert namespace_of(database) == namespace
    assert database_of((database,)) == database
    assert len(namespace) == 1 or set(database) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


@pytest.mark.parametrize("database", ["default", "their_db", "a__", "_", "Mixed", "x.y"])
def test_a_database_of_others_is_a_namespace_of_its_own_name(database: str) -> None:
    assert database_of(namespace_of(database)) == database


def test_glue_refuses_and_keeps_silent_in_floes_words(glue: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CatalogUnreachable, match="FLOE-LAKE-002") as silent:
        ensure_namespace(
            open_catalog({**glue, "glue.endpoint": "http://127.0.0.1:9", "glue.max-retries": "0"}), ("a",), {}
        )
    assert isinstance(silent.value, Transient)

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    nobody = {name: value for name, value in glue.items() if not name.startswith("client.")}
    with pytest.raises(CatalogRefused, match="FLOE-LAKE-060"):
        ensure_namespace(open_catalog(nobody), ("a",), {})


def test_glue_is_opened_in_a_role(glue: dict[str, str], aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws)
    catalog = open_catalog({**glue, "client.role-arn": ROLE})
    ensure_namespace(catalog, ("in_role", "dev"), {})
    signed: list[str] = []
    catalog.glue.meta.events.register(
        "request-created.glue", lambda request, **_: signed.append(request.headers["X-Amz-Security-Token"])
    )  # type: ignore[attr-defined]
    catalog.list_namespaces()
    assert signed
    assert all(signed)


def test_a_store_is_opened_by_given_keys_a_role_or_what_the_worker_holds(
    aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "worker")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-5c")
    given = {"s3.access-key-id": "k", "s3.secret-access-key": "s", "s3.session-token": "t", "s3.role-arn": ROLE}
    assert store_keys(given) == Keys("k", "s", "t")
    assert store_keys({}) == Keys("worker", "canary-5c", None)
    taken = store_keys({"s3.role-arn": ROLE, "s3.region": "eu-north-1"})
    assert taken is not None
    assert taken.session_token
    assert taken.access_key not in {"worker", "k"}
    assert "canary" not in repr([store_keys({}), taken])


def test_a_hive_metastore_that_is_not_there_is_unreachable() -> None:
    catalog = open_catalog({"type": "hive", "uri": "thrift://127.0.0.1:9", "warehouse": "s3://lake/hive"})
    with pytest.raises(CatalogUnreachable, match="FLOE-LAKE-002") as caught:
        ensure_namespace(catalog, ("acme", "dev"), {})
    assert isinstance(caught.value, Transient)


@pytest.mark.parametrize(
    ("module", "properties"),
    [
        ("thrift", {"type": "hive", "uri": "thrift://127.0.0.1:9"}),
        ("boto3", {"type": "glue", "glue.region": "us-east-1"}),
    ],
)
def test_a_driver_that_is_not_installed_is_named(
    module: str, properties: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [name for name in sys.modules if name in {"pyiceberg.catalog.hive", "pyiceberg.catalog.glue"}]:
        monkeypatch.delitem(sys.modules, loaded)
    for name in [name for name in sys.modules if name.partition(".")[0] in {module, "hive_metastore"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CatalogDriverMissing, match="FLOE-LAKE-061") as caught:
        open_catalog(properties)
    assert module in caught.value.message
    assert "floe-lakehouse[metastores]" in (caught.value.hint or "")
    assert isinstance(caught.value, Permanent)


def test_a_store_without_keys_needs_boto(monkeypatch: pytest.MonkeyPatch) -> None:
    from floe_lakehouse.duckdb_files import DEFAULT_ENGINE, open_closed

    monkeypatch.setitem(sys.modules, "boto3", None)
    lake = Lake("s3://lake/t/data", {"s3.region": "us-east-1"})
    with pytest.raises(CatalogDriverMissing, match="opened without given keys"), open_closed([lake], DEFAULT_ENGINE):
        pass


def test_nessie_is_asked_on_its_branch(server: RestServer) -> None:
    with pytest.raises(Permanent):
        open_catalog(
            {
                **server.properties,
                "type": "nessie",
                "branch": "audit/2026",
                "oauth2-server-uri": f"{server.url}/v1/oauth/tokens",
            }
        )
    assert server.asked[-1] == "GET /audit/2026/v1/config"  # decoded; on the wire the branch is one part of the path


def test_no_secret_is_shown(server: RestServer, glue: dict[str, str]) -> None:
    for properties, secret in ((server.properties, server.client_secret), (glue, glue["client.secret-access-key"])):
        catalog = open_catalog(properties)
        assert secret not in f"{catalog!r} {catalog}"
    assert server.client_secret not in str(open_catalog(server.properties).properties)


@pytest.mark.parametrize(
    ("properties", "lacks"),
    [
        ({"type": "rest"}, "uri"),
        ({"type": "polaris", "uri": "http://localhost"}, "warehouse"),
        ({"type": "nessie"}, "uri"),
        ({"type": "hive"}, "uri"),
        ({"type": "glue"}, "glue.region"),
    ],
)
def test_what_a_kind_lacks_is_told(properties: dict[str, Any], lacks: str) -> None:
    with pytest.raises(CatalogMisconfigured, match=f"the catalog lacks {lacks}"):
        open_catalog(properties)


def test_requests_are_signed_for_aws(server: RestServer, monkeypatch: pytest.MonkeyPatch, aws: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws)
    keys = {"client.access-key-id": "AKIAKEYS", "client.secret-access-key": "canary-3d", "client.region": "eu-north-1"}
    signed = {
        "rest.sigv4-enabled": "true",
        "rest.signing-region": "eu-north-1",
        "rest.signing-name": "s3tables",
        **keys,
    }
    seen: list[Mapping[str, str]] = []
    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", _answering(seen))
    properties = {"type": "rest", "uri": server.url, "warehouse": "lake", **signed}
    open_catalog(properties)
    open_catalog(properties | {"client.role-arn": ROLE})

    assert "Credential=AKIAKEYS/" in seen[0]["Authorization"]
    assert "/eu-north-1/s3tables/aws4_request" in seen[0]["Authorization"]
    assert "X-Amz-Security-Token" not in seen[0]
    assert "AKIAKEYS" not in seen[1]["Authorization"]
    assert seen[1]["X-Amz-Security-Token"]
    assert "canary" not in str(seen)


def _answering(seen: list[Mapping[str, str]]) -> Any:
    """In the place of `HTTPAdapter.send`: notes the headers of a request, and answers as a catalog's configuration."""
    import requests

    def send(adapter: Any, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        if hasattr(adapter, "add_headers"):
            adapter.add_headers(request)
        seen.append(dict(request.headers))
        response = requests.Response()
        response.status_code, response._content, response.request = 200, b'{"defaults": {}, "overrides": {}}', request
        return response

    return send
