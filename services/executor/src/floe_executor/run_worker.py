"""One run, from its record to its terminal event.

Everything that a later attempt needs is in the record: the attempt, and the landing journal once all is staged. Every
write of the record is a compare-and-set, every switch of a table asks the lease first.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from opentelemetry import trace

from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.leases import Lease
from floe_contracts.artifacts import read_artifact
from floe_contracts.digests import canonical_json
from floe_contracts.errors import LeaseLost, Permanent, Transient
from floe_contracts.events import LandedTable, NodeOutcome, Problem, RunCompleted, RunFailed, RunSeconds
from floe_contracts.nodes import NodeGraph
from floe_contracts.runs import RunStatus, run_key
from floe_dbt.errors import DbtDied
from floe_executor.adapters.open_lineage import close_run, lineage_of, open_starts, own_events, publish_lineage
from floe_executor.adapters.project_sources import ProjectSources
from floe_executor.adapters.run_store import RunStore, StoredRun
from floe_executor.core import run_states
from floe_executor.core.environment_support import check_support
from floe_executor.core.landing_journal import LandingJournal, StagedNode, nodes_to_land
from floe_executor.core.lineage import LineageEvent, RunLineage, aborted
from floe_executor.core.node_reports import NodeReport, event_of, outcomes
from floe_executor.core.ports import Builder, BuildRequest, Lander
from floe_executor.errors import AttemptsExhausted, EnvironmentUnknown

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class _Attempt:
    """What one attempt has gathered so far."""

    stored: StoredRun
    lease: Lease
    lineage: RunLineage | None = None
    nodes: tuple[NodeOutcome, ...] = ()
    tables: tuple[LandedTable, ...] = ()
    build_seconds: float = 0.0
    land_seconds: float = 0.0
    lineage_events: int = 0


class RunWorker:
    """Works on runs; one call of `work` is one attempt."""

    def __init__(
        self,
        *,
        bus: Bus,
        blobs: BlobStore,
        store: RunStore,
        sources: ProjectSources,
        builder: Builder,
        lander: Lander,
        max_attempts: int,
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._store = store
        self._sources = sources
        self._builder = builder
        self._lander = lander
        self._max_attempts = max_attempts

    async def work(self, stored: StoredRun, lease: Lease) -> None:
        """Take the run as far as it goes.

        Raises:
            Transient: it could not be ended; another attempt will be made.
        """
        stored = await self._store.read(run_key(stored.record.place, stored.record.run_id))
        if stored.record.status.terminal:
            await self._tell_end(stored)
            return
        before = stored.record.status
        stored = await self._store.update(stored, run_states.started(stored.record, _now()))
        attempt = _Attempt(stored, lease)
        await self._bus.publish(
            run_states.started_event(stored.record), id=f"{stored.record.run_id}:started:{stored.record.attempt}"
        )
        with tracer.start_as_current_span("run", attributes={"floe.run.id": stored.record.run_id}):
            try:
                work = self._attempt(attempt, again=before is RunStatus.STARTED)
                outcome: run_states.RunEnded = await self._guarded(lease, work)
            except Permanent as failure:
                outcome = await self._failed(attempt, failure)
        await self._end(attempt, outcome)

    async def _guarded(self, lease: Lease, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Do the work only as long as the lease is ours."""
        task = asyncio.create_task(work)
        lost = asyncio.create_task(lease.lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise LeaseLost("the lease of the run was lost while it was running")
        finally:
            lost.cancel()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _attempt(self, attempt: _Attempt, *, again: bool) -> RunCompleted:
        if attempt.stored.record.attempt > self._max_attempts:
            why = ""
            try:  # what it closes on the lineage stream is worth a try, and it may say what is the matter
                await self._prepare(attempt, again=again)
            except Transient as error:
                why = f": {error.message}"
            raise AttemptsExhausted(
                f"{self._max_attempts} attempts ended without an outcome{why}",
                hint="the log of the executor tells what happened to each of them",
            )
        request = await self._prepare(attempt, again=again)
        journal = await self._journal(attempt, request)
        started = time.monotonic()
        for staged in journal.tables:
            attempt.tables = (*attempt.tables, await self._land(attempt, request, staged))
        attempt.land_seconds += time.monotonic() - started
        record = attempt.stored.record
        return RunCompleted(
            tenant=record.tenant,
            environment=record.environment,
            product=record.product,
            run_id=record.run_id,
            artifact_digest=record.artifact_digest,
            attempt=record.attempt,
            nodes=attempt.nodes,
            tables=attempt.tables,
            lineage_events=await self._count_lineage(attempt),
            seconds=_seconds(attempt),
        )

    async def _prepare(self, attempt: _Attempt, *, again: bool) -> BuildRequest:
        record = attempt.stored.record
        artifact = read_artifact(await self._blobs.get(record.artifact_digest), record.artifact_digest)
        environment = artifact.environments.get(record.environment)
        if environment is None:
            raise EnvironmentUnknown(
                f"the artifact has no environment {record.environment!r}",
                hint=f"it has: {', '.join(sorted(artifact.environments))}",
            )
        check_support(artifact, environment)
        graph = NodeGraph.model_validate_json(await self._blobs.get(environment.nodes), extra="ignore")
        attempt.lineage = RunLineage(
            record, graph, artifact.tools.dbt_core, artifact.product.description, artifact.product.owner
        )
        if again:
            await self._abort_open(attempt)
        if not again or not await own_events(self._bus, record):
            await self._publish_lineage(attempt, attempt.lineage.of_run("START", _now()))
        project = await self._sources.check_out(record.place, artifact)
        manifest = await self._sources.manifest(environment.manifest)
        return BuildRequest(record, artifact, environment, manifest, project)

    async def _journal(self, attempt: _Attempt, request: BuildRequest) -> LandingJournal:
        """Build and stage, unless an earlier attempt has come that far already."""
        record = attempt.stored.record
        if record.landing:
            journal = LandingJournal.model_validate_json(await self._blobs.get(record.landing), extra="ignore")
        else:
            attempt.nodes = await self._build(attempt, request)
            started = time.monotonic()
            nodes = nodes_to_land(request.artifact, self._lineage(attempt).graph, attempt.nodes)
            tables = await self._lander.stage(request, nodes)
            journal = LandingJournal(nodes=attempt.nodes, tables=tables, seconds=attempt.build_seconds)
            digest = await self._blobs.put(canonical_json(journal.model_dump(mode="json", exclude_none=True)))
            await attempt.lease.verify()
            landing = run_states.staged(record, digest, attempt.lineage_events)
            attempt.stored = await self._store.update(attempt.stored, landing)
            attempt.land_seconds = time.monotonic() - started
        attempt.nodes = journal.nodes
        attempt.build_seconds = journal.seconds
        return journal

    async def _build(self, attempt: _Attempt, request: BuildRequest) -> tuple[NodeOutcome, ...]:
        """Run dbt; its reports leave while it works."""
        reports: list[NodeReport] = []
        waiting: asyncio.Queue[NodeReport | None] = asyncio.Queue()

        async def tell() -> None:
            while (report := await waiting.get()) is not None:
                reports.append(report)
                await self._tell_report(attempt, report)

        telling = asyncio.create_task(tell())
        started = time.monotonic()
        try:
            await self._builder.build(request, waiting.put_nowait)
        except DbtDied:
            telling.cancel()
            raise
        finally:
            waiting.put_nowait(None)
            await asyncio.gather(telling, return_exceptions=True)
            attempt.nodes = outcomes(reports)
            attempt.build_seconds = time.monotonic() - started
        telling.result()
        return attempt.nodes

    async def _tell_report(self, attempt: _Attempt, report: NodeReport) -> None:
        record = attempt.stored.record
        event = event_of(report, record)
        await self._bus.publish(event, id=f"{record.run_id}:{record.attempt}:{event.kind}:{report.unique_id}")
        lineage = self._lineage(attempt).of_report(report)
        if lineage is not None:
            await self._publish_lineage(attempt, lineage)

    async def _land(self, attempt: _Attempt, request: BuildRequest, staged: StagedNode) -> LandedTable:
        lineage = self._lineage(attempt)
        identifier = ".".join(staged.staged["identifier"])
        await self._publish_lineage(attempt, lineage.of_landing_start(identifier, staged.unique_id, _now()))
        landed = await self._lander.switch(
            request, staged, token=attempt.lease.token, fence=_fence(attempt.lease, asyncio.get_running_loop())
        )
        await self._publish_lineage(attempt, lineage.of_landing(landed.table, landed.columns, _now()))
        return landed.table

    async def _failed(self, attempt: _Attempt, failure: Permanent) -> RunFailed:
        if attempt.lineage is not None:
            await self._abort_open(attempt)
        record = attempt.stored.record
        return RunFailed(
            tenant=record.tenant,
            environment=record.environment,
            product=record.product,
            run_id=record.run_id,
            artifact_digest=record.artifact_digest,
            attempt=record.attempt,
            nodes=attempt.nodes,
            tables=attempt.tables,
            problems=tuple(Problem.of(problem) for problem in getattr(failure, "problems", (failure,))),
            lineage_events=await self._count_lineage(attempt),
            seconds=_seconds(attempt),
        )

    async def _end(self, attempt: _Attempt, outcome: run_states.RunEnded) -> None:
        digest = await self._blobs.put(outcome.model_dump_json(exclude_none=True).encode())
        record = run_states.ended(attempt.stored.record, outcome, digest, _now())
        await self._tell_end(await self._store.update(attempt.stored, record), attempt.lineage)

    async def _tell_end(self, stored: StoredRun, lineage: RunLineage | None = None) -> None:
        """Publish how the run ended; asked again after a crash, nothing of it is told twice."""
        record = stored.record
        content = json.loads(await self._blobs.get(record.outcome or ""))
        if record.status is RunStatus.COMPLETED:
            outcome: run_states.RunEnded = RunCompleted.read(content)
            await close_run(self._bus, record, "COMPLETE", error=None, lineage=lineage)
        else:
            outcome = failed = RunFailed.read(content)
            why = "\n".join(problem.message for problem in failed.problems)
            await close_run(self._bus, record, "FAIL", error=why, lineage=lineage)
        await self._bus.publish(outcome, id=f"{record.run_id}:{record.status}")
        await self._store.settle(record)
        log.info("run ended", run_id=record.run_id, status=record.status.value)

    async def _abort_open(self, attempt: _Attempt) -> None:
        for start in await open_starts(self._bus, attempt.stored.record):
            await self._publish_lineage(attempt, aborted(start, _now()))

    async def _publish_lineage(self, attempt: _Attempt, event: LineageEvent) -> None:
        await publish_lineage(self._bus, attempt.stored.record, event)
        attempt.lineage_events += 1

    async def _count_lineage(self, attempt: _Attempt) -> int:
        """The run's events on the stream with the last one, which its end will add; counted there in later attempts."""
        last = 0 if attempt.lineage is None else 1
        if attempt.stored.record.attempt == 1:
            return attempt.lineage_events + last
        return len([event async for event in lineage_of(self._bus, attempt.stored.record)]) + last

    def _lineage(self, attempt: _Attempt) -> RunLineage:
        if attempt.lineage is None:
            raise Transient("the run was not prepared")
        return attempt.lineage


def _fence(lease: Lease, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """A check that may be made from a thread: is the lease still ours?"""

    def verify() -> None:
        asyncio.run_coroutine_threadsafe(lease.verify(), loop).result(timeout=30)

    return verify


def _seconds(attempt: _Attempt) -> RunSeconds:
    return RunSeconds(run=round(attempt.build_seconds, 3), land=round(attempt.land_seconds, 3))


def _now() -> datetime:
    return datetime.now(UTC)
