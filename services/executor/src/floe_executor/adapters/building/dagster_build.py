"""Building a product: dbt in a warm child and Python in others, Dagster in a thread, reports on the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from floe_chassis.secrets import Secrets
from floe_contracts.errors import FloeError
from floe_contracts.events import LandedTable
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape
from floe_dbt import lake_package
from floe_dbt.child_limits import ChildLimits
from floe_dbt.environment import dbt_environment
from floe_dbt.profiles import PROFILE, write_profile
from floe_dbt.warm_dbt import WarmDbt
from floe_executor.adapters.attached_catalogs import attached_catalog, attached_secrets
from floe_executor.adapters.building.build_parts import BuildPart, DbtPart, PythonPart
from floe_executor.adapters.building.dbt_process import DbtCommand, DbtProcess
from floe_executor.adapters.building.dbt_reports import ReportReader
from floe_executor.adapters.building.phased_build import PhasedBuild
from floe_executor.adapters.building.python_process import PythonProcess
from floe_executor.adapters.building.python_transforms import python_command
from floe_executor.adapters.dagster_graph.product_definition import define_product
from floe_executor.adapters.dagster_graph.runs import BuildRun, DagsterRuns, Telling
from floe_executor.core.node_reports import NodeReport
from floe_executor.core.phases import DbtPhase, Phase, dbt_arguments
from floe_executor.core.ports import BuildRequest
from floe_executor.core.transform_selection import plan_of

log = structlog.get_logger(__name__)
_LEAN: Final = ("--no-write-json", "--log-level-file", "none")
"""The artifact has the manifest, and the events say the rest: dbt need not write both down again in every run."""


class DagsterBuilder:
    """Fulfils `Builder`."""

    def __init__(
        self,
        dbt: WarmDbt,
        runs: DagsterRuns,
        folder: Path,
        database_of: Callable[[Place], Path],
        secrets: Callable[[str], Secrets],
        limits: ChildLimits,
    ) -> None:
        self._dbt = dbt
        self._limits = limits
        self._secrets = secrets
        self._runs = runs
        self._folder = folder
        self._database_of = database_of

    async def build(self, request: BuildRequest, on_report: Callable[[NodeReport], None]) -> None:
        loop = asyncio.get_running_loop()
        command = self._command(request)
        plan = plan_of(request.graph, request.record.options, selected=request.selected, arguments=request.arguments)
        build = PhasedBuild(
            plan.phases,
            request.graph,
            lambda phase: self._open(request, command, phase, plan.arguments),
            lambda report: loop.call_soon_threadsafe(on_report, report),
        )
        working = asyncio.create_task(asyncio.to_thread(self._execute, request, build))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            build.kill()
            await asyncio.gather(working, return_exceptions=True)
            raise

    async def landed(self, request: BuildRequest, tables: Sequence[LandedTable]) -> None:
        try:
            await asyncio.to_thread(self._runs.landed, _build_run(request), tables)
        except Exception as error:  # noqa: BLE001 -- Dagster's history is no source of truth, and the tables are there
            log.warning("Dagster was not told of landed tables", run_id=request.record.run_id, error=str(error))

    def _execute(self, request: BuildRequest, build: PhasedBuild) -> None:
        self._dbt.wait_ready()
        run = _build_run(request)
        with _optional(request):
            self._runs.make_room(run, given_up=lambda: build.killed)
        build.start()
        try:
            with _optional(request):
                self._runs.execute(run, Telling(build.told, build.failure))
            end = build.end()
        finally:
            build.kill()  # nothing is left to kill, unless floe itself has failed
        end.check(adapter=request.environment.compute.type)

    def _open(self, request: BuildRequest, command: DbtCommand, phase: Phase, arguments: tuple[str, ...]) -> BuildPart:
        """Start the child of a phase."""
        if isinstance(phase, DbtPhase):
            asked = dbt_arguments(request.graph, phase, arguments)
            reader = ReportReader(request.artifact.transforms[0].path, request.project)
            return DbtPart(DbtProcess(command.with_arguments(asked)), reader)
        transforms = python_command(
            request,
            phase.names,
            database=self._database_of(request.record.place),
            limits=self._limits,
        )
        return PythonPart(PythonProcess(transforms))

    def _command(self, request: BuildRequest) -> DbtCommand:
        """`dbt build` of the request, without what selects."""
        record = request.record
        place = record.place
        own = self._folder / escape(place.tenant) / escape(place.environment) / escape(place.product)
        database = self._database_of(place)
        database.parent.mkdir(parents=True, exist_ok=True)
        profiles = own / "profiles"
        attached = attached_catalog(request.environment)
        if attached is not None:
            lake_package.install(request.project)
        write_profile(
            profiles,
            environment=place.environment,
            compute=request.environment.compute,
            others=request.environment.computes,
            database=database,
            allowed_directories=[request.project],
            attached=attached,
        )
        environment = dbt_environment(os.environ, profiles_dir=profiles, secrets=self._child_secrets(request))
        return DbtCommand(
            executable=self._dbt.executable,
            environment={**environment, **self._dbt.variables, **self._limits.variables()},
            project=request.project,
            target=own / "runs" / f"{record.run_id}-{record.attempt}",
            parsed=own / "parsed",
            arguments=(*_LEAN, "build", "--profile", PROFILE, "--target", place.environment),
        )

    def _child_secrets(self, request: BuildRequest) -> dict[str, str]:
        """What the placeholders of the profile stand for; only dbt's environment ever holds it."""
        computes = (request.environment.compute, *request.environment.computes.values())
        secrets = self._secrets(request.record.place.tenant)
        found = {variable: secrets(name) for compute in computes for variable, name in sorted(compute.secrets.items())}
        return found | attached_secrets(request.environment, secrets)


@contextmanager
def _optional(request: BuildRequest) -> Iterator[None]:
    """What only Dagster's history needs: the build goes on where that cannot be written.

    The lease of the place guards the build, and dbt's outcome is that of the build.
    """
    try:
        yield
    except FloeError:
        raise
    except Exception as error:  # noqa: BLE001 -- the storage's own, whichever it is
        log.warning("Dagster does not show the whole run", run_id=request.record.run_id, error=str(error))


def _build_run(request: BuildRequest) -> BuildRun:
    """The Dagster run of a build, and what leads from there to the artifact."""
    record = request.record
    facts = {
        "floe/run_id": record.run_id,
        "floe/attempt": str(record.attempt),
        "floe/artifact": record.artifact_digest,
    }
    if record.source is not None and record.source.commit:
        facts["floe/commit"] = record.source.commit
    tags = facts | {"floe/product": record.product, "floe/environment": record.environment}
    if record.backfill is not None:
        tags["floe/backfill"] = record.backfill
    product = define_product(
        record.place,
        artifact=request.artifact,
        digest=record.artifact_digest,
        environment=request.environment,
        graph=request.graph,
        manifest=request.manifest,
    )
    return BuildRun(product, tags, facts, record.options.partition, request.selected)
