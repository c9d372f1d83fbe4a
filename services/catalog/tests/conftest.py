"""The catalog service on a real bus and a real Iceberg catalog with tables that were really landed."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.catalog import Catalog

from floe_catalog.adapters.table_states import TableStates
from floe_catalog.app import create_app
from floe_chassis.bus import Bus
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled
from floe_chassis.topology import DLQ, EVENTS, TABLES_BUCKET
from floe_contracts.cloudevents import Received, decode
from floe_contracts.digests import digest_of
from floe_contracts.events import ArtifactCompiled, LandedTable, RunCompleted, RunSeconds
from floe_contracts.nodes import Node
from floe_contracts.openlineage.naming import Place
from floe_contracts.table_states import TableState
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.duckdb_files import DuckDBTable
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.landing import switch_table
from floe_lakehouse.snapshots import ARTIFACT_DIGEST
from floe_lakehouse.staged import LandingRequest
from floe_lakehouse.staging import stage_table
from floe_lakehouse.testing.rest_server import RestServer, serving

from .compiled_products import LOCAL, compiled_event, declared_node


@pytest.fixture
def environment(bus_settings: ChassisSettings, tmp_path: Path) -> dict[str, str]:
    """The environment of a catalog service with a catalog of its own."""
    return {
        "FLOE_NATS_URL": bus_settings.nats_url,
        "FLOE_BLOBS_URL": str(bus_settings.blobs_url),
        "FLOE_WORK_DIR": str(tmp_path / "work"),
        "FLOE_HTTP_PORT": "0",
        "FLOE_SHUTDOWN_GRACE": "3",
        "FLOE_RETRY_SECONDS": "0.2",
        "FLOE_CATALOG_URI": f"sqlite:///{tmp_path}/catalog.db",
        "FLOE_CATALOG_WAREHOUSE": f"file://{tmp_path}/lake",
    }


@pytest.fixture
def lake(environment: dict[str, str]) -> Catalog:
    """The same catalog, seen from outside."""
    return open_catalog(
        {"type": "sql", "uri": environment["FLOE_CATALOG_URI"], "warehouse": environment["FLOE_CATALOG_WAREHOUSE"]}
    )


@pytest.fixture
def rest_server(lake: Catalog) -> Iterator[RestServer]:
    """The same catalog as an Iceberg REST server."""
    with serving(lake) as server:
        yield server


@pytest.fixture
def profile(request: pytest.FixtureRequest, environment: dict[str, str]) -> dict[str, Any]:
    """Where an environment of the product stands: the lake itself, or (parameter `rest`) its server.

    With the parameter `own secret` only a secret of the tenant `default` alone says where the lake is.
    """
    if (kind := getattr(request, "param", "sql")) == "sql":
        return dict(LOCAL)
    if kind == "own secret":
        environment["DEFAULT__LAKE_DATABASE"] = environment["FLOE_CATALOG_URI"]
        return {**LOCAL, "catalog": {"name": "lake", "type": "sql", "secrets": {"uri": "lake-database"}}}
    server = request.getfixturevalue("rest_server")
    environment["LAKE_SECRET"] = server.client_secret
    client = {"mode": "oauth2", "client_id": server.client_id, "server_uri": f"{server.url}/v1/oauth/tokens"}
    return {
        # With DuckDB, dbt would write into the catalog itself.
        "compute": {"name": "warehouse", "type": "postgres", "threads": 2},
        "storage": {"name": "local", "type": "local"},
        "catalog": {
            "name": "server",
            "type": "rest",
            "properties": {"uri": server.url, "warehouse": "lake", "credentials": client},
            "secrets": {"credentials.client_secret": "lake-secret"},
        },
    }


@pytest.fixture
def local() -> dict[str, Any]:
    """A profile in the lake itself, for a product beside one that stands elsewhere."""
    return dict(LOCAL)


@pytest.fixture
async def service(bus: Bus, environment: dict[str, str]) -> AsyncIterator[Service]:
    """A running catalog service."""
    async with _running(environment) as running:
        yield running


@pytest.fixture
def running() -> Callable[[dict[str, str]], Any]:
    """Runs the service inside a block."""
    return _running


@asynccontextmanager
async def _running(environment: dict[str, str]) -> AsyncIterator[Service]:
    service = create_app(environment)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@pytest.fixture
def land(lake: Catalog, tmp_path: Path, digest: str) -> Callable[..., LandedTable]:
    """Lands a table for a run, and says of it what the executor would."""
    numbers = itertools.count(1)

    def run(
        run_id: str,
        table: str = "orders",
        rows: int = 3,
        product: str = "shop-orders",
        select: str = "range as id",
        **landing: Any,
    ) -> LandedTable:
        number = next(numbers)
        database = tmp_path / f"built_{number}.duckdb"
        with duckdb.connect(database) as connection:
            connection.sql(f"select {select} from range(?)", params=[rows]).create(table)
        request = LandingRequest(
            source=DuckDBTable(database, "main", table),
            identifier=("default", "dev", product, "main", table),
            run_id=run_id,
            attempt=1,
            **landing,
        )
        landed = switch_table(
            lake,
            stage_table(lake, request),
            sequence=number,
            properties={ARTIFACT_DIGEST: digest},
            fence=lambda: None,
        )
        return LandedTable(
            identifier=dotted(landed.identifier),
            unique_id=f"model.shop.{table}",
            table_uuid=landed.table_uuid,
            snapshot_id=landed.snapshot_id,
            rows=landed.rows,
            files=landed.files,
            bytes=landed.size_bytes,
        )

    return run


@pytest.fixture
def completed(digest: str) -> Callable[..., RunCompleted]:
    """A run that landed tables."""

    def build(run_id: str, *tables: LandedTable, **changes: Any) -> RunCompleted:
        run = RunCompleted(
            tenant="default",
            environment="dev",
            product="shop-orders",
            run_id=run_id,
            artifact_digest=digest,
            attempt=1,
            nodes=(),
            tables=tables,
            lineage_events=0,
            seconds=RunSeconds(run=1.0, land=1.0),
        )
        return run.model_copy(update=changes)

    return build


@pytest.fixture
def node() -> Callable[..., Node]:
    """Makes a table of the project; see `declared_node`."""
    return declared_node


@pytest.fixture
def compiled(store: Callable[[bytes], str], profile: dict[str, Any]) -> Callable[..., ArtifactCompiled]:
    """Makes a product that was compiled for two environments; see `compiled_event`."""

    def build(
        owner: str = "shop@example.com", version: str = "1.0.0", nodes: tuple[Node, ...] = (), **more: Any
    ) -> ArtifactCompiled:
        place = more.pop("profile", profile)
        return compiled_event(store, place, nodes, owner=owner, version=version, **more)

    return build


@pytest.fixture
def digest(compiled: Callable[..., ArtifactCompiled]) -> str:
    """The artifact that runs land by, unless a test says another."""
    return compiled().artifact_digest


@pytest.fixture
def store(bus_settings: ChassisSettings) -> Callable[[bytes], str]:
    """Puts a blob into the store of the service."""
    folder = Path(str(bus_settings.blobs_url).removeprefix("file://")) / "sha256"

    def put(content: bytes) -> str:
        found = digest_of(content)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / found.removeprefix("sha256:")).write_bytes(content)
        return found

    return put


@pytest.fixture
def told(bus: Bus) -> Callable[..., Any]:
    """The table events on the bus by now, in their order; those of one kind, if it is named."""

    async def read(kind: str = "*") -> list[Received[Any]]:
        messages = [message async for message in read_stream(bus.js, EVENTS, f"floe.v1.table.{kind}.>")]
        return [decode(message.subject, message.headers, message.data) for message in messages]

    return read


@pytest.fixture
def committed(told: Callable[..., Any]) -> Callable[[], Any]:
    """The commits that were told by now."""

    async def read() -> list[Received[Any]]:
        return list(await told("committed"))

    return read


@pytest.fixture
def states(bus: Bus) -> Callable[..., Any]:
    """What the service has written down of tables, in the order of their names."""

    async def read() -> tuple[TableState, ...]:
        return await TableStates(partial(bus.key_value, TABLES_BUCKET)).of_product(
            Place("default", "dev", "shop-orders")
        )

    return read


@pytest.fixture
def dead_letters(bus: Bus) -> Callable[[], Any]:
    """The dead letters by now."""

    async def read() -> list[Any]:
        return [message async for message in read_stream(bus.js, DLQ, "floe.v1.dlq.>")]

    return read


@pytest.fixture
def settled(bus: Bus) -> Callable[[str, str], Any]:
    """Whether a consumer has nothing left to deliver and nothing in flight."""

    return partial(all_handled, bus)
