"""The executor as it runs in production: a real bus, blob store, dbt, DuckDB, Dagster and Iceberg catalog."""

from __future__ import annotations

import importlib.util
import itertools
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
from pyiceberg.catalog import Catalog

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.source_bundles import pack
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import EVENTS, declared
from floe_chassis.topology_apply import apply
from floe_contracts.artifacts import Catalog as CompiledCatalog
from floe_contracts.artifacts import (
    CompiledArtifacts,
    CompiledEnvironment,
    Compute,
    DbtProject,
    ProductIdentity,
    Serving,
    Sources,
    Storage,
    Tools,
)
from floe_contracts.cloudevents import decode
from floe_contracts.compiled_product import (
    CompiledConcurrency,
    CompiledObservability,
    CompiledOrchestration,
    CompiledRetries,
)
from floe_contracts.digests import canonical_json, digest_of
from floe_contracts.events import RunCompleted, RunEvent, RunFailed, RunRequested
from floe_contracts.openlineage.naming import Place, run_id
from floe_contracts.runs import RunRecord, RunStatus
from floe_dbt import shared
from floe_dbt.nodes import read_nodes
from floe_dbt.parse import parse_project
from floe_dbt.profiles import write_profile
from floe_dbt.versions import installed_tools
from floe_dbt.warm_dbt import WarmDbt
from floe_executor.adapters.open_lineage import lineage_of
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.app import create_app
from floe_lakehouse.catalogs import open_catalog

Files = Mapping[str, str]
PLACE = Place("default", "dev", "shop")
COMPUTE = Compute(name="small", type="duckdb", threads=2, properties={"memory_limit": "500MB"})
PROJECT_YML = "name: shop\nversion: '1.0'\nprofile: floe\nmodels: {shop: {+materialized: table}}\n"
ORCHESTRATION = CompiledOrchestration(
    retries=CompiledRetries(max_attempts=3, delay_seconds=0, backoff="constant"),
    concurrency=CompiledConcurrency(queue="queue", partitions=1),
)
_CONTRACTS_TESTS = Path(__file__).parents[3] / "libs" / "contracts" / "tests" / "conftest.py"


class Schemas(Protocol):
    """The validator of OpenLineage events."""

    def problems(self, event: Mapping[str, Any]) -> list[str]: ...


@pytest.fixture(scope="session")
def openlineage() -> Schemas:
    """The strict validator of the contracts' own tests."""
    specification = importlib.util.spec_from_file_location("floe_contracts_tests_conftest", _CONTRACTS_TESTS)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    schemas: Schemas = module.OpenLineageSchemas()
    return schemas


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a fork server that all executors of the session share, so that dbt warms up once."""
    folder = tmp_path_factory.mktemp("dbt")
    shared.acquire(folder)
    yield folder
    shared.release(folder)


@pytest.fixture(scope="session")
def dbt(dbt_folder: Path) -> Iterator[WarmDbt]:
    yield shared.acquire(dbt_folder)
    shared.release(dbt_folder)


@pytest.fixture(scope="session")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One Dagster instance for the session: requests of the same cause meet in it, as those of two products may."""
    return tmp_path_factory.mktemp("dagster")


@pytest.fixture
def place() -> Place:
    return PLACE


@pytest.fixture
def run_record() -> RunRecord:
    """A run in its first attempt."""
    return RunRecord(
        run_id=run_id(PLACE, "request-1"),
        tenant=PLACE.tenant,
        environment=PLACE.environment,
        product=PLACE.product,
        artifact_digest=digest_of(b"artifact"),
        status=RunStatus.STARTED,
        attempt=1,
        cause="request-1",
        requested_at=datetime.now(UTC).isoformat(),
    )


def compiled(
    manifest: str,
    nodes: str,
    bundle: str,
    tools: Tools,
    compute: Compute = COMPUTE,
    computes: Mapping[str, Compute] | None = None,
    orchestration: CompiledOrchestration = ORCHESTRATION,
) -> CompiledArtifacts:
    environment = CompiledEnvironment(
        refs=("*",),
        compute=compute,
        computes=dict(computes or {}),
        storage=Storage(name="local", type="local"),
        catalog=CompiledCatalog(name="local", type="sql"),
        policies={},
        manifest=manifest,
        nodes=nodes,
    )
    return CompiledArtifacts(
        product=ProductIdentity(name="shop", version="1.0.0", description="A shop.", owner="me", labels={}),
        sources=Sources(bundle=bundle, platform=digest_of(b"platform")),
        tools=tools,
        transforms=(DbtProject(path="dbt"),),
        landing=("incremental", "seed", "snapshot", "table"),
        serving=Serving(cube=False),
        triggers=(),
        orchestration=orchestration,
        observability=CompiledObservability(traces=True, metrics=True, lineage=True, attributes={}),
        environments={"dev": environment},
    )


@pytest.fixture
def artifact() -> CompiledArtifacts:
    """An artifact whose parts are in no blob store."""
    digest = digest_of(b"part")
    return compiled(digest, digest, digest, Tools(dbt_core="1.11.0", adapters={}))


@pytest.fixture
def blobs(bus_settings: ChassisSettings) -> BlobStore:
    return open_blobs(bus_settings.blobs_url)


@pytest.fixture
def store(bus: Bus) -> RunStore:
    return RunStore(lambda: bus.key_value("floe_runs"))


@dataclass(slots=True)
class Stack:
    """One executor and all that it works on."""

    bus: Bus
    blobs: BlobStore
    store: RunStore
    dbt: WarmDbt
    folder: Path
    environment: dict[str, str]
    compute: Compute = COMPUTE
    services: list[Service] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def start(self, **variables: str) -> Service:
        service = create_app(self.environment | variables)
        self.services.append(service)
        await service.start()
        return service

    async def compile(
        self,
        files: Files,
        built: Files | None = None,
        *,
        compute: Compute = COMPUTE,
        computes: Mapping[str, Compute] | None = None,
        parsed_for: Compute = COMPUTE,
        orchestration: CompiledOrchestration = ORCHESTRATION,
    ) -> str:
        """The artifact of a dbt project; `built` is what its bundle holds, where that differs.

        `compute` and `computes` are those of the artifact; the project is parsed for `parsed_for`.
        """
        folder = self.folder / f"product-{next(self.numbers)}"
        project = _write(folder, files)
        state = folder / "state"
        profile = write_profile(
            state, environment="dev", compute=parsed_for, database=state / "shop.duckdb", allowed_directories=[]
        )
        parsed = parse_project(
            self.dbt, project, environment="dev", profiles_dir=profile.parent, state_dir=state, source=os.environ
        )
        if built is not None:
            _write(folder, built)
        made = compiled(
            await self.blobs.put(canonical_json(parsed.manifest)),
            await self.blobs.put(
                canonical_json(read_nodes(parsed.manifest).model_dump(mode="json", exclude_none=True))
            ),
            await pack(folder / "product", self.blobs),
            installed_tools(),
            compute,
            computes,
            orchestration,
        )
        return await self.blobs.put(made.to_bytes())

    async def request(self, artifact: str, cause: str = "shop:1", environment: str = "dev", **fields: Any) -> str:
        """Ask for a run of the artifact; `fields` are those of the request. The id of the run, or of the backfill."""
        requested = RunRequested(
            tenant=PLACE.tenant,
            environment=environment,
            product=PLACE.product,
            artifact_digest=artifact,
            requester="test",
            reason="test",
            **fields,
        )
        await self.bus.publish(requested, id=cause)
        return run_id(Place(PLACE.tenant, environment, PLACE.product), cause)

    async def events(self, run: str) -> list[RunEvent]:
        """The events of a run so far, in order."""
        found = []
        async for message in read_stream(self.bus.js, EVENTS, "floe.v1.>"):
            event = decode(message.subject, message.headers, message.data).event
            if isinstance(event, RunEvent) and event.run_id == run:
                found.append(event)
        return found

    async def ended(self, run: str) -> RunCompleted | RunFailed:
        async def found() -> RunCompleted | RunFailed | None:
            events = await self.events(run)
            return next((event for event in events if isinstance(event, RunCompleted | RunFailed)), None)

        outcome = await eventually(found, timeout=150)
        assert outcome is not None
        return outcome

    async def completed(self, run: str) -> RunCompleted:
        outcome = await self.ended(run)
        assert isinstance(outcome, RunCompleted), outcome
        return outcome

    async def failed(self, run: str) -> RunFailed:
        outcome = await self.ended(run)
        assert isinstance(outcome, RunFailed), outcome
        return outcome

    async def until_started(self, run: str, unique_id: str) -> None:
        """Wait until dbt works on a node."""

        async def begun() -> bool:
            events = await self.events(run)
            return any(event.kind == "node.started" and event.unique_id == unique_id for event in events)  # type: ignore[attr-defined]

        await eventually(begun, timeout=120)

    async def record(self, run: str, environment: str = "dev") -> RunRecord:
        return (await self.store.read(f"default.{environment}.shop.{run}")).record

    async def lineage(self, run: str) -> list[dict[str, Any]]:
        return [event async for event in lineage_of(self.bus, await self.record(run))]

    def catalog(self) -> Catalog:
        return open_catalog(
            {
                "type": "sql",
                "uri": self.environment["FLOE_EXECUTOR_CATALOG_URI"],
                "warehouse": self.environment["FLOE_EXECUTOR_CATALOG_WAREHOUSE"],
            }
        )

    def tables(self) -> list[str]:
        catalog = self.catalog()
        namespaces = [("default", "dev", "shop", "main")]
        return sorted(
            name[-1] for space in namespaces if catalog.namespace_exists(space) for name in catalog.list_tables(space)
        )


def _write(folder: Path, files: Files) -> Path:
    project = folder / "product" / "dbt"
    for name, text in {"dbt_project.yml": PROJECT_YML, **files}.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return project


@pytest.fixture
def lease_seconds() -> float:
    """Longer than a busy machine keeps an event loop waiting."""
    return 9.0


@pytest.fixture
async def stack(
    bus: Bus,
    bus_settings: ChassisSettings,
    lease_seconds: float,
    blobs: BlobStore,
    store: RunStore,
    dbt: WarmDbt,
    dbt_folder: Path,
    dagster_home: Path,
    tmp_path: Path,
) -> AsyncIterator[Stack]:
    """Everything that an executor needs; `await stack.start()` starts one."""
    environment = {
        "FLOE_NATS_URL": bus_settings.nats_url,
        "FLOE_BLOBS_URL": bus_settings.blobs_url or "",
        "FLOE_WORK_DIR": str(bus_settings.work_dir),
        "FLOE_LEASE_SECONDS": f"{lease_seconds:g}",
        "FLOE_ACK_WAIT": f"{bus_settings.ack_wait:g}",
        "FLOE_EXECUTOR_DBT_FOLDER": str(dbt_folder),
        "FLOE_EXECUTOR_DAGSTER_HOME": str(dagster_home),
        "FLOE_EXECUTOR_WAREHOUSE_DIR": str(tmp_path / "warehouse"),
        "FLOE_EXECUTOR_CATALOG_URI": f"sqlite:///{tmp_path}/catalog.db",
        "FLOE_EXECUTOR_CATALOG_WAREHOUSE": f"file://{tmp_path}/lake",
        "FLOE_EXECUTOR_TICK_SECONDS": "0.3",
    }
    await apply(bus, declared(bus_settings.model_copy(update={"lease_seconds": lease_seconds})))
    made = Stack(bus, blobs, store, dbt, tmp_path / "products", environment)
    yield made
    for service in made.services:
        await service.stop(grace=5.0)
