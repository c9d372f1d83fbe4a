"""A product whose tables are maintained, and tables with many small files, which somebody else than floe wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_catalog.core.maintenance_actions import MaintenanceOptions, TableWork
from floe_catalog.maintenance.wiring import start_maintenance
from floe_catalog.maintenance.work import TableMaintenance
from floe_catalog.wiring import Parts, assemble
from floe_chassis.blobs import open_blobs
from floe_chassis.bus import Bus
from floe_chassis.fault_points import FOLDER
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import EVENTS, SNAPSHOT_PINS_BUCKET
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.catalog_products import CatalogProduct
from floe_contracts.cloudevents import Received, decode
from floe_contracts.digests import canonical_json
from floe_contracts.events import ArtifactCompiled
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import EventKind

PLACE = Place("default", "dev", "shop-orders")
NAMESPACE = "default.dev.shop-orders.main"
SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])
OPTIONS = MaintenanceOptions(
    target_file_size_bytes=2**27,
    min_input_files=2,
    min_manifests=100,
    max_age_seconds=0,
    min_snapshots=1,
    orphan_age_seconds=86_400,
)


@pytest.fixture
def maintained_environment(
    environment: dict[str, str], bus_settings: ChassisSettings, tmp_path: Path
) -> dict[str, str]:
    """Of a service that looks all the time, and lets snapshots expire at once."""
    return environment | {
        "FLOE_BLOBS_URL": bus_settings.blobs_url or "",
        "FLOE_WORK_DIR": str(tmp_path / "work"),
        "FLOE_LEASE_SECONDS": "3",
        "FLOE_CATALOG_MAINTENANCE_SECONDS": "0.2",
        "FLOE_CATALOG_RECONCILE_SECONDS": "0.5",
        "FLOE_CATALOG_SNAPSHOT_GUARD_SECONDS": "0",
    }


@pytest.fixture
def artifact(bus_settings: ChassisSettings) -> Callable[..., Awaitable[ArtifactCompiled]]:
    """Compiles a product that declares no tables, with a policy of maintenance."""

    async def build(**maintenance: Any) -> ArtifactCompiled:
        blobs = open_blobs(bus_settings.blobs_url)
        graph = NodeGraph(project="shop", nodes=(), checks=())
        nodes = await blobs.put(canonical_json(graph.model_dump(mode="json")))
        place = {
            "refs": ["*"],
            "compute": {"name": "duckdb", "type": "duckdb", "threads": 2, "properties": {"memory_limit": "1GB"}},
            "storage": {"name": "local", "type": "local"},
            "catalog": {"name": "local", "type": "sql"},
            "policies": {},
            "manifest": nodes,
            "nodes": nodes,
            "maintenance": maintenance,
        }
        identity = {"name": PLACE.product, "version": "1.0.0", "description": "", "owner": "me", "labels": {}}
        compiled = CompiledArtifacts.model_validate(
            {
                "product": identity,
                "sources": {"bundle": nodes, "platform": nodes},
                "tools": {"dbt_core": "1.11.16", "adapters": {"duckdb": "1.11.1"}},
                "transforms": [{"path": "dbt"}],
                "landing": ["table"],
                "serving": {"cube": True},
                "environments": {PLACE.environment: place},
            }
        )
        document = compiled.to_document()
        assert await blobs.put(canonical_json(document)) == compiled.digest()
        return ArtifactCompiled(
            tenant=PLACE.tenant,
            product=PLACE.product,
            submission="s",
            artifact_digest=compiled.digest(),
            artifact=document,
            seconds=1.0,
        )

    return build


@pytest.fixture
def publish_product(bus: Bus, artifact: Callable[..., Awaitable[ArtifactCompiled]]) -> Callable[..., Awaitable[None]]:
    """Have the service look after the product, with a policy of maintenance."""

    async def publish(**maintenance: Any) -> None:
        event = await artifact(**maintenance)
        await bus.publish(event, id=f"{PLACE.product}:s:{event.artifact_digest}")

    return publish


@pytest.fixture
def write(lake: Catalog) -> Callable[..., Table]:
    """Appends to a table so many times, two rows each."""

    def append(name: str = "orders", times: int = 1) -> Table:
        identifier = f"{NAMESPACE}.{name}"
        for level in range(1, 5):
            lake.create_namespace_if_not_exists(tuple(NAMESPACE.split(".")[:level]))
        there = lake.table_exists(identifier)
        table = lake.load_table(identifier) if there else lake.create_table(identifier, SCHEMA)
        for number in range(times):
            table.append(pa.table({"id": [number, number + 1], "name": ["a", "b"]}, schema=SCHEMA))
        return table

    return append


@pytest.fixture
def read(lake: Catalog) -> Callable[..., list[int]]:
    """The ids in a table, sorted."""

    def scan(name: str = "orders", snapshot_id: int | None = None) -> list[int]:
        table = lake.load_table(f"{NAMESPACE}.{name}")
        return sorted(table.scan(snapshot_id=snapshot_id).to_arrow()["id"].to_pylist())

    return scan


@pytest.fixture
async def parts(
    bus: Bus, maintained_environment: dict[str, str], artifact: Callable[..., Awaitable[ArtifactCompiled]]
) -> AsyncIterator[Parts]:
    """A service that only does what a test asks of it, and looks after the product."""
    parts = assemble(maintained_environment)
    await parts.service.bus.connect()
    event = await artifact()
    record = CatalogProduct(
        tenant=PLACE.tenant,
        environment=PLACE.environment,
        product=PLACE.product,
        artifact_digest=event.artifact_digest,
        sequence=1,
    )
    await parts.records.change(PLACE, lambda _: record)
    yield parts
    await parts.service.stop()


@pytest.fixture
def maintenance(parts: Parts) -> TableMaintenance:
    """What does the work."""
    return start_maintenance(parts)


@pytest.fixture
def pins(bus: Bus) -> SnapshotPins:
    """The pins, as others hold them."""
    return SnapshotPins(partial(bus.key_value, SNAPSHOT_PINS_BUCKET))


@pytest.fixture
def asked() -> Callable[..., TableWork]:
    """What somebody asks for."""

    def work(*actions: Any, name: str = "orders", cause: str = "one", requester: str = "ada", **more: Any) -> TableWork:
        values = {"options": OPTIONS} | more
        identifier = f"{NAMESPACE}.{name}"
        return TableWork(
            place=PLACE, identifier=identifier, actions=actions, requester=requester, cause=cause, **values
        )

    return work


@pytest.fixture
def told(bus: Bus) -> Callable[..., Awaitable[list[Received[Any]]]]:
    """The events of a kind by now."""

    async def read_events(kind: EventKind = EventKind.TABLE_MAINTAINED) -> list[Received[Any]]:
        messages = [message async for message in read_stream(bus.js, EVENTS, f"floe.v1.{kind}.>")]
        return [decode(message.subject, message.headers, message.data) for message in messages]

    return read_events


class Points:
    """Points at which the process that works is held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def arm(self, point: str) -> None:
        """Have the next one that comes there held."""
        (self._folder / point).touch()

    async def until_reached(self, point: str) -> None:
        """Wait until it is held."""
        await eventually((self._folder / f"{point}.reached").exists, timeout=30)

    def go_on(self, point: str) -> None:
        """Let it go on."""
        (self._folder / f"{point}.go").touch()


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Points:
    folder = tmp_path / "points"
    folder.mkdir()
    monkeypatch.setenv(FOLDER, str(folder))
    return Points(folder)


def action_processes() -> list[psutil.Process]:
    """The processes that this one has started to work on tables."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if child.status() != psutil.STATUS_ZOMBIE and "floe_catalog.maintenance.action_child" in child.cmdline():
                found.append(child)
    return found


def spoil_manifest(table: Table) -> None:
    """Make a manifest of a table unreadable."""
    snapshot = table.current_snapshot()
    assert snapshot is not None
    Path(snapshot.manifests(table.io)[0].manifest_path.removeprefix("file://")).write_bytes(b"rubbish")


def data_files_in(folder: Path) -> list[Path]:
    """All data files on the disk, whether a snapshot holds them or not."""
    return list((folder / "lake").rglob("*.parquet"))
