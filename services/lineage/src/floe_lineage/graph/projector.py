"""Keeps the graph up to the stream: reads, writes what has changed, tells what it finds out, and acknowledges last.

Whatever fails on the way, all is read again from the buckets, and the stream goes on where its consumer is: an event
that comes again changes nothing. Before anything is told, all that was stored before has been read, the own findings
among it, so that nothing is told twice.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import structlog

from floe_chassis.bus import Bus
from floe_chassis.topology import LINEAGE_GRAPH
from floe_contracts.errors import ContractError, Transient
from floe_contracts.lineage_states import DatasetName, DatasetState, JobState, LineageState
from floe_contracts.plugins.lineage_backends import LineageEvent
from floe_lineage.adapters.graph_buckets import GraphBuckets, StoredRecord
from floe_lineage.adapters.lineage_consumer import LineageConsumer
from floe_lineage.adapters.lineage_stream import LineageStream
from floe_lineage.core.columns.cache import cache_key
from floe_lineage.core.forwarding.backlog import Backlog
from floe_lineage.core.graph.facts import EventFacts
from floe_lineage.core.graph.findings import (
    FindDataset,
    columns_of_landing,
    columns_of_sql,
    statement_of,
    to_be_read_again,
    told_by_producer,
    with_columns,
)
from floe_lineage.core.graph.folding import Batch, RecordKey, fold
from floe_lineage.core.graph.knowledge import Knowledge
from floe_lineage.core.graph.ports import ColumnReading
from floe_lineage.graph.graph_metrics import GraphMetrics
from floe_lineage.graph.tellings import Tellings

_AGAIN_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 5.0
_TURN: Final = 32
"""After so many events others have their turn: forwarding shares the event loop."""
_log = structlog.get_logger("floe.lineage")


class Projector:
    """The one writer of what is known of datasets and jobs.

    Attributes:
        knowledge: of each tenant; None while its records are read.
        current: set once all is read that was stored before the start, and not while the records are read again.
        waiting: events of those that are not read yet.
    """

    def __init__(self, bus: Bus, columns: ColumnReading, now: Callable[[], datetime], metrics: GraphMetrics) -> None:
        self.knowledge: dict[str, Knowledge] | None = None
        self.current = asyncio.Event()
        self._bus = bus
        self._columns = columns
        self._metrics = metrics
        self._stream = LineageStream(bus, LINEAGE_GRAPH)
        self._consumer = LineageConsumer(bus, LINEAGE_GRAPH)
        self._buckets = GraphBuckets(bus)
        self._tellings = Tellings(bus, now, metrics)
        self._untold: set[RecordKey] = set()
        self.waiting = 0
        self._looked_at = 0.0
        self._was_current = False
        self._frozen = False
        self.check = self._stream.check

    async def run(self) -> None:
        """Follow the stream until cancelled."""
        complaint = ""
        try:
            while True:
                try:
                    await self._load()
                    while True:
                        await self._step()
                        complaint = ""
                except Transient as error:
                    if str(error) != complaint:
                        complaint = str(error)
                        _log.warning("graph.again", reason=complaint)
                    await self._stream.close()
                    await asyncio.sleep(_AGAIN_SECONDS)
        finally:
            await self._stream.close()

    async def _load(self) -> None:
        """Take all records, as they stand."""
        while not await self._bus.until_connected(_AGAIN_SECONDS):
            pass
        backlog = await self._backlog()
        self.waiting = backlog.waiting
        # What was known goes first: a graph of a hundred thousand records must not be in memory twice.
        self.current.clear()
        self.knowledge = None
        stored = [record async for record in self._buckets.load()]
        # In a thread of its own: a hundred thousand records take seconds, and forwarding goes on meanwhile.
        knowledge = await asyncio.to_thread(_known, stored)
        # An event is settled once what follows from it is told.
        self._untold = {
            (tenant, job) for tenant, known in knowledge.items() for job in known.touched_since(backlog.settled)
        }
        self._tellings.forget()
        self.knowledge = knowledge
        if not self._frozen:
            # A million objects that stay: the collector would walk them again and again, half a second each time. Once,
            # as whatever else is there stays for good, too.
            gc.freeze()
            self._frozen = True
        _log.info("graph.loaded", records=len(stored), waiting=self.waiting)
        self._answer_if_current()

    async def _step(self) -> None:
        events = await self._stream.fetch()
        if events:
            await self._take(events)
            self.waiting = max(0, self.waiting - len(events))
        elif self.waiting:  # what only another consumer was to get again is not handed out here
            self.waiting = (await self._backlog()).waiting
        if not self.waiting and self._untold:
            await self._caught_up()
        self._answer_if_current()
        await self._stream.accepted(events)
        if time.monotonic() - self._looked_at > _LOOK_SECONDS:
            await self._backlog()

    def _answer_if_current(self) -> None:
        """Have questions answered: once all was read, also while what failed since is read again."""
        self._was_current = self._was_current or not self.waiting
        if self._was_current:
            self.current.set()

    async def _take(self, events: Sequence[LineageEvent]) -> None:
        knowledge = self.knowledge
        assert knowledge is not None  # noqa: S101 - it is loaded before anything is read
        batch = Batch()
        graphs = {tenant: known.graph for tenant, known in knowledge.items()}
        for first in range(0, len(events), _TURN):
            fold(batch, graphs, events[first : first + _TURN])
            await asyncio.sleep(0)
        if batch.passed_over:  # a producer that tells rubbish tells a lot of it: one line a batch
            first_passed = batch.passed_over[0]
            _log.warning(
                "graph.passed_over",
                events=len(batch.passed_over),
                first_sequence=first_passed.position.sequence,
                reason=first_passed.reason,
            )
        for key, facts in batch.finished.items():
            batch.jobs[key] = await self._with_columns(batch.jobs[key], facts, _finder(knowledge, batch, key[0]))
        # Datasets first: a job must never speak of one of which nothing is known.
        await self._buckets.write(batch.datasets.values())
        await self._buckets.write(batch.jobs.values())
        for tenant, states in _by_tenant((*batch.datasets.values(), *batch.jobs.values())).items():
            touched = knowledge.setdefault(tenant, Knowledge()).take(states)
            self._untold.update((tenant, job) for job in touched)
        self._metrics.read(len(events) - len(batch.passed_over), len(batch.passed_over))

    async def _with_columns(self, job: JobState, facts: EventFacts, find: FindDataset) -> JobState:
        """The job with what its columns are made of, where its producer does not say so."""
        if told_by_producer(facts):
            return with_columns(job, None, None)
        if facts.job is not None and facts.job.landing:
            return with_columns(job, columns_of_landing(job, find), None)
        statement = statement_of(job, facts, find)
        if statement is None:
            return with_columns(job, None, None)
        key = cache_key(statement)
        if key == job.columns_key:
            return job
        found = await self._columns.read(statement)
        if found.passing:
            return to_be_read_again(job)
        return with_columns(job, columns_of_sql(statement, found), key)

    async def _caught_up(self) -> None:
        """Tell what is new; all that was told before has been read."""
        untold, self._untold = self._untold, set()
        try:
            await self._tellings.tell(self.knowledge or {}, untold)
        except BaseException:
            self._untold |= untold
            raise

    async def _backlog(self) -> Backlog:
        """Events that are stored and not acknowledged by now."""
        backlog = await self._consumer.backlog()
        self._looked_at = time.monotonic()
        self._metrics.waiting(backlog.waiting)
        return backlog


def _known(stored: Iterable[StoredRecord]) -> dict[str, Knowledge]:
    """What records add up to, by tenant."""
    by_tenant = _by_tenant(_readable(stored))
    knowledge = {tenant: Knowledge() for tenant in by_tenant}
    for tenant, states in by_tenant.items():
        knowledge[tenant].take(states)
    return knowledge


def _readable(stored: Iterable[StoredRecord]) -> Iterator[LineageState]:
    """Records; one that cannot be read is made anew by the next event that speaks of it."""
    for record in stored:
        try:
            yield record.read()
        except ContractError as error:
            _log.warning("graph.record_unreadable", reason=error.message)


def _finder(knowledge: dict[str, Knowledge], batch: Batch, tenant: str) -> FindDataset:
    def find(name: DatasetName) -> DatasetState | None:
        known = knowledge.get(tenant)
        identity = name.id
        return batch.datasets.get((tenant, identity)) or (known.graph.datasets.get(identity) if known else None)

    return find


def _by_tenant(states: Iterable[LineageState]) -> dict[str, list[LineageState]]:
    found: dict[str, list[LineageState]] = {}
    for state in states:
        found.setdefault(state.tenant, []).append(state)
    return found
