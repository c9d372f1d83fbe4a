"""Taking backfills further: which partitions, one run after the other, and their results at the end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import structlog

from floe_chassis.bus import Bus
from floe_contracts.errors import Permanent
from floe_contracts.events import Problem
from floe_contracts.runs import RunStatus
from floe_executor.adapters.state.backfill_store import BackfillStore, StoredBackfill
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.adapters.state.run_store import PendingRun, RunStore
from floe_executor.adapters.told_events import publish_unless_told
from floe_executor.clock import now
from floe_executor.core import backfills, partitions, run_states
from floe_executor.runs.endings import Endings
from floe_executor.runs.products import Products

log = structlog.get_logger(__name__)
_ONE_WRITER: Final = "duckdb"
"""A DuckDB file has one writer: its partitions are built one after another."""


class BackfillRuns:
    """Takes backfills further, step by step; any executor may, at any time."""

    def __init__(
        self,
        bus: Bus,
        store: RunStore,
        backfill_store: BackfillStore,
        cancellations: CancellationStore,
        products: Products,
        endings: Endings,
    ) -> None:
        self._bus = bus
        self._store = store
        self._backfills = backfill_store
        self._cancellations = cancellations
        self._products = products
        self._endings = endings

    async def advance(self, stored: StoredBackfill, waiting: Iterable[PendingRun], *, cancelled: bool) -> None:
        """Record the runs that are next, or tell the end.

        Args:
            stored: the backfill.
            waiting: the runs of its place that have not ended.
            cancelled: whether somebody asked for its end: no further runs are recorded then.

        Raises:
            RunChanged: another executor was faster.
            Transient: the artifact cannot be read at the moment.
        """
        if stored.record.keys is None:
            try:
                stored = await self._expand(stored)
            except Permanent as failure:
                await self._refuse(stored, failure)
                return
        left = sum(_is_part(stored, run) for run in waiting)
        made = backfills.to_make(stored.record, left)
        if made and not cancelled:
            await self._make(stored, made)
        elif not left and (cancelled or not stored.record.unfinished):
            await self._end(stored)

    async def _expand(self, stored: StoredBackfill) -> StoredBackfill:
        record = stored.record
        product = await self._products.read(record.artifact_digest, record.environment)
        orchestration, compute = product.artifact.orchestration, product.environment.compute
        definition = orchestration.partitions
        known: tuple[str, ...] = ()
        if definition is not None and definition.name is not None:
            known = await self._store.partitions(record.place, definition.name)
        keys = partitions.chosen(definition, record.choice, now(), known)
        parallel = 1 if compute.type == _ONE_WRITER else orchestration.concurrency.partitions
        return await self._backfills.update(stored, backfills.expanded(record, keys, parallel))

    async def _make(self, stored: StoredBackfill, indexes: range) -> None:
        for index in indexes:
            added = (await self._store.add(backfills.part(stored.record, index))).record
            await self._bus.publish(run_states.queued_event(added), id=f"{added.run_id}:queued")
        await self._backfills.update(stored, stored.record.model_copy(update={"made": indexes.stop}))

    async def _refuse(self, stored: StoredBackfill, failure: Permanent) -> None:
        """End a backfill that has no runs by a failed run in its name."""
        head = backfills.head(stored.record)
        await self._endings.add_ended(head, run_states.failed_before_start(head, Problem.of(failure)))
        await self._backfills.update(stored, backfills.ended(stored.record, now()))
        await self._backfills.settle(stored)

    async def _end(self, stored: StoredBackfill) -> None:
        record = stored.record
        statuses: dict[str, RunStatus] = {}
        for index in range(record.made):
            run = await self._store.find(record.place, backfills.part(record, index).run_id)
            if run is not None:
                statuses[run.record.run_id] = run.record.status
        if not all(status.terminal for status in statuses.values()):
            return  # another executor has recorded runs since those that wait were listed
        completed = backfills.completed(record, statuses)
        since = datetime.fromisoformat(record.requested_at)
        await publish_unless_told(self._bus, completed, id=f"{record.backfill}:completed", since=since)
        ended = await self._backfills.update(stored, backfills.ended(record, now()))
        await self._cancellations.remove(stored.key)
        await self._backfills.settle(ended)
        log.info("backfill ended", backfill=record.backfill, runs=record.made)


def _is_part(stored: StoredBackfill, run: PendingRun) -> bool:
    sequence, _, requested_at, _ = run.order
    return (sequence, requested_at) == (stored.record.sequence, stored.record.requested_at)
