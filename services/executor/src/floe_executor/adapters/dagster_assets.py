"""A dbt project as Dagster assets, and its runs in the shared instance.

Of dagster-dbt, `dbt_assets` and the translation of dbt's events are used. dbt itself is started by `dbt_process` and
not by `DbtCliResource`, which would hand it this process's whole environment and change the working directory of
every thread.
"""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as it stands.

import fcntl
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import dagster
from dagster_dbt import DagsterDbtTranslator, dbt_assets
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from floe_contracts.openlineage.naming import Place

_INSTANCE_CONFIG: Final = """\
telemetry: {enabled: false}
# The services share one process in the embedded stack: capturing its output would swallow theirs.
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
event_log_storage:
  {module: floe_executor.adapters.dagster_storage, class: KeptEventLogStorage, config: {base_dir: HOME}}
run_storage:
  {module: floe_executor.adapters.dagster_storage, class: KeptRunStorage, config: {base_dir: HOME}}
"""
_DEFINITIONS_KEPT: Final = 8
_RUN_CONFIG: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

RawEvents = Callable[[], Iterator[Mapping[str, Any]]]


class PlacedTranslator(DagsterDbtTranslator):
    """Puts tenant, environment and product before every asset key: all products share one instance."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._prefix = [place.tenant, place.environment, place.product]

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dagster.AssetKey:
        return super().get_asset_key(dbt_resource_props).with_prefix(self._prefix)


class DagsterRuns:
    """Runs of dbt projects in one Dagster instance. Its methods block; they are called from threads."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._opening = threading.Lock()
        self._opened: dagster.DagsterInstance | None = None
        self._jobs: dict[tuple[Place, str], dagster.JobDefinition] = {}
        self._sources: dict[str, RawEvents] = {}

    def execute(
        self,
        place: Place,
        *,
        manifest: Mapping[str, Any],
        manifest_digest: str,
        tags: Mapping[str, str],
        raw_events: RawEvents,
    ) -> bool:
        """Run the project's assets; whether Dagster calls the run a success.

        Args:
            place: where the run belongs.
            manifest: the normalised manifest.
            manifest_digest: its digest.
            tags: tags of the Dagster run; they tie it to floe's, whose id would not be unique here: another product's
                request may have the same cause.
            raw_events: starts dbt, yields its events, and raises when dbt failed.
        """
        job = self._job(place, manifest, manifest_digest)
        dagster_run = str(uuid.uuid4())
        self._sources[dagster_run] = raw_events
        try:
            result = job.execute_in_process(
                instance=self.instance(),
                run_id=dagster_run,
                tags=dict(tags),
                raise_on_error=False,
                run_config=_RUN_CONFIG,
            )
            return result.success
        finally:
            self._sources.pop(dagster_run, None)

    def instance(self) -> dagster.DagsterInstance:
        """The shared instance; the first call makes its storage, which takes seconds."""
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> dagster.DagsterInstance:
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / "floe.lock").open("a") as lock:
            # Executors that make the same storage at the same time stumble over each other's tables.
            fcntl.flock(lock, fcntl.LOCK_EX)
            config = self._home / "dagster.yaml"
            if not config.exists():
                written = self._home / "dagster.yaml.new"
                written.write_text(_INSTANCE_CONFIG.replace("HOME", json.dumps(str(self._home / "history"))))
                written.replace(config)
            return dagster.DagsterInstance.from_config(str(self._home))

    def prepare(self) -> None:
        """Make the instance's storage ahead of the first run."""
        self.instance()

    def close(self) -> None:
        """Let go of the instance."""
        if self._opened is not None:
            self._opened.dispose()

    def _job(self, place: Place, manifest: Mapping[str, Any], digest: str) -> dagster.JobDefinition:
        key = (place, digest)
        if key not in self._jobs:
            while len(self._jobs) >= _DEFINITIONS_KEPT:
                self._jobs.pop(next(iter(self._jobs)))
            self._jobs[key] = self._define(place, manifest)
        return self._jobs[key]

    def _define(self, place: Place, manifest: Mapping[str, Any]) -> dagster.JobDefinition:
        translator = PlacedTranslator(place)

        @dbt_assets(manifest=manifest, name="dbt_build", dagster_dbt_translator=translator)
        def dbt_build(context: dagster.AssetExecutionContext) -> Iterator[Any]:
            for raw in self._sources[context.run.run_id]():
                message = DbtCoreCliEventMessage(raw_event=dict(raw), event_history_metadata={})
                yield from message.to_default_asset_events(manifest, translator, context)

        definitions = dagster.Definitions(assets=[dbt_build], executor=dagster.in_process_executor)
        return definitions.resolve_implicit_global_asset_job_def()
