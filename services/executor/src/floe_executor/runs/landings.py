"""The landing of a run: what is built is staged, table by table, then switched one by one.

The journal of a staging is in the run's record: a later attempt switches what is left. Every switch asks the lease
first.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from floe_chassis import fault_points
from floe_chassis.blobs import BlobStore
from floe_chassis.leases import Lease
from floe_contracts.digests import canonical_json
from floe_contracts.events import LandedTable
from floe_contracts.runs import RunRecord
from floe_executor.adapters.state.run_store import RunStore, StoredRun
from floe_executor.core import run_states
from floe_executor.core.landing_journal import LandingJournal, StagedNode
from floe_executor.core.ports import BuildRequest, Lander
from floe_executor.core.retries import BuiltSoFar
from floe_executor.core.warehouses import nodes_for_lake
from floe_executor.errors import LandingAhead
from floe_executor.runs.attempt import Attempt
from floe_executor.runs.products import Product

log = structlog.get_logger(__name__)

_FENCE_SECONDS: Final = 120.0
"""Longer than a lease lasts: asking for it comes to an end by itself, unless the event loop is gone."""


class Landings:
    """Lands what attempts have built; the runs of a place one after another."""

    def __init__(self, blobs: BlobStore, store: RunStore, lander: Lander) -> None:
        self._blobs = blobs
        self._store = store
        self._lander = lander
        self._places: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._landed: defaultdict[str, set[str]] = defaultdict(set)

    def place(self, lease: Lease) -> asyncio.Lock:
        """Held by whoever changes or copies what stands in a place, under its lease."""
        return self._places[lease.key]

    async def land(self, attempt: Attempt, request: BuildRequest) -> None:
        """Stage and switch every table: of the runs of a place, what one has staged lands before another one stages.

        Raises:
            LandingAhead: a run that works beside this one, in the same backfill, has staged and could not land.
            Permanent: the landing failed.
            Transient: it failed for a reason that may pass.
        """
        started = time.monotonic()
        async with self.place(attempt.lease):
            journal = await self.stage(attempt, request)
            attempt.land_seconds = time.monotonic() - started
            await self.switch(attempt, request, journal)
            attempt.land_seconds = time.monotonic() - started
            record = attempt.stored.record
            if record.backfill is not None:
                # Its end is written a moment later; those beside it that wait here need not wait for that.
                self._landed[str(record.place)].add(record.run_id)

    async def stage(self, attempt: Attempt, request: BuildRequest) -> LandingJournal:
        """Stage, unless an earlier attempt has come that far already."""
        record = attempt.stored.record
        if record.landing:
            journal = await self._journal(record.landing)
            attempt.earlier = _built_in(journal)
            attempt.build_seconds = journal.seconds
            return journal
        if record.backfill is not None:
            await self._let_pass(record)
        nodes = nodes_for_lake(request.artifact, request.environment, request.graph, attempt.built.nodes)
        tables = await self._lander.stage(request, nodes)
        journal = LandingJournal(nodes=attempt.outcomes, tables=tables, seconds=attempt.build_seconds)
        digest = await self._blobs.put(canonical_json(journal.model_dump(mode="json", exclude_none=True)))
        await attempt.lease.confirm()
        landing = run_states.staged(record, digest, attempt.telling.lineage_events)
        attempt.stored = await self._store.update(attempt.stored, landing)
        return journal

    async def switch(self, attempt: Attempt, request: BuildRequest, journal: LandingJournal) -> None:
        """Switch each staged table; from the first one on the run is completed."""
        for staged in journal.tables:
            if attempt.ended:
                raise asyncio.CancelledError
            attempt.switching = True
            attempt.tables = (*attempt.tables, await self._switch_one(attempt, request, staged))
            await fault_points.reach("between-tables")

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

    async def built(self, journal: str) -> BuiltSoFar:
        """What a run had built whose journal has that digest: everything.

        Raises:
            FloeError: it cannot be read at the moment.
        """
        return _built_in(await self._journal(journal))

    async def _let_pass(self, record: RunRecord) -> None:
        pending = [stored.record async for stored in self._store.pending(record.place)]
        staged = [other.run_id for other in pending if other.landing is not None and not other.status.terminal]
        landed = self._landed[str(record.place)]
        landed.intersection_update(staged)
        for run in staged:
            if run not in landed:
                raise LandingAhead(
                    f"the run {run} has staged an older copy of the tables, and lands first",
                    hint="this run lands after it",
                )

    async def _journal(self, digest: str) -> LandingJournal:
        return LandingJournal.model_validate_json(await self._blobs.get(digest), extra="ignore")

    async def _switch_one(self, attempt: Attempt, request: BuildRequest, staged: StagedNode) -> LandedTable:
        identifier = ".".join(staged.staged["identifier"])
        await attempt.telling.landing_began(identifier, staged.unique_id)
        landed = await self._lander.switch(
            request, staged, token=attempt.lease.token, fence=_fence(attempt.lease, asyncio.get_running_loop())
        )
        location = staged.staged.get("location")
        await attempt.telling.landing_ended(landed, location=location)
        return landed.table


def _built_in(journal: LandingJournal) -> BuiltSoFar:
    return BuiltSoFar(nodes=journal.nodes, whole=True, own=tuple(outcome.unique_id for outcome in journal.nodes))


def _fence(lease: Lease, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """A check that may be made from a thread: is the lease still ours?"""

    def verify() -> None:
        asyncio.run_coroutine_threadsafe(lease.confirm(), loop).result(timeout=_FENCE_SECONDS)

    return verify
