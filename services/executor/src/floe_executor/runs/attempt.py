"""One attempt of a run: what is built, the build, the staging, the switch of each table.

Everything that a later attempt needs is in the run's record: the attempt, what was built so far, and the landing
journal once all is staged. Every write of the record is a compare-and-set, every switch of a table asks the lease
first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from floe_chassis import fault_points
from floe_chassis.blobs import BlobStore
from floe_chassis.leases import Lease
from floe_contracts.digests import canonical_json
from floe_contracts.events import LandedTable, NodeOutcome, RunSeconds
from floe_contracts.runs import RunRecord
from floe_dbt.errors import DbtWarehouseUnreachable
from floe_executor.adapters.project_sources import ProjectSources
from floe_executor.adapters.state.run_store import RunStore, StoredRun
from floe_executor.clock import now
from floe_executor.core import partitions, run_states
from floe_executor.core.environment_support import check_support
from floe_executor.core.landing_journal import LandingJournal, StagedNode
from floe_executor.core.lineage import RunLineage
from floe_executor.core.node_reports import NodeDone, NodeReport, outcomes
from floe_executor.core.ports import Builder, BuildRequest, Lander
from floe_executor.core.retries import BuiltSoFar, merged
from floe_executor.core.selection import Selection, check_options, narrowed, select
from floe_executor.core.warehouses import nodes_for_lake
from floe_executor.errors import DbtBuildFailed, NothingSelected, PartitionUnknown
from floe_executor.runs.chain import root_of
from floe_executor.runs.earlier_builds import EarlierBuilds
from floe_executor.runs.products import Product
from floe_executor.runs.telling import RunTelling

log = structlog.get_logger(__name__)

_FENCE_SECONDS: Final = 120.0
"""Longer than a lease lasts: asking for it comes to an end by itself, unless the event loop is gone."""


@dataclass(slots=True)
class Attempt:
    """What one attempt has gathered so far.

    Attributes:
        earlier: what was built before and stands: in other attempts, and in the run that this one retries.
        nodes: how the nodes ended in this attempt.
        whole: whether dbt came to the end of what it was asked for.
        switching: whether the tables are being switched: from then on the run is completed.
        ended: whether the attempt was given up: no table may be switched any more.
    """

    stored: StoredRun
    lease: Lease
    telling: RunTelling
    earlier: BuiltSoFar | None = None
    nodes: tuple[NodeOutcome, ...] = ()
    whole: bool = False
    tables: tuple[LandedTable, ...] = ()
    build_seconds: float = 0.0
    land_seconds: float = 0.0
    switching: bool = False
    ended: bool = False

    @property
    def seconds(self) -> RunSeconds:
        """Where the time went."""
        return RunSeconds(
            run=round(self.build_seconds, 3),
            land=round(self.land_seconds, 3),
            queued=run_states.queue_seconds(self.stored.record),
        )

    @property
    def built(self) -> BuiltSoFar:
        """What is built by now, with what was built before."""
        earlier = self.earlier or BuiltSoFar(nodes=(), whole=False)
        own = {*earlier.own, *(outcome.unique_id for outcome in self.nodes)}
        return BuiltSoFar(
            nodes=merged(earlier.nodes, self.nodes), whole=self.whole or earlier.whole, own=tuple(sorted(own))
        )

    @property
    def outcomes(self) -> tuple[NodeOutcome, ...]:
        """How the nodes ended that this run has built, in all of its attempts."""
        built = self.built
        own = set(built.own)
        return tuple(outcome for outcome in built.nodes if outcome.unique_id in own)


class Attempts:
    """Works on attempts."""

    def __init__(
        self,
        *,
        blobs: BlobStore,
        store: RunStore,
        sources: ProjectSources,
        earlier: EarlierBuilds,
        builder: Builder,
        lander: Lander,
    ) -> None:
        self._blobs = blobs
        self._store = store
        self._sources = sources
        self._earlier = earlier
        self._builder = builder
        self._lander = lander
        self._places: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def begin(self, attempt: Attempt, product: Product, *, again: bool) -> None:
        """Tell that the run began; `again`: an earlier attempt may have told it, and left nodes open."""
        record, window = attempt.stored.record, None
        if record.options.partition is not None:
            with contextlib.suppress(PartitionUnknown):  # preparing tells it
                definition = product.artifact.orchestration.partitions
                window = partitions.window(definition, record.options.partition, now())
        lineage = RunLineage(
            record,
            product.artifact,
            product.environment,
            product.graph,
            window=(window.start, window.end) if window else None,
            root=await root_of(self._store, record),
        )
        await attempt.telling.run_began(lineage, again=again)

    async def prepare(self, attempt: Attempt, product: Product) -> tuple[BuildRequest, Selection]:
        """Check out what is to be built.

        Raises:
            Permanent: the product cannot be built here, or not as the request says.
            Transient: a part of it cannot be read at the moment.
        """
        record, artifact = attempt.stored.record, product.artifact
        check_support(artifact, product.environment)
        check_options(record.options)
        definition = artifact.orchestration.partitions
        variables = partitions.variables(definition, record.options.partition, now())
        if definition is not None and definition.name is not None and record.options.partition is not None:
            await self._store.add_partition(record.place, definition.name, record.options.partition)
        attempt.earlier, new = await self._earlier.of_run(record, product)
        selection = select(record.options, product.graph, attempt.earlier, variables=variables, new=new)
        async with self._places[attempt.lease.key]:
            project = await self._sources.check_out(record.place, artifact)
        manifest = await self._sources.manifest(product.environment.manifest)
        request = BuildRequest(
            record,
            artifact,
            product.environment,
            product.graph,
            manifest,
            project,
            arguments=selection.arguments,
            selected=selection.only,
        )
        return request, selection

    async def built_before(self, record: RunRecord, product: Product) -> BuiltSoFar | None:
        """What earlier attempts of a run have built; once all is staged, the journal says it.

        Raises:
            FloeError: it is not known, or cannot be read at the moment.
        """
        if record.landing is not None:
            return _built_in(await self._journal(record.landing))
        return (await self._earlier.of_run(record, product))[0]

    async def build_and_stage(self, attempt: Attempt, request: BuildRequest, selection: Selection) -> LandingJournal:
        """Build and stage, unless an earlier attempt has come that far already.

        Raises:
            NothingSelected: the request's selection matches nothing.
            Permanent: the build or the staging failed.
            Transient: it failed for a reason that may pass.
        """
        record = attempt.stored.record
        if record.landing:
            journal = await self._journal(record.landing)
            attempt.earlier = _built_in(journal)
            attempt.build_seconds = journal.seconds
            return journal
        if selection.empty:
            attempt.whole = True
        else:
            await self._build(attempt, request)
        if narrowed(record.options) and not attempt.built.nodes:
            raise NothingSelected(
                "the selection of the run matches nothing, so nothing was built or tested",
                hint="`dbt ls` with the same selection shows what it names",
            )
        await fault_points.reach("after-build")
        started = time.monotonic()
        async with self._places[attempt.lease.key]:
            nodes = nodes_for_lake(request.artifact, request.environment, request.graph, attempt.built.nodes)
            tables = await self._lander.stage(request, nodes)
            journal = LandingJournal(nodes=attempt.outcomes, tables=tables, seconds=attempt.build_seconds)
            digest = await self._blobs.put(canonical_json(journal.model_dump(mode="json", exclude_none=True)))
            await attempt.lease.confirm()
            landing = run_states.staged(attempt.stored.record, digest, attempt.telling.lineage_events)
            attempt.stored = await self._store.update(attempt.stored, landing)
        attempt.land_seconds = time.monotonic() - started
        return journal

    async def land(self, attempt: Attempt, request: BuildRequest, journal: LandingJournal) -> None:
        """Switch each staged table: one run after another, and from the first one on the run is completed."""
        started = time.monotonic()
        async with self._places[attempt.lease.key]:
            for staged in journal.tables:
                if attempt.ended:
                    raise asyncio.CancelledError
                attempt.switching = True
                attempt.tables = (*attempt.tables, await self._switch(attempt, request, staged))
                await fault_points.reach("between-tables")
        await self._builder.landed(request, attempt.tables)
        attempt.land_seconds += time.monotonic() - started

    async def discard(self, stored: StoredRun, product: Product) -> None:
        """Remove what a run has staged that ended otherwise.

        What cannot be removed, whatever the store says, is only logged: the end of the run must be told.
        """
        record = stored.record
        if record.landing is None:
            return
        request = BuildRequest(record, product.artifact, product.environment, product.graph, {}, Path())
        try:
            for staged in (await self._journal(record.landing)).tables:
                await self._lander.discard(request, staged)
        except Exception as error:  # noqa: BLE001 -- DuckDB's, pyiceberg's and the file system's own among them
            log.warning("staged files were left behind", run_id=record.run_id, error=str(error))

    async def _journal(self, digest: str) -> LandingJournal:
        return LandingJournal.model_validate_json(await self._blobs.get(digest), extra="ignore")

    async def _build(self, attempt: Attempt, request: BuildRequest) -> None:
        """Run dbt; its reports leave while it works."""
        reports: list[NodeReport] = []
        waiting: asyncio.Queue[NodeReport | None] = asyncio.Queue()

        async def tell() -> None:
            while (report := await waiting.get()) is not None:
                await attempt.telling.node(report)
                reports.append(report)
                if isinstance(report, NodeDone):
                    await fault_points.reach("mid-build")

        telling = asyncio.create_task(tell())
        started = time.monotonic()
        built = failed = False
        try:
            await self._builder.build(request, waiting.put_nowait)
            built = True
        except (DbtBuildFailed, DbtWarehouseUnreachable):
            failed = True
            raise
        finally:
            waiting.put_nowait(None)
            (broken,) = await asyncio.gather(telling, return_exceptions=True)
            attempt.nodes = outcomes(reports)
            # A failed dbt came to its end, and tells of every node; or it came to none, and knows of nothing built.
            # What was not told counts as not built: the next attempt builds and tells it.
            told = broken is None
            attempt.whole = told and (built or (failed and any(isinstance(report, NodeDone) for report in reports)))
            attempt.build_seconds = time.monotonic() - started
        telling.result()

    async def _switch(self, attempt: Attempt, request: BuildRequest, staged: StagedNode) -> LandedTable:
        identifier = ".".join(staged.staged["identifier"])
        await attempt.telling.landing_began(identifier, staged.unique_id)
        landed = await self._lander.switch(
            request, staged, token=attempt.lease.token, fence=_fence(attempt.lease, asyncio.get_running_loop())
        )
        location = staged.staged.get("location")
        await attempt.telling.landing_ended(landed.table, landed.columns, location=location, created=landed.created)
        return landed.table


def _built_in(journal: LandingJournal) -> BuiltSoFar:
    return BuiltSoFar(nodes=journal.nodes, whole=True, own=tuple(outcome.unique_id for outcome in journal.nodes))


def _fence(lease: Lease, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """A check that may be made from a thread: is the lease still ours?"""

    def verify() -> None:
        asyncio.run_coroutine_threadsafe(lease.confirm(), loop).result(timeout=_FENCE_SECONDS)

    return verify
