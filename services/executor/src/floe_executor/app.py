"""Wiring of the executor."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from floe_chassis.blobs import open_blobs
from floe_chassis.secrets import open_secrets
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.topology import EXECUTOR, RUNS_BUCKET
from floe_contracts.events import RunRequested
from floe_dbt import shared
from floe_executor.adapters.dagster_assets import DagsterRuns
from floe_executor.adapters.dagster_build import DagsterBuilder
from floe_executor.adapters.iceberg_landing import IcebergLander
from floe_executor.adapters.project_sources import ProjectSources
from floe_executor.adapters.run_store import RunStore
from floe_executor.adapters.warehouse_files import database_file
from floe_executor.dispatcher import Dispatcher
from floe_executor.handlers import Handlers
from floe_executor.run_worker import RunWorker
from floe_executor.settings import ExecutorSettings


def create_app(environment: Mapping[str, str]) -> Service:
    """The executor with its settings from `environment`."""
    chassis = load_settings(ChassisSettings, environment)
    settings = load_settings(ExecutorSettings, environment)
    service = Service("executor", chassis)
    work = (chassis.work_dir / "executor").resolve()
    dbt_folder = (settings.dbt_folder or work / "dbt").resolve()
    dbt = shared.acquire(dbt_folder)
    blobs = open_blobs(chassis.blobs_url)
    database_of = partial(database_file, settings.warehouse_dir.resolve())
    runs = DagsterRuns(settings.dagster_home.resolve())
    mounted = {"mounted": {"folder": str(settings.secrets_dir)}}
    store = RunStore(partial(service.bus.key_value, RUNS_BUCKET))
    worker = RunWorker(
        bus=service.bus,
        blobs=blobs,
        store=store,
        sources=ProjectSources(blobs, work / "sources"),
        builder=DagsterBuilder(
            dbt, runs, work / "builds", database_of, open_secrets(chassis.secret_stores, environment, mounted)
        ),
        lander=IcebergLander(settings.catalog_uri, settings.catalog_warehouse, database_of),
        max_attempts=settings.max_attempts,
    )
    dispatcher = Dispatcher(service.bus, store, worker, settings, chassis)
    service.subscribe(EXECUTOR, RunRequested, Handlers(store, service.bus, dispatcher).run_requested)
    service.task("dispatcher", dispatcher.run)
    service.task("dagster", partial(asyncio.to_thread, runs.prepare))

    async def stop() -> None:
        await asyncio.to_thread(shared.release, dbt_folder)
        runs.close()

    service.on_stop(stop)
    return service
