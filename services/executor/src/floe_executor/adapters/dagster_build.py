"""Building a dbt project: dbt in a warm child, Dagster in a thread, reports on the event loop."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from floe_chassis.secrets import Secrets
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import escape
from floe_dbt.environment import dbt_environment
from floe_dbt.errors import DbtDied
from floe_dbt.profiles import PROFILE, write_profile
from floe_dbt.warm_dbt import WarmDbt
from floe_executor.adapters.dagster_assets import DagsterRuns
from floe_executor.adapters.dbt_process import DbtCommand, DbtProcess
from floe_executor.adapters.dbt_reports import ReportReader
from floe_executor.core.node_reports import NodeReport
from floe_executor.core.ports import BuildRequest
from floe_executor.errors import DbtBuildFailed, DbtRefused

_ENDED_BY_ITSELF: Final = (0, 1, 2)
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
        secrets: Secrets,
    ) -> None:
        self._dbt = dbt
        self._secrets = secrets
        self._runs = runs
        self._folder = folder
        self._database_of = database_of

    async def build(self, request: BuildRequest, on_report: Callable[[NodeReport], None]) -> None:
        loop = asyncio.get_running_loop()
        reader = ReportReader(request.artifact.transforms[0].path, request.project)
        build = _Build(self._command(request), reader, lambda report: loop.call_soon_threadsafe(on_report, report))
        working = asyncio.create_task(asyncio.to_thread(self._execute, request, build))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            build.kill()
            await asyncio.gather(working, return_exceptions=True)
            raise

    def _execute(self, request: BuildRequest, build: _Build) -> None:
        record = request.record
        self._dbt.wait_ready()
        build.start()
        try:
            succeeded = self._runs.execute(
                record.place,
                manifest=request.manifest,
                manifest_digest=request.environment.manifest,
                tags={
                    "floe/run_id": record.run_id,
                    "floe/attempt": str(record.attempt),
                    "floe/artifact": record.artifact_digest,
                    "floe/product": record.product,
                    "floe/environment": record.environment,
                },
                raw_events=build.raw_events,
            )
        finally:
            build.kill()  # nothing is left to kill, unless Dagster itself has failed
        build.check(succeeded=succeeded)

    def _command(self, request: BuildRequest) -> DbtCommand:
        record = request.record
        place = record.place
        own = self._folder / escape(place.tenant) / escape(place.environment) / escape(place.product)
        database = self._database_of(place)
        database.parent.mkdir(parents=True, exist_ok=True)
        profiles = own / "profiles"
        write_profile(
            profiles,
            environment=place.environment,
            compute=request.environment.compute,
            others=request.environment.computes,
            database=database,
            allowed_directories=[request.project],
        )
        environment = dbt_environment(os.environ, profiles_dir=profiles, secrets=self._child_secrets(request))
        return DbtCommand(
            executable=self._dbt.executable,
            environment={**environment, **self._dbt.variables},
            project=request.project,
            target=own / "runs" / f"{record.run_id}-{record.attempt}",
            parsed=own / "parsed",
            arguments=(*_LEAN, "build", "--profile", PROFILE, "--target", place.environment),
        )

    def _child_secrets(self, request: BuildRequest) -> dict[str, str]:
        """What the placeholders of the profile stand for; only dbt's environment ever holds it."""
        computes = (request.environment.compute, *request.environment.computes.values())
        return {
            variable: self._secrets(name) for compute in computes for variable, name in sorted(compute.secrets.items())
        }


class _Build:
    """One build: its process, what its events say, and the events themselves on their way to Dagster.

    dbt does not wait for Dagster: a thread reads its events as they come and tells the reports at once, while Dagster
    takes the events from a queue at its own pace.
    """

    def __init__(self, command: DbtCommand, reader: ReportReader, on_report: Callable[[NodeReport], object]) -> None:
        self._reader = reader
        self._on_report = on_report
        self._events: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._command = command
        self._process: DbtProcess | None = None
        self._reading: threading.Thread | None = None
        self._killed = False
        self._lock = threading.Lock()
        self._returncode: int | None = None

    def start(self) -> None:
        """Start dbt, unless the build was killed before.

        Raises:
            DbtDied: it was.
        """
        with self._lock:
            if self._killed:
                raise DbtDied("the build was ended before it began")
            process = self._process = DbtProcess(self._command)
        self._reading = threading.Thread(target=self._read, args=(process,), name="dbt events", daemon=True)
        self._reading.start()

    def raw_events(self) -> Iterator[Mapping[str, Any]]:
        """Dbt's events, for Dagster.

        Raises:
            DbtBuildFailed: dbt ended with another code than 0; Dagster marks its run as failed.
        """
        while (raw := self._events.get()) is not None:
            yield raw
        if self._returncode:
            raise DbtBuildFailed("dbt ended with errors")

    def kill(self) -> None:
        """End dbt and everything that it started; a build that has not begun will not."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def check(self, *, succeeded: bool) -> None:
        """Tell how the build ended, once Dagster is done.

        Raises:
            DbtDied: the process was killed.
            DbtBuildFailed: nodes failed.
            DbtRefused: dbt did not come to any node, or Dagster failed.
        """
        if self._reading is not None:
            self._reading.join()
        words = self._process.last_words() if self._process is not None else ""
        if self._returncode not in _ENDED_BY_ITSELF:
            raise DbtDied(f"dbt ended with the code {self._returncode} and without an outcome: {words}".strip(": "))
        failed = self._reader.failed()
        if failed:
            shown = "\n".join(f"{node.unique_id}: {node.message or 'failed'}" for node in failed)
            raise DbtBuildFailed(
                f"{len(failed)} node{'s' if len(failed) > 1 else ''} failed\n{shown}",
                where=self._reader.where_of(failed[0]),
                hint="mend the model or the data, and run again; nothing was landed",
            )
        if not succeeded or self._returncode:
            raise DbtRefused(f"the project was not built: {words or 'Dagster could not run it'}")

    def _read(self, process: DbtProcess) -> None:
        try:
            for raw in process.events():
                report = self._reader.read(raw)
                if report is not None:
                    self._on_report(report)
                self._events.put(raw)
            self._returncode = process.wait()
        finally:
            self._events.put(None)
