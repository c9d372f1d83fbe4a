"""Catalogs as an artifact names them: what each kind is opened with, and whose handle is whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from floe_chassis.errors import SecretMissing
from floe_chassis.secrets import mounted_secrets, of_tenants
from floe_chassis.testing import eventually
from floe_contracts.artifacts import Catalog, CompiledEnvironment, Compute, Storage
from floe_lakehouse.catalogs import ensure_namespace
from floe_lakehouse.compiled_catalogs import CatalogHandles, catalog_properties
from floe_lakehouse.errors import CatalogRefused, LakeKeysInvalid
from floe_lakehouse.testing.lake_under_test import at_once
from floe_lakehouse.testing.rest_server import RestServer, serving
from floe_lakehouse.testing.rest_tokens import Tokens

LOCAL = {"uri": "sqlite:///own.db", "warehouse": "/own"}
SECRETS = {
    "catalog-uri": "postgresql://catalog",
    "client-id": "floe",
    "client-secret": "s3cret:with:colons",
    "token": "t0ken",
    "lake-keys": "reader:half:of it",
    "half": "reader",
}
OAUTH2 = {"mode": "oauth2", "client_id": "floe", "scope": "PRINCIPAL_ROLE:etl"}
ROLE = "arn:aws:iam::123456789012:role/lake"


def environment(
    kind: str,
    properties: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    storage: Storage | None = None,
) -> CompiledEnvironment:
    return CompiledEnvironment(
        refs=(),
        compute=Compute(name="duckdb", type="duckdb", threads=1),
        storage=storage or Storage(name="local", type="local"),
        catalog=Catalog(name="main", type=kind, properties=dict(properties or {}), secrets=dict(secrets or {})),
        policies={},
        manifest="sha256:0",
        nodes="sha256:0",
    )


def bucket(secret: str | None = None, **properties: Any) -> Storage:
    given = {"bucket": "lake", "prefix": "/tables/", "region": "eu-north-1", **properties}
    return Storage(name="s3", type="s3", properties=given, secrets={"credentials": secret} if secret else {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (environment("sql"), {"type": "sql", "uri": "sqlite:///own.db", "warehouse": "/own"}),
        (
            environment("sql", {"warehouse": "/theirs", "properties": {"a": "b"}}, {"uri": "catalog-uri"}),
            {"type": "sql", "uri": "postgresql://catalog", "warehouse": "/theirs", "a": "b"},
        ),
        (
            environment("hive", {"uri": "thrift://metastore:9083"}, storage=bucket(path_style_access=True)),
            {
                "type": "hive",
                "uri": "thrift://metastore:9083",
                "warehouse": "s3://lake/tables",
                "s3.region": "eu-north-1",
            },
        ),
        (
            environment(
                "polaris",
                {
                    "uri": "http://polaris/api/catalog",
                    "warehouse": "sales",
                    "namespace": "floe",
                    "access_delegation": "vended-credentials",
                    "token_refresh_enabled": True,
                    "credentials": OAUTH2,
                },
                {"credentials.client_secret": "client-secret"},
            ),
            {
                "type": "polaris",
                "uri": "http://polaris/api/catalog",
                "warehouse": "sales",
                "namespace": "floe",
                "access-delegation": "vended-credentials",
                "token-refresh-enabled": "True",
                "credential": "floe:s3cret:with:colons",
                "scope": "PRINCIPAL_ROLE:etl",
            },
        ),
        (
            environment(
                "nessie",
                {"branch": "audit", "credentials": {"mode": "bearer"}},
                {"uri": "catalog-uri", "credentials.token": "token"},
                bucket("lake-keys", credentials={"mode": "static"}, endpoint="http://s3:9000"),
            ),
            {
                "type": "nessie",
                "uri": "postgresql://catalog",
                "branch": "audit",
                "token": "t0ken",
                "s3.region": "eu-north-1",
                "s3.endpoint": "http://s3:9000",
                "s3.force-virtual-addressing": "true",
                "s3.access-key-id": "reader",
                "s3.secret-access-key": "half:of it",
            },
        ),
        (
            environment(
                "glue",
                {
                    "region": "us-east-1",
                    "catalog_id": "123456789012",
                    "credentials": {"mode": "iam_role", "role_arn": ROLE},
                },
                storage=bucket(credentials={"mode": "iam_role", "role_arn": ROLE}, path_style_access=True),
            ),
            {
                "type": "glue",
                "warehouse": "s3://lake/tables",
                "glue.region": "us-east-1",
                "glue.id": "123456789012",
                "client.region": "us-east-1",
                "client.role-arn": ROLE,
                "s3.region": "eu-north-1",
                "s3.role-arn": ROLE,
            },
        ),
        (
            environment(
                "rest",
                {
                    "uri": "https://glue/iceberg",
                    "credentials": {"mode": "static"},
                    "properties": {"rest.signing-name": "glue"},
                },
                {"credentials": "lake-keys"},
                bucket(credentials={"mode": "service_account"}, path_style_access=True),
            ),
            {
                "type": "rest",
                "uri": "https://glue/iceberg",
                "rest.sigv4-enabled": "true",
                "rest.signing-name": "glue",
                "rest.signing-region": "eu-north-1",
                "client.region": "eu-north-1",
                "client.access-key-id": "reader",
                "client.secret-access-key": "half:of it",
                "s3.region": "eu-north-1",
            },
        ),
    ],
    ids=["sql beside the service", "sql elsewhere", "hive", "polaris", "nessie", "glue in a role", "signed rest"],
)
def test_each_kind_is_opened_with_what_the_platform_says(
    given: CompiledEnvironment, expected: Mapping[str, str]
) -> None:
    assert catalog_properties(given, LOCAL, SECRETS.__getitem__) == expected


@pytest.mark.parametrize("place", ["catalog", "storage"])
def test_keys_that_cannot_be_used_are_refused_without_being_told(place: str) -> None:
    static = {"credentials": {"mode": "static"}}
    given = {
        "catalog": environment("glue", {"region": "eu-north-1", **static}, {"credentials": "half"}),
        "storage": environment("sql", storage=bucket("half", **static)),
    }[place]
    with pytest.raises(LakeKeysInvalid, match="FLOE-LAKE-026") as caught:
        catalog_properties(given, LOCAL, SECRETS.__getitem__)
    assert "reader" not in str(caught.value)


def test_a_secret_that_is_missing_names_the_places_looked_at(tmp_path: Path) -> None:
    given = environment("sql", {}, {"uri": "catalog-uri"})
    with pytest.raises(SecretMissing) as caught:
        CatalogHandles(LOCAL, of_tenants(mounted_secrets({}, tmp_path))).open("acme", "dev", given)
    assert "a variable CATALOG_URI" in caught.value.message
    assert f"a file {tmp_path}/catalog-uri" in caught.value.message


# ---- handles

CLIENTS = {"acme": "canary-acme", "globex": "canary-globex"}


@pytest.fixture
def server(served: SqlCatalog) -> Iterator[RestServer]:
    with serving(served, tokens=Tokens(CLIENTS)) as running:
        yield running


@pytest.fixture
def shared(server: RestServer) -> CompiledEnvironment:
    """One profile of one platform.yaml: the same names and address for every tenant."""
    properties = {"uri": server.url, "warehouse": "lake", "credentials": {"mode": "oauth2"}}
    return environment(
        "rest", properties, {"credentials.client_id": "client-id", "credentials.client_secret": "client-secret"}
    )


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for tenant, secret in CLIENTS.items():
        (folder / f"{tenant}--client-id").write_text(tenant)
        (folder / f"{tenant}--client-secret").write_text(secret)
    return folder


@pytest.fixture
def handles(mounted: Path) -> CatalogHandles:
    return CatalogHandles(LOCAL, of_tenants(mounted_secrets({}, mounted)))


def test_tenants_of_one_catalog_never_ask_it_as_each_other(
    handles: CatalogHandles, shared: CompiledEnvironment, server: RestServer
) -> None:
    opened = {tenant: handles.open(tenant, "dev", shared) for tenant in CLIENTS}
    assert opened["acme"] is not opened["globex"]
    for tenant, catalog in opened.items():
        server.askers.clear()
        ensure_namespace(handles.open(tenant, "dev", shared), (tenant, "dev"), {})
        assert {asker for asker in server.askers if asker} == {tenant}
        other = next(secret for name, secret in CLIENTS.items() if name != tenant)
        assert other not in f"{catalog.properties} {vars(catalog)}"
    with pytest.raises(SecretMissing):
        handles.open("initech", "dev", shared)


def test_a_forged_name_of_a_secret_opens_no_other_tenants_catalog(
    handles: CatalogHandles, shared: CompiledEnvironment, server: RestServer
) -> None:
    forged = shared.catalog.model_copy(
        update={
            "secrets": {"credentials.client_id": "acme--client-id", "credentials.client_secret": "acme--client-secret"}
        }
    )
    with pytest.raises(Exception, match="FLOE-SEC-002"):
        handles.open("globex", "dev", shared.model_copy(update={"catalog": forged}))
    assert server.asked == []


def test_a_handle_is_kept_for_its_tenant_environment_and_profile(
    handles: CatalogHandles, shared: CompiledEnvironment
) -> None:
    first = handles.open("acme", "dev", shared)
    renamed = shared.catalog.model_copy(update={"name": "other"})
    assert handles.open("acme", "dev", shared) is first
    assert handles.open("acme", "prod", shared) is not first
    assert handles.open("acme", "dev", shared.model_copy(update={"catalog": renamed})) is not first
    assert handles.open("acme", "dev", shared) is first


def test_a_handle_is_opened_anew_with_a_secret_that_changed(
    handles: CatalogHandles, shared: CompiledEnvironment, server: RestServer, mounted: Path
) -> None:
    before = handles.open("acme", "dev", shared)
    server.tokens.clients["acme"] = "rotated"
    server.tokens.forget_all()
    with pytest.raises(CatalogRefused):
        ensure_namespace(handles.open("acme", "dev", shared), ("acme",), {})
    (mounted / "acme--client-secret").write_text("rotated")
    after = handles.open("acme", "dev", shared)
    ensure_namespace(after, ("acme",), {})
    assert after is not before


async def test_a_catalog_that_hangs_holds_up_nobody_elses(
    handles: CatalogHandles, shared: CompiledEnvironment, server: RestServer, tmp_path: Path
) -> None:
    local = CatalogHandles({"uri": f"sqlite:///{tmp_path}/own.db", "warehouse": str(tmp_path)}, handles._secrets)
    with ThreadPoolExecutor(1) as threads:
        with server.lock:  # it answers nobody
            hanging = threads.submit(local.open, "acme", "dev", shared)
            await eventually(lambda: "GET /v1/config" in server.asked)
            assert local.open("acme", "prod", environment("sql")).list_namespaces() == []
            assert not hanging.done()
        assert hanging.result(timeout=60).list_namespaces() == []


def test_threads_share_one_handle(handles: CatalogHandles, shared: CompiledEnvironment, server: RestServer) -> None:
    opened = at_once([lambda: handles.open("acme", "dev", shared)] * 4)
    assert len(set(map(id, opened))) == 1
    assert server.asked.count("GET /v1/config") == 1
