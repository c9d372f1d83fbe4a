"""The compiler as it runs in production: a real bus, a real blob store, the real dbt fork server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.source_bundles import pack
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import ARTIFACTS
from floe_compiler.app import create_app
from floe_contracts.cloudevents import Received, decode
from floe_contracts.events import ArtifactCompiled, ArtifactPlanned, ArtifactRejected, Event, SpecSubmitted
from floe_dbt import shared

Files = Mapping[str, str | bytes]
Outcome = ArtifactCompiled | ArtifactPlanned | ArtifactRejected
StartCompiler = Callable[..., Awaitable[Service]]

FLOE_YAML = """\
apiVersion: floe.dev/v1
kind: FloeSpec
metadata: {name: shop, version: 1.0.0, owner: shop@example.com}
transforms: [{type: dbt, path: dbt}]
"""
PLATFORM_YAML = """\
apiVersion: floe.dev/v1
kind: PlatformSpec
metadata: {name: local, version: 1.0.0, owner: platform@example.com}
environments:
  dev: {profiles: {default: {compute: small, storage: local, catalog: local}}}
  prod:
    refs: [main]
    profiles: {default: {compute: large, storage: local, catalog: local}}
    policies: {pii: {action: mask, requiresRole: [data_owner]}}
compute:
  small: {type: duckdb, threads: 1}
  large: {type: duckdb, threads: 4, memoryLimit: 2GB}
storage: {local: {type: local}}
catalogs: {local: {type: sql}}
"""
SHOP: Files = {
    "floe.yaml": FLOE_YAML,
    "dbt/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\nmodels: {shop: {+materialized: table}}\n",
    "dbt/seeds/raw_orders.csv": "id,customer\n1,ann\n2,bob\n",
    "dbt/models/orders.sql": "select id, customer from {{ ref('raw_orders') }}\n",
    "dbt/models/schema.yml": """\
models:
  - name: orders
    config: {meta: {floe: {owner: shop@example.com, expose: true}}}
    columns:
      - {name: id, data_tests: [unique, not_null]}
      - {name: customer, config: {meta: {floe: {classification: pii, pii_type: name}}}}
""",
}


@pytest.fixture(scope="session")
def canary() -> Iterator[str]:
    """A secret in the compiler's environment, from before the fork server starts."""
    os.environ["SHOP_PASSWORD"] = os.environ["DBT_ENV_SECRET_PASSWORD"] = "canary-7d01c4"
    yield "canary-7d01c4"
    del os.environ["SHOP_PASSWORD"], os.environ["DBT_ENV_SECRET_PASSWORD"]


@pytest.fixture(scope="session")
def dbt_folder(canary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a fork server that all compilers of the session share, so that dbt warms up once."""
    folder = tmp_path_factory.mktemp("dbt")
    shared.acquire(folder).wait_ready()
    yield folder
    shared.release(folder)


@pytest.fixture
def blobs(bus_settings: ChassisSettings) -> BlobStore:
    return open_blobs(bus_settings.blobs_url)


@pytest.fixture
async def start_compiler(bus: Bus, bus_settings: ChassisSettings, dbt_folder: Path) -> AsyncIterator[StartCompiler]:
    """Starts a compiler; keywords are variables of its environment."""
    del bus  # the topology must be there
    started: list[Service] = []

    async def start(**variables: str) -> Service:
        service = create_app(
            {
                "FLOE_NATS_URL": bus_settings.nats_url,
                "FLOE_BLOBS_URL": bus_settings.blobs_url or "",
                "FLOE_WORK_DIR": str(bus_settings.work_dir),
                "FLOE_COMPILER_DBT_FOLDER": str(dbt_folder),
                "FLOE_RETRY_SECONDS": "0.2",
                **variables,
            }
        )
        started.append(service)
        await service.start()
        return service

    yield start
    for service in started:
        await service.stop(grace=5.0)


@dataclass(frozen=True, slots=True)
class Submissions:
    """Submits folders, and waits for what the compiler says."""

    bus: Bus
    blobs: BlobStore
    folder: Path

    def write(self, files: Files, name: str) -> Path:
        folder = self.folder / name
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    async def submit(
        self,
        files: Files,
        submission: str = "s1",
        *,
        platform: str | bytes | None = None,
        product: str = "shop",
        folder: str = "source",
        message_id: str | None = None,
        **more: Any,
    ) -> SpecSubmitted:
        if isinstance(platform, str):
            platform = platform.encode()
        submitted = SpecSubmitted(
            tenant="default",
            product=product,
            submission=submission,
            bundle=await pack(self.write(files, folder), self.blobs),
            platform=None if platform is None else await self.blobs.put(platform),
            **more,
        )
        await self.bus.publish(submitted, id=message_id or f"{product}:{submission}")
        return submitted

    async def outcomes(self) -> list[Received[Event]]:
        """All that the compiler has said so far, in order."""
        return [
            decode(message.subject, message.headers, message.data)
            async for message in read_stream(self.bus.js, ARTIFACTS, "floe.v1.artifacts.>")
        ]

    async def outcome(self, submission: str = "s1", *, dry_run: bool = False) -> Outcome:
        async def found() -> Outcome | None:
            for received in await self.outcomes():
                event = received.event
                dry = getattr(event, "dry_run", isinstance(event, ArtifactPlanned))
                if isinstance(event, Outcome) and (event.submission, dry) == (submission, dry_run):
                    return event
            return None

        event = await eventually(found, timeout=60)
        assert event is not None
        return event

    async def compiled(self, submission: str = "s1") -> ArtifactCompiled:
        event = await self.outcome(submission)
        assert isinstance(event, ArtifactCompiled), event
        return event

    async def rejected(self, submission: str = "s1") -> ArtifactRejected:
        event = await self.outcome(submission)
        assert isinstance(event, ArtifactRejected)
        return event


@pytest.fixture
def submissions(bus: Bus, blobs: BlobStore, tmp_path: Path) -> Submissions:
    return Submissions(bus, blobs, tmp_path / "submitted")


@pytest.fixture
def shop() -> dict[str, str | bytes]:
    """The files of a small product that compiles; a test changes what it is about."""
    return dict(SHOP)


@pytest.fixture
def platform_yaml() -> str:
    """A platform with two environments."""
    return PLATFORM_YAML
