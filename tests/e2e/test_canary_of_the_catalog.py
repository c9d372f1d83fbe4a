"""The secrets of catalogs and their storage are in nothing that the catalog service keeps, tells or says.

It looks after a product whose catalog is an Iceberg REST server and whose tables stand in a bucket, maintains a table
there, fails at it, and looks in vain for the catalog of another environment. Then everything is searched.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import boto3
import psutil
import pyarrow as pa
import pytest
from canary_search import Search
from nats.js.errors import KeyNotFoundError
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog

from floe_chassis.blobs import open_blobs
from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import EVENTS, TABLES_BUCKET, declared
from floe_chassis.topology_apply import apply
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.cloudevents import decode
from floe_contracts.digests import canonical_json
from floe_contracts.events import ArtifactCompiled, TableMaintained
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_contracts.table_states import TableState, table_state_key
from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.testing.rest_server import RestServer, serving
from floe_lakehouse.testing.rest_tokens import Tokens
from floe_lakehouse.testing.s3_server import serving_s3

pytestmark = [pytest.mark.bus, pytest.mark.timeout(900)]

FLOE: Final = str(Path(sys.executable).with_name("floe"))
PRODUCT: Final = "witness"
IDENTIFIER: Final = f"default.dev.{PRODUCT}.main.numbers"
COMMITS: Final = 4
POLICY: Final = {
    "after_commits": COMMITS,
    "schedule": "0 0 29 2 *",
    "compaction": {"min_input_files": 2},
    "expiry": {"max_age_days": 0, "min_snapshots": 1},
}


class Lake:
    """A bucket, a REST server over it, and a service that looks after a product there.

    Attributes:
        tokens: place -> the secret that stands there.
        commands: the command lines of the service's processes.
    """

    def __init__(self, root: Path, moto: str, server: RestServer, tokens: dict[str, str], bus_url: str) -> None:
        self.root = root
        self.tokens = tokens
        self.commands: set[str] = set()
        self.settings = ChassisSettings(nats_url=bus_url, blobs_url=(root / "blobs").as_uri())
        self._moto = moto
        self._server = server

    def environment(self) -> dict[str, str]:
        """Of the service's process; the secrets stand where they belong."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")}
        return own | {
            "FLOE_NATS_URL": self.settings.nats_url,
            "FLOE_BLOBS_URL": str(self.settings.blobs_url),
            "FLOE_WORK_DIR": str(self.root / "work"),
            "FLOE_HTTP_PORT": "0",
            "FLOE_LOG_LEVEL": "DEBUG",
            "FLOE_CATALOG_URI": f"postgresql+psycopg2://floe:{self.tokens['catalog uri']}@127.0.0.1:1/none",
            "FLOE_CATALOG_WAREHOUSE": (self.root / "nowhere").as_uri(),
            "FLOE_CATALOG_MAINTENANCE_SECONDS": "0.3",
            "FLOE_CATALOG_RECONCILE_SECONDS": "0.5",
            "FLOE_CATALOG_SNAPSHOT_GUARD_SECONDS": "0",
            "LAKE_CLIENT": self.tokens["client secret"],
            "LAKE_KEYS": f"writer:{self.tokens['storage keys']}",
        }

    def place(self) -> dict[str, Any]:
        """The environment of the product that works."""
        client = {"mode": "oauth2", "client_id": "floe", "server_uri": f"{self._server.url}/v1/oauth/tokens"}
        bucket = {"bucket": "lake", "endpoint": self._moto, "region": "us-east-1", "path_style_access": True}
        return {
            "storage": {
                "name": "s3",
                "type": "s3",
                "properties": bucket | {"credentials": {"mode": "static"}},
                "secrets": {"credentials": "lake-keys"},
            },
            "catalog": {
                "name": "server",
                "type": "rest",
                "properties": {"uri": self._server.url, "warehouse": "lake", "credentials": client},
                "secrets": {"credentials.client_secret": "lake-client"},
            },
        }

    def catalog(self) -> Catalog:
        """The catalog, as another writer opens it."""
        return open_catalog(
            {
                "type": "rest",
                "uri": self._server.url,
                "warehouse": "lake",
                "credential": f"floe:{self.tokens['client secret']}",
                "oauth2-server-uri": f"{self._server.url}/v1/oauth/tokens",
                "s3.endpoint": self._moto,
                "s3.access-key-id": "writer",
                "s3.secret-access-key": self.tokens["storage keys"],
                "s3.region": "us-east-1",
            }
        )

    def bucket(self) -> Any:
        """The bucket."""
        keys = {"aws_access_key_id": "writer", "aws_secret_access_key": self.tokens["storage keys"]}
        return boto3.resource("s3", endpoint_url=self._moto, region_name="us-east-1", **keys).Bucket("lake")


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    tokens = {name: f"canary-{secrets.token_hex(16)}" for name in ("client secret", "storage keys", "catalog uri")}
    with serving_s3() as endpoint:
        yield from _lake_at(endpoint, tmp_path, tokens)


def _lake_at(endpoint: str, tmp_path: Path, tokens: dict[str, str]) -> Iterator[Lake]:
    stored = SqlCatalog(
        "lake",
        uri=f"sqlite:///{tmp_path}/server.db",
        warehouse="s3://lake/tables",
        **{
            "s3.endpoint": endpoint,
            "s3.access-key-id": "writer",
            "s3.secret-access-key": tokens["storage keys"],
            "s3.region": "us-east-1",
        },
    )
    bus = NatsServer(tmp_path / "bus")
    bus.start()
    try:
        with serving(stored, tokens=Tokens({"floe": tokens["client secret"]})) as server:
            lake = Lake(tmp_path, endpoint, server, tokens, bus.url)
            lake.bucket().create()
            yield lake
    finally:
        bus.stop()


async def publish(bus: Bus, lake: Lake) -> None:
    """Compile the product for an environment that works, and for one whose catalog does not answer."""
    blobs = open_blobs(lake.settings.blobs_url)
    nodes = await blobs.put(canonical_json(NodeGraph(project="p", nodes=(), checks=()).model_dump(mode="json")))
    shared = {
        "refs": ["*"],
        "compute": {"name": "warehouse", "type": "postgres", "threads": 1},
        "policies": {},
        "manifest": nodes,
        "nodes": nodes,
        "maintenance": POLICY,
    }
    nowhere = {"storage": {"name": "local", "type": "local"}, "catalog": {"name": "local", "type": "sql"}}
    artifact = CompiledArtifacts.model_validate(
        {
            "product": {"name": PRODUCT, "version": "1.0.0", "description": "", "owner": "me", "labels": {}},
            "sources": {"bundle": nodes, "platform": nodes},
            "tools": {"dbt_core": "1.11.16", "adapters": {"duckdb": "1.11.1"}},
            "transforms": [{"path": "dbt"}],
            "landing": ["table"],
            "serving": {"cube": True},
            "environments": {"dev": shared | lake.place(), "prod": shared | nowhere},
        }
    )
    await blobs.put(canonical_json(artifact.to_document()))
    event = ArtifactCompiled(
        tenant="default",
        product=PRODUCT,
        submission="s",
        artifact_digest=artifact.digest(),
        artifact=artifact.to_document(),
        seconds=1.0,
    )
    await bus.publish(event, id="s")


def append(lake: Lake, times: int) -> Any:
    """Commit one row so many times."""
    catalog = lake.catalog()
    schema = pa.schema([("id", pa.int64())])
    namespace = tuple(IDENTIFIER.split(".")[:-1])
    for depth in range(1, len(namespace) + 1):
        catalog.create_namespace_if_not_exists(namespace[:depth])
    levels = (*namespace, "numbers")
    there = catalog.table_exists(levels)
    table = catalog.load_table(levels) if there else catalog.create_table(levels, schema)
    for number in range(times):
        table.append(pa.table({"id": [number]}, schema=schema))
    return table


async def maintained(bus: Bus, outcome: str) -> list[TableMaintained]:
    messages = [message async for message in read_stream(bus.js, EVENTS, "floe.v1.table.maintained.>")]
    events = [decode(message.subject, message.headers, message.data).event for message in messages]
    return [event for event in events if isinstance(event, TableMaintained) and event.outcome == outcome]


async def maintained_at(bus: Bus) -> str | None:
    """When maintenance of the table last came to its end; what is committed from then on makes it due again."""
    bucket = await bus.key_value(TABLES_BUCKET)
    with suppress(KeyNotFoundError):
        entry = await bucket.get(table_state_key(Place("default", "dev", PRODUCT), IDENTIFIER))
        return TableState.model_validate_json(entry.value or b"", extra="ignore").maintained_at
    return None


def command_lines(service: psutil.Process) -> Iterator[str]:
    for process in (service, *service.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            yield " ".join(process.cmdline())


async def work(bus: Bus, lake: Lake, service: psutil.Process) -> None:
    """Have the table maintained, and have that fail."""
    await publish(bus, lake)
    await asyncio.to_thread(append, lake, COMMITS)

    async def done() -> str | None:
        lake.commands.update(command_lines(service))
        return await maintained_at(bus)

    await eventually(done, timeout=240)
    assert len(await maintained(bus, "done")) >= 2
    table = await asyncio.to_thread(append, lake, COMMITS - 1)
    (path,) = {task.file.file_path for task in table.scan(limit=1).plan_files() if task.file.record_count > 1}
    await asyncio.to_thread(lambda: lake.bucket().Object(path.removeprefix("s3://lake/")).delete())
    await asyncio.to_thread(append, lake, 1)
    await eventually(lambda: maintained(bus, "failed"), timeout=240)


def started(lake: Lake, said: Path) -> subprocess.Popen[bytes]:
    """The service, which logs all that it can say."""
    with said.open("wb") as log:
        return subprocess.Popen(
            [FLOE, "serve", "catalog"], env=lake.environment(), cwd=lake.root, stdout=log, stderr=log
        )


async def test_no_secret_of_a_catalog_is_anywhere(lake: Lake) -> None:
    bus = Bus("test", lake.settings)
    await bus.connect(wait=False)
    await apply(bus, declared(lake.settings))
    said = lake.root / "service.log"
    process = started(lake, said)
    search = Search(lake.tokens, PRODUCT, [])
    try:
        await work(bus, lake, psutil.Process(process.pid))
        await search.look_at_messages(bus)
    finally:
        process.terminate()
        process.wait(120)
        await bus.close()
    for item in lake.bucket().objects.all():
        search.look("objects", item.key, item.get()["Body"].read())
    search.look("logs", said.name, said.read_bytes())
    search.look_at_files("blobs", lake.root / "blobs")
    for command in lake.commands:
        search.look("commands", command, command.encode())
    assert search.found == []
    assert search.looked["messages"] >= 20
    assert search.looked["objects"] >= 10
    assert all(search.seen[medium] for medium in ("messages", "objects", "logs", "blobs")), search.seen
    assert any("action_child" in command for command in lake.commands)
    assert "FLOE-LAKE-002" in said.read_text()
