"""The catalog service on a real bus and a real Iceberg catalog with tables that were really landed."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.catalog import Catalog

from floe_catalog.app import create_app
from floe_chassis.bus import Bus
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import DLQ, EVENTS
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.cloudevents import Received, decode
from floe_contracts.events import ArtifactCompiled, LandedTable, RunCompleted, RunSeconds
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.duckdb_files import DuckDBTable
from floe_lakehouse.identifiers import dotted
from floe_lakehouse.landing import switch_table
from floe_lakehouse.snapshots import ARTIFACT_DIGEST
from floe_lakehouse.staged import LandingRequest
from floe_lakehouse.staging import stage_table

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def environment(bus_settings: ChassisSettings, tmp_path: Path) -> dict[str, str]:
    """The environment of a catalog service with a catalog of its own."""
    return {
        "FLOE_NATS_URL": bus_settings.nats_url,
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
def land(lake: Catalog, tmp_path: Path) -> Callable[..., LandedTable]:
    """Lands a table for a run, and says of it what the executor would."""
    numbers = itertools.count(1)

    def run(run_id: str, table: str = "orders", rows: int = 3, product: str = "shop-orders") -> LandedTable:
        number = next(numbers)
        database = tmp_path / f"built_{number}.duckdb"
        with duckdb.connect(database) as connection:
            connection.sql("select range as id from range(?)", params=[rows]).create(table)
        request = LandingRequest(
            source=DuckDBTable(database, "main", table),
            identifier=("default", "dev", product, "main", table),
            run_id=run_id,
            attempt=1,
        )
        landed = switch_table(
            lake,
            stage_table(lake, request),
            sequence=number,
            properties={ARTIFACT_DIGEST: DIGEST},
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
def completed() -> Callable[..., RunCompleted]:
    """A run that landed tables."""

    def build(run_id: str, *tables: LandedTable) -> RunCompleted:
        return RunCompleted(
            tenant="default",
            environment="dev",
            product="shop-orders",
            run_id=run_id,
            artifact_digest=DIGEST,
            attempt=1,
            nodes=(),
            tables=tables,
            lineage_events=0,
            seconds=RunSeconds(run=1.0, land=1.0),
        )

    return build


@pytest.fixture
def compiled() -> Callable[..., ArtifactCompiled]:
    """A product that was compiled for two environments."""

    def build(owner: str = "shop@example.com", version: str = "1.0.0") -> ArtifactCompiled:
        place = {
            "refs": ["*"],
            "compute": {"name": "duckdb", "type": "duckdb", "threads": 2, "properties": {"memory_limit": "1GB"}},
            "storage": {"name": "local", "type": "local"},
            "catalog": {"name": "local", "type": "sql"},
            "policies": {},
            "manifest": DIGEST,
            "nodes": DIGEST,
        }
        identity = {"name": "shop-orders", "version": version, "description": "", "owner": owner, "labels": {}}
        artifact = CompiledArtifacts.model_validate(
            {
                "product": identity,
                "sources": {"bundle": DIGEST, "platform": DIGEST},
                "tools": {"dbt_core": "1.11.16", "adapters": {"duckdb": "1.11.1"}},
                "transforms": [{"path": "dbt"}],
                "landing": ["table"],
                "serving": {"cube": True},
                "environments": {"dev": place, "prod": place},
            }
        )
        return ArtifactCompiled(
            tenant="default",
            product="shop-orders",
            submission="s",
            artifact_digest=artifact.digest(),
            artifact=artifact.to_document(),
            seconds=1.0,
        )

    return build


@pytest.fixture
def committed(bus: Bus) -> Callable[[], Any]:
    """The table events on the bus by now."""

    async def read() -> list[Received[Any]]:
        messages = [message async for message in read_stream(bus.js, EVENTS, "floe.v1.table.committed.>")]
        return [decode(message.subject, message.headers, message.data) for message in messages]

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

    async def check(stream: str, consumer: str) -> bool:
        info = await bus.js.consumer_info(stream, consumer)
        return info.num_pending == 0 and info.num_ack_pending == 0

    return check
