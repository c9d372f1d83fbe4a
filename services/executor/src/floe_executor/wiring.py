"""What an executor is made of, put together once: for the service, and for the process of a single run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.secrets import of_tenants, open_secrets
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.spool import Spool
from floe_chassis.topology import LIVE_PRODUCTS_BUCKET, RUNS_BUCKET
from floe_contracts.runs import RunRecord
from floe_dbt import shared
from floe_executor.adapters.building.dagster_build import DagsterBuilder
from floe_executor.adapters.dagster_graph.runs import DagsterRuns
from floe_executor.adapters.landing.attached_tables import AttachedTables
from floe_executor.adapters.landing.iceberg_landing import IcebergLander
from floe_executor.adapters.landing.warehouse_files import database_file
from floe_executor.adapters.project_sources import ProjectSources
from floe_executor.adapters.state.backfill_store import BackfillStore
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.adapters.state.live_products import LiveProducts
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.core.ports import Launcher
from floe_executor.runs.attempts import Attempts
from floe_executor.runs.backfill_runs import BackfillRuns
from floe_executor.runs.cancellations import Cancellations
from floe_executor.runs.dispatcher import Dispatcher
from floe_executor.runs.earlier_builds import EarlierBuilds
from floe_executor.runs.endings import Endings
from floe_executor.runs.landings import Landings
from floe_executor.runs.products import Products
from floe_executor.runs.requests import Requests
from floe_executor.runs.run_telemetry import RunTelemetry
from floe_executor.runs.run_worker import RunWorker
from floe_executor.runs.tellings import Tellings
from floe_executor.runs.waiting_runs import WaitingRuns
from floe_executor.settings import ExecutorSettings
from floe_lakehouse.compiled_catalogs import CatalogHandles


@dataclass(frozen=True, slots=True)
class State:
    """What the bus and the blob store hold, and what only reads and writes there."""

    blobs: BlobStore
    store: RunStore
    backfills: BackfillStore
    marks: CancellationStore
    live_products: LiveProducts
    products: Products
    tellings: Tellings
    endings: Endings


@dataclass(frozen=True, slots=True)
class Executor:
    """An executor that is not started yet."""

    service: Service
    chassis: ChassisSettings
    settings: ExecutorSettings
    state: State
    cancellations: Cancellations
    worker: RunWorker
    dagster: DagsterRuns


def assemble(environment: Mapping[str, str]) -> Executor:
    """The parts of an executor with its settings from `environment`; its warm dbt is being started.

    Raises:
        SettingInvalid: a setting is missing or wrong.
    """
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(ExecutorSettings, environment)
    service = Service("executor", chassis)
    state = _state(service, chassis, settings)
    earlier = EarlierBuilds(state.blobs, state.store, state.products)
    cancellations = Cancellations(state.marks)
    dagster = DagsterRuns(settings.dagster_home.resolve())
    worker = RunWorker(
        bus=service.bus,
        store=state.store,
        products=state.products,
        earlier=earlier,
        attempts=_attempts(service, chassis, settings, state, earlier, dagster, environment),
        endings=state.endings,
        tellings=state.tellings,
        marks=state.marks,
        cancellations=cancellations,
        settings=settings,
    )
    return Executor(service, chassis, settings, state, cancellations, worker, dagster)


def dispatcher(executor: Executor, launcher: Launcher | None) -> Dispatcher:
    """The dispatcher of an executor; without a launcher its runs work in this process."""
    state = executor.state
    backfill_runs = BackfillRuns(
        executor.service.bus, state.store, state.backfills, state.marks, state.products, state.endings
    )
    return Dispatcher(
        bus=executor.service.bus,
        store=state.store,
        waiting=WaitingRuns(state.store, state.backfills, state.marks, backfill_runs, state.endings, launcher),
        worker=executor.worker,
        settings=executor.settings,
        chassis=executor.chassis,
        launcher=launcher,
    )


def requests(executor: Executor) -> Requests:
    """What records the requests that an executor hears."""
    state = executor.state
    return Requests(
        executor.service.bus,
        state.store,
        state.backfills,
        state.marks,
        state.live_products,
        state.products,
        state.endings,
    )


def _state(service: Service, chassis: ChassisSettings, settings: ExecutorSettings) -> State:
    bucket = partial(service.bus.key_value, RUNS_BUCKET)
    blobs, store, marks = open_blobs(chassis.blobs_url), RunStore(bucket), CancellationStore(bucket)
    folder = (chassis.work_dir / "executor" / "spool").resolve()
    spool = Spool(service.bus, folder, limit_bytes=settings.spool_bytes)
    tellings = Tellings(service.bus, spool, store, RunTelemetry())
    service.on_start(tellings.recover)
    service.task("spool", spool.run)
    service.on_stop(spool.close)
    return State(
        blobs=blobs,
        store=store,
        backfills=BackfillStore(bucket),
        marks=marks,
        live_products=LiveProducts(partial(service.bus.key_value, LIVE_PRODUCTS_BUCKET)),
        products=Products(blobs),
        tellings=tellings,
        endings=Endings(service.bus, blobs, store, marks, tellings),
    )


def _attempts(
    service: Service,
    chassis: ChassisSettings,
    settings: ExecutorSettings,
    state: State,
    earlier: EarlierBuilds,
    dagster: DagsterRuns,
    environment: Mapping[str, str],
) -> Attempts:
    work = (chassis.work_dir / "executor").resolve()
    dbt_folder = (settings.dbt_folder or work / "dbt").resolve()
    dbt = shared.acquire(dbt_folder)
    database_of = partial(database_file, settings.warehouse_dir.resolve())
    mounted = {"mounted": {"folder": str(settings.secrets_dir)}}
    secrets = of_tenants(open_secrets(chassis.secret_stores, environment, mounted))
    local = {"uri": settings.catalog_uri, "warehouse": settings.catalog_warehouse}
    handles = CatalogHandles(local, secrets)
    service.task("dagster", partial(asyncio.to_thread, dagster.prepare))

    async def stop() -> None:
        await asyncio.to_thread(shared.release, dbt_folder)
        dagster.close()

    service.on_stop(stop)
    lander = AttachedTables(IcebergLander(handles, database_of, secrets), handles)
    return Attempts(
        store=state.store,
        sources=ProjectSources(state.blobs, work / "sources"),
        earlier=earlier,
        builder=DagsterBuilder(dbt, dagster, work / "builds", database_of, secrets, settings.child_limits),
        landings=Landings(state.blobs, state.store, lander),
    )


def launcher(executor: Executor, environment: Mapping[str, str]) -> Launcher | None:
    """The launcher that the settings name.

    Raises:
        SettingInvalid: a setting of it is missing or wrong.
    """
    if executor.settings.launcher == "process":
        return None
    from floe_executor.adapters.launchers.kubernetes import KubernetesLauncher
    from floe_executor.adapters.launchers.settings import KubernetesSettings

    async def timeout_of(record: RunRecord) -> int | None:
        artifact = await executor.state.products.artifact(record.artifact_digest)
        return artifact.orchestration.timeout_seconds

    launcher = KubernetesLauncher(load_settings(KubernetesSettings, environment), timeout_of)
    executor.service.on_stop(launcher.close)
    return launcher
