"""Takes what Cubes tell of their queries, and tells it on the lineage stream.

A batch is answered once the bus has what is told of it at once, so that a Cube sends it again to whoever comes after a
service that was killed. What is counted in an open window is lost then; a service that stops in order tells it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

import structlog

from floe_chassis import query_telemetry_names as names
from floe_chassis.bus import Bus
from floe_chassis.errors import MessageTooLarge, PublishRefused
from floe_contracts.errors import Transient, Unreachable
from floe_contracts.openlineage.envelope import message_headers, message_subject, read_envelope
from floe_contracts.openlineage.events import message_id, to_bytes
from floe_contracts.openlineage.naming import Place
from floe_semantic.adapters.open_queries import OpenQueries
from floe_semantic.core.queries.events import query_events
from floe_semantic.core.queries.job_names import JobNames
from floe_semantic.core.queries.pseudonyms import Pseudonym, pseudonymous
from floe_semantic.core.queries.records import QueryBatch
from floe_semantic.core.queries.windows import Query, QueryWindows, Telling, query_of
from floe_semantic.queries.query_metrics import QueryMetrics
from floe_semantic.queries.served_bundles import ServedBundles

MOST_WAITING: Final = 5_000
_MOST_RECENT: Final = 50_000
_TICK_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 1.0
_LOGGED_EVERY: Final = 60.0
_TOLD_WITHIN: Final = 5.0
_AT_ONCE: Final = 32

_log = structlog.get_logger("floe.semantic")


class QueryLineage:
    """The lineage of queries.

    Args:
        bus: where it is told.
        bundles: what queries were served with.
        open_queries: those that run.
        pseudonym: makes pseudonyms.
        windows: which queries are told one by one.
        metrics: counts them.
        now: the time.
    """

    def __init__(
        self,
        bus: Bus,
        bundles: ServedBundles,
        open_queries: OpenQueries,
        pseudonym: Pseudonym,
        windows: QueryWindows,
        metrics: QueryMetrics,
        now: Callable[[], datetime],
    ) -> None:
        self._bus = bus
        self._bundles = bundles
        self._open = open_queries
        self._pseudonym = pseudonym
        self._windows = windows
        self._metrics = metrics
        self._now = now
        self._names = JobNames()
        self._waiting: deque[Telling] = deque()
        self._arrived = asyncio.Event()
        self._added = 0
        self._done = 0
        self._progress = asyncio.Event()
        self._recent: OrderedDict[tuple[Any, ...], None] = OrderedDict()
        self._lost: dict[str, int] = {}
        self._logged_at = 0.0

    async def take(self, place: Place, batch: QueryBatch) -> None:
        """Take a batch, and wait until the bus has what is told of it at once; what was taken before is passed over.

        Raises:
            Unreachable: the bus is away; the batch is to be sent again, whether all of it was taken or not.
        """
        await self._take(place, batch)
        added = self._added
        try:
            async with asyncio.timeout(_TOLD_WITHIN):
                while self._done < added:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError as error:
            raise Unreachable("the bus does not take the lineage of queries", hint="send it again") from error
        self._lose(batch.dropped, names.DROPPED_BY_CUBE)
        self._lose(batch.unreadable, names.UNREADABLE)

    async def _take(self, place: Place, batch: QueryBatch) -> None:
        for record in batch.records:
            told = pseudonymous(record, place.tenant, self._pseudonym)
            query = query_of(place, batch.instance, batch.cube_version, told)
            key = (place, batch.instance, record.request, record.started_at, query.digest)
            if key in self._recent:
                continue
            if len(self._waiting) >= MOST_WAITING:
                raise Unreachable("the bus does not take lineage, and enough of it waits", hint="send it again")
            if record.kind == "started":
                await self._open.remember(query, self._now())
                continue
            if record.announced:
                await self._open.forget(query)
                if key in self._recent:  # the same batch came twice at once
                    continue
            self._recent[key] = None
            if len(self._recent) > _MOST_RECENT:
                self._recent.popitem(last=False)
            self._ended(query, record.user)

    async def tell(self) -> None:
        """Tell what waits, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                try:
                    await self._tell_some()
                except Transient as error:
                    _log.warning("query.untold_yet", waiting=len(self._waiting), error=str(error))
                    await asyncio.sleep(_AGAIN_SECONDS)

    async def watch(self) -> None:
        """Close windows in time and find queries that have ended without a word, until cancelled."""
        look_at = time.monotonic() + _LOOK_SECONDS
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for telling in self._windows.close(time.monotonic()):
                self._add(telling)
            self._lose(self._windows.uncounted, names.TOO_MANY_JOBS)
            self._windows.uncounted = 0
            self._log_losses()
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _LOOK_SECONDS
                await self._end_silent()

    async def stop(self) -> None:
        """Tell what is open and what waits, once."""
        for telling in self._windows.close(None):
            self._add(telling)
        try:
            while self._waiting:
                await self._tell_some()
        except Transient as error:
            _log.warning("query.untold", runs=len(self._waiting), error=str(error))

    def _ended(self, query: Query, caller: str | None) -> None:
        self._metrics.query("denied" if query.record.denied else query.record.kind)
        now = time.monotonic()
        if query.named == query.digest:
            query = replace(query, named=self._names.name(query.place, query.served, query.digest, now))
        telling = self._windows.take(query, now, caller)
        if telling is not None:
            self._add(telling)

    def _add(self, telling: Telling) -> None:
        self._waiting.append(telling)
        self._added += 1
        self._arrived.set()

    async def _end_silent(self) -> None:
        try:
            for query in await self._open.silent(self._now()):
                self._ended(query, query.record.user)
                await self._open.forget(query)
        except Unreachable as error:
            _log.warning("query.open_unread", error=str(error))

    async def _tell_some(self) -> None:
        """Tell the first of those that wait; where one cannot be told, all of them are told again under their ids."""
        some = list(islice(self._waiting, _AT_ONCE))
        results = await asyncio.gather(*(self._tell(each) for each in some), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for _ in some:
            self._waiting.popleft()
        self._done += len(some)
        self._progress.set()

    async def _tell(self, telling: Telling) -> None:
        query = telling.query
        bundle = await self._bundles.find(query.place, query.record, query.served)
        for event in query_events(telling, bundle):
            envelope = read_envelope(event)
            subject = message_subject(envelope, query.place)
            try:
                await self._bus.publish_raw(subject, to_bytes(event), message_headers(envelope), message_id(event))
            except (MessageTooLarge, PublishRefused) as error:
                _log.warning("query.refused", job=envelope.name, error=str(error))
                self._lose(telling.alike.queries, names.REFUSED)
                return
        self._metrics.run()

    def _lose(self, count: int, reason: str) -> None:
        if count:
            self._metrics.untold(count, reason)
            self._lost[reason] = self._lost.get(reason, 0) + count

    def _log_losses(self) -> None:
        """Say what is told nowhere, the first time at once, then not more often than once a minute."""
        now = time.monotonic()
        if self._lost and now - self._logged_at >= _LOGGED_EVERY:
            _log.warning("query.lost", **self._lost)
            self._lost, self._logged_at = {}, now
