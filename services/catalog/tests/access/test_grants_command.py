"""`floe catalog grants`, with a real service on a real bus: from no access at all to services that can work."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from floe_catalog.adapters.catalog_products import CatalogProducts
from floe_catalog.testing.polaris_server import Polaris
from floe_chassis.bus import Bus
from floe_chassis.service import Service
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import ARTIFACTS, CATALOG_PRODUCTS_BUCKET, DLQ, EVENTS, TABLES_BUCKET
from floe_contracts.events import ArtifactCompiled

pytestmark = pytest.mark.filterwarnings("ignore:POST /v1/oauth/tokens is deprecated")  # says the client of itself
FLOE = Path(sys.executable).with_name("floe")
NAMESPACE = ("default", "dev", "shop-orders")
PRINCIPALS = {f"floe.default.polaris.{service}" for service in ("executor", "catalog", "semantic")}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a command showed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object that it printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def profile(polaris: Polaris) -> dict[str, Any]:
    """The environment's catalog is on Polaris; each service resolves its own credentials."""
    secrets = {"credentials.client_id": "polaris-id", "credentials.client_secret": "polaris-secret"}
    properties = {"uri": f"{polaris.url}/api/catalog", "warehouse": "lake", "credentials": {"mode": "oauth2"}}
    return {
        "compute": {"name": "warehouse", "type": "postgres", "threads": 2},
        "storage": {"name": "local", "type": "local"},
        "catalog": {"name": "polaris", "type": "polaris", "properties": properties, "secrets": secrets},
    }


@pytest.fixture
def environment(environment: dict[str, str], polaris: Polaris, tmp_path: Path) -> dict[str, str]:
    """The service administers the server."""
    return environment | {
        "FLOE_CATALOG_POLARIS_URI": polaris.url,
        "FLOE_CATALOG_POLARIS_CLIENT_ID": polaris.client_id,
        "FLOE_CATALOG_POLARIS_CLIENT_SECRET": polaris.client_secret,
        "FLOE_CATALOG_SECRETS_DIR": str(tmp_path / "secrets"),
    }


@pytest.fixture
def floe(environment: dict[str, str]) -> Callable[..., Any]:
    """Runs the command as a person does who is not at a terminal."""

    async def run(*arguments: str | Path) -> Shown:
        process = await asyncio.create_subprocess_exec(
            FLOE,
            "catalog",
            "grants",
            *arguments,
            env={**os.environ, "FLOE_NATS_URL": environment["FLOE_NATS_URL"]},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Shown(process.returncode or 0, out.decode(), err.decode())

    return run


@pytest.fixture
async def known(bus: Bus, service: Service, compiled: Callable[..., ArtifactCompiled], node: Any) -> None:
    """The service knows of the product."""
    event = compiled(nodes=(node("orders", "id: bigint"),))
    await bus.publish(event, id="first")

    records = CatalogProducts(partial(bus.key_value, CATALOG_PRODUCTS_BUCKET))
    await eventually(lambda: records.live(product="shop-orders"))


Floe = Callable[..., Any]


@pytest.mark.bus
@pytest.mark.usefixtures("known")
async def test_services_can_work_once_the_access_is_given(
    floe: Floe, bus: Bus, polaris: Polaris, compiled: Callable[..., ArtifactCompiled], node: Any, tmp_path: Path
) -> None:
    shown = await floe("shop-orders", "--check")
    assert shown.code == 3
    assert "missing  principal floe.default.polaris.executor" in shown.out
    assert polaris.management.principals == {}

    file = tmp_path / "credentials.json"
    shown = await floe("shop-orders", "--yes", "--secrets-file", file)
    assert shown.code == 0, shown.err
    assert "the access is as it should be" in shown.out
    assert set(polaris.management.principals) == PRINCIPALS
    assert file.stat().st_mode & 0o777 == 0o600
    credentials = json.loads(file.read_text())
    secrets = {secret for _, secret in polaris.management.principals.values()}
    assert {each["client_secret"] for each in credentials.values()} == secrets
    assert not [secret for secret in secrets if secret in shown.out + shown.err]
    assert (await floe("shop-orders", "--check")).code == 0
    shown = await floe("shop-orders", "--yes", "--env", "prod", "--json")
    assert (shown.code, shown.document["credentials"]) == (0, [])

    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "polaris-id").write_text(credentials["catalog"]["client_id"])
    (folder / "polaris-secret").write_text(credentials["catalog"]["client_secret"])
    polaris.refused.clear()
    nodes = (node("orders", "id: bigint"),)
    await bus.publish(compiled(nodes=nodes, version="1.0.1"), id="second")
    await eventually(lambda: polaris.lake.catalog.table_exists((*NAMESPACE, "main", "orders")))
    assert polaris.lake.catalog.load_namespace_properties(NAMESPACE)["owner"] == "shop@example.com"
    assert [call for call in polaris.refused if "shop-orders" in call] == []


@pytest.mark.bus
@pytest.mark.usefixtures("known")
async def test_a_drift_is_told_and_mended(floe: Floe, polaris: Polaris) -> None:
    made = (await floe("shop-orders", "--yes", "--json")).document
    assert {each["principal"] for each in made["credentials"]} == PRINCIPALS
    polaris.management.members.add(("floe.default.polaris.semantic", "service_admin"))
    shown = await floe("shop-orders", "--check", "--json")
    assert shown.code == 3
    assert shown.document["differences"] == [
        {
            "kind": "extra",
            "what": "principal role service_admin for principal floe.default.polaris.semantic",
            "applied": False,
        }
    ]
    assert (await floe("shop-orders", "--yes")).code == 0
    assert (await floe("shop-orders", "--check")).code == 0


@pytest.mark.bus
@pytest.mark.usefixtures("known")
async def test_a_catalog_without_roles_is_unsupported_and_never_right(
    floe: Floe, bus: Bus, compiled: Callable[..., ArtifactCompiled], local: dict[str, Any]
) -> None:
    await bus.publish(compiled(product="returns", profile=local), id="returns")
    records = CatalogProducts(partial(bus.key_value, CATALOG_PRODUCTS_BUCKET))
    await eventually(lambda: records.live(product="returns"))
    elsewhere = await floe("returns", "--check")
    assert (elsewhere.code, elsewhere.out) == (64, "")
    assert "unsupported: the catalog 'local' is of type sql" in " ".join(elsewhere.err.split())


@pytest.mark.bus
@pytest.mark.usefixtures("known")
async def test_a_repair_that_stops_shows_the_secrets_that_are_made(floe: Floe, polaris: Polaris) -> None:
    polaris.management.failing = 20
    shown = await floe("shop-orders", "--yes")
    assert shown.code == 4
    assert "FLOE-LAKE-002" in shown.err
    assert polaris.management.principals
    for client_id, secret in polaris.management.principals.values():
        assert client_id in shown.out
        assert secret in shown.out


@pytest.mark.bus
@pytest.mark.usefixtures("known")
async def test_a_lost_secret_is_replaced(floe: Floe, polaris: Polaris) -> None:
    assert (await floe("shop-orders", "--yes")).code == 0
    before = dict(polaris.management.principals)
    shown = await floe("shop-orders", "--yes", "--new-secret", "executor")
    after = polaris.management.principals["floe.default.polaris.executor"]
    assert after != before.pop("floe.default.polaris.executor")
    assert after[1] in shown.out
    assert before.items() <= polaris.management.principals.items()


@pytest.mark.bus
@pytest.mark.usefixtures("known")
async def test_secrets_are_neither_logged_nor_published(
    floe: Floe, bus: Bus, polaris: Polaris, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (await floe("shop-orders", "--yes")).code == 0
    secrets = {secret for _, secret in polaris.management.principals.values()} | {polaris.client_secret}
    for stream in (ARTIFACTS, EVENTS, DLQ):
        async for message in read_stream(bus.js, stream, ">"):
            said = message.data.decode() + json.dumps(message.headers or {})
            assert not [secret for secret in secrets if secret in said]
    for bucket in (CATALOG_PRODUCTS_BUCKET, TABLES_BUCKET):
        async for message in read_stream(bus.js, f"KV_{bucket}", ">"):
            assert not [secret for secret in secrets if secret.encode() in message.data]
    logged = capfd.readouterr()
    assert not [secret for secret in secrets if secret in logged.out + logged.err]


@pytest.mark.bus
@pytest.mark.usefixtures("known")
async def test_a_name_that_is_almost_right_is_suggested(floe: Floe) -> None:
    shown = await floe("shop-order", "--check")
    assert shown.code == 64
    assert "shop-orders" in shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shop-orders",), "nobody is there to be asked"),
        (("shop-orders", "--check", "--new-secret", "executor"), "--check changes nothing"),
        (("shop-orders", "--yes", "--new-secret", "gateway"), "'gateway' is not one of"),
    ],
    ids=["nobody-asked", "check-and-secret", "unknown-service"],
)
async def test_wrong_usage_is_told(floe: Floe, arguments: tuple[str, ...], said: str) -> None:
    shown = await floe(*arguments)
    assert shown.code == 64
    assert said in shown.err


@pytest.mark.bus
@pytest.mark.usefixtures("known")
async def test_a_file_that_is_there_is_not_written_over(floe: Floe, polaris: Polaris, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text("{}")
    shown = await floe("shop-orders", "--yes", "--secrets-file", file)
    assert shown.code == 64
    assert "FLOE-CLI-005" in shown.err
    assert polaris.management.changes == []
    assert file.read_text() == "{}"
