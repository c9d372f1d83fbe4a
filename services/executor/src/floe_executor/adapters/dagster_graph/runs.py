"""Runs of products in the shared Dagster instance."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster
import structlog
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import PARTITION_NAME_TAG

from floe_contracts.events import LandedTable
from floe_contracts.openlineage.naming import Place
from floe_executor.adapters.dagster_graph.assets import ProductAssets
from floe_executor.adapters.dagster_graph.build_logs import BuildLogManager
from floe_executor.adapters.dagster_graph.bulk_events import store_events
from floe_executor.adapters.dagster_graph.earlier_runs import PROCESS_TAG, UNFINISHED, Presence, end_earlier_runs
from floe_executor.adapters.dagster_graph.instance import open_instance
from floe_executor.adapters.dagster_graph.jobs import LOCATION, job_name, pool_name, resolved_job
from floe_executor.adapters.dagster_graph.landed_tables import landed_events
from floe_executor.adapters.dagster_graph.live_definitions import forget_definition, keep_definition
from floe_executor.adapters.dagster_graph.partitions import dynamic_name
from floe_executor.adapters.dagster_graph.pools import make_pool
from floe_executor.adapters.dagster_graph.product_definition import ProductDefinition
from floe_executor.adapters.dagster_graph.recording import RunRecording
from floe_executor.core.node_reports import NodeReport
from floe_executor.errors import DbtBuildFailed

log = structlog.get_logger(__name__)
DEFINITIONS_FILE: Final = "definitions.changed"
"""Written in the instance's folder whenever a product is defined anew: a sign to load the code location again."""
_DEFINITIONS_KEPT: Final = 8
_RUN_CONFIG: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_REPOSITORY: Final = "__repository__"
_RUN_TAG: Final = "floe/run_id"

Told = NodeReport | str
"""A report of a node, or a line for the log."""


@dataclass(slots=True)
class Telling:
    """What a build tells, on its way to Dagster: reports and lines, then None, once."""

    told: queue.SimpleQueue[Told | None]
    failure: Callable[[], str | None]
    """Asked after the None: why the build failed, if it did."""


@dataclass(frozen=True, slots=True)
class BuildRun:
    """What is built, and what is known of the run.

    Attributes:
        tags: of the Dagster run; they tie it to floe's, whose id would not be unique here: another product's request
            may have the same cause.
        facts: metadata of everything that it builds.
        partition: the part of the product that is built.
        selected: ids of the nodes and tests that are built; None for all, or where only dbt knows.
    """

    product: ProductDefinition
    tags: Mapping[str, str]
    facts: Mapping[str, str]
    partition: str | None = None
    selected: frozenset[str] | None = None


class DagsterRuns:
    """Runs of products in one Dagster instance. Its methods block; they are called from threads."""

    def __init__(self, home: Path, *, wait_seconds: float = 30.0) -> None:
        """Prepare.

        Args:
            home: folder of the instance.
            wait_seconds: how long an earlier run of the same place may take to end.
        """
        self._home = home
        self._wait_seconds = wait_seconds
        self._opening = threading.Lock()
        self._defining = threading.Lock()
        self._opened: tuple[dagster.DagsterInstance, Presence] | None = None
        self._jobs: dict[tuple[str, str], tuple[ProductAssets, dagster.JobDefinition]] = {}
        self._builds: dict[str, tuple[BuildRun, ProductAssets, Telling]] = {}

    def execute(self, build: BuildRun, telling: Telling) -> bool:
        """Run the product's job; whether Dagster calls the run a success."""
        instance, presence = self._open()
        shown, job = self._job(build.product)
        tags = {**build.tags, PROCESS_TAG: presence.name}
        if build.partition is not None:
            tags[PARTITION_NAME_TAG] = build.partition
            self._add_dynamic_partition(build)
        selection = _selection(build, shown)
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), _REPOSITORY)
        run = instance.create_run_for_job(
            job,
            run_config=_RUN_CONFIG,
            tags=tags,
            asset_selection=selection,
            remote_job_origin=RemoteJobOrigin(repository, job.name),
        )
        self._builds[run.run_id] = (build, shown, telling)
        try:
            return execute_run(InMemoryJob(job), run, instance).success
        finally:
            self._builds.pop(run.run_id, None)

    def make_room(self, build: BuildRun, *, given_up: Callable[[], bool]) -> None:
        """See that no earlier run is in the way: end what a killed executor has left, wait for what lives.

        In a DuckDB file only one may build; elsewhere only earlier attempts of the same run are in the way.

        Args:
            build: what is to be built; the caller has floe's lease of its place.
            given_up: tells that there is no need to wait any more.

        Raises:
            BuildStillRunning: an earlier run did not end in time.
        """
        instance, presence = self._open()

        def lives(run: dagster.DagsterRun) -> bool:
            process = run.tags.get(PROCESS_TAG, "")
            # One of this process whose end could not be written is as dead as those of others.
            return run.run_id in self._builds if process == presence.name else presence.lives(process)

        place = build.product.place
        alone = pool_name(place, build.product.compute) is not None
        tags = {} if alone else {_RUN_TAG: build.tags[_RUN_TAG]}
        filters = dagster.RunsFilter(job_name=job_name(place), tags=tags, statuses=list(UNFINISHED))
        end_earlier_runs(instance, filters, lives, seconds=self._wait_seconds, given_up=given_up)

    def landed(self, build: BuildRun, tables: Sequence[LandedTable]) -> None:
        """Add what was landed to the last run of the build, if there is one."""
        instance, _ = self._open()
        tags = {_RUN_TAG: build.tags[_RUN_TAG]}
        filters = dagster.RunsFilter(job_name=job_name(build.product.place), tags=tags)
        found = instance.get_runs(filters, limit=1)
        if found and tables:
            shown, _ = self._job(build.product)
            store_events(instance, landed_events(found[0], shown, build.facts, tables, build.partition))

    def forget(self, place: Place) -> None:
        """Have the instance show a product no more that is retired."""
        with self._defining:
            forget_definition(self.instance(), place)
            self._definitions_changed(f"{place} is retired")

    def _definitions_changed(self, what: str) -> None:
        (self._home / DEFINITIONS_FILE).write_text(f"{what}\n")

    def instance(self) -> dagster.DagsterInstance:
        """The shared instance."""
        return self._open()[0]

    def prepare(self) -> None:
        """Make the instance's storage ahead of the first run, which takes seconds; one that is away is opened then."""
        try:
            self._open()
        except Exception as error:  # noqa: BLE001 -- the storage's own, whichever it is
            log.warning("Dagster's instance cannot be opened", error=str(error))

    def close(self) -> None:
        """Let go of the instance."""
        if self._opened is not None:
            instance, presence = self._opened
            instance.dispose()
            presence.close()

    def _open(self) -> tuple[dagster.DagsterInstance, Presence]:
        with self._opening:
            if self._opened is None:
                instance = open_instance(self._home)
                self._opened = (instance, Presence(self._home))
            return self._opened

    def _job(self, product: ProductDefinition) -> tuple[ProductAssets, dagster.JobDefinition]:
        """The job of the product, which the instance shows from here on."""
        key = (str(product.place), product.artifact_digest)
        instance = self.instance()
        with self._defining:
            if key not in self._jobs:
                while len(self._jobs) >= _DEFINITIONS_KEPT:
                    self._jobs.pop(next(iter(self._jobs)))
                pool = pool_name(product.place, product.compute)
                if pool:
                    make_pool(instance, pool)
                self._jobs[key] = resolved_job(product, self._body)
            if keep_definition(instance, product):
                self._definitions_changed(f"{key[0]} {key[1]}")
            return self._jobs[key]

    def _add_dynamic_partition(self, build: BuildRun) -> None:
        partitions = build.product.partitions
        if partitions is not None and partitions.type == "dynamic" and build.partition is not None:
            self.instance().add_dynamic_partitions(dynamic_name(build.product.place, partitions), [build.partition])

    def _body(self, context: dagster.AssetExecutionContext) -> None:
        """The step of a run: record what its build tells."""
        build, shown, telling = self._builds[context.run.run_id]
        recording = RunRecording(self.instance(), context.run, shown, build.facts, build.partition)
        logs = self.instance().compute_log_manager
        while True:
            try:
                told = telling.told.get(timeout=recording.patience)
            except queue.Empty:
                recording.flush()
                continue
            if told is None:
                break
            if not isinstance(told, str):
                recording.add(told)
            elif isinstance(logs, BuildLogManager):
                logs.write(context.run.run_id, [told])
        recording.flush()
        failure = telling.failure()
        if failure is not None:
            raise DbtBuildFailed(failure)


def _selection(build: BuildRun, shown: ProductAssets) -> frozenset[dagster.AssetKey] | None:
    """The assets that are built, where these are not all of the product's.

    Without a partition a partitioned product is always shown whole: Dagster asks for the partition of a run that reads
    assets which it does not build.
    """
    if build.selected is None or (build.product.partitions is not None and build.partition is None):
        return None
    keys = {spec.key for spec in shown.built}
    chosen = {shown.keys[one] for one in build.selected if one in shown.keys} & keys
    return frozenset(chosen) if chosen and chosen != keys else None
