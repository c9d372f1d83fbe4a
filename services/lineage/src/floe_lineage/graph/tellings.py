"""Tells what was found out, on the stream that it was found out from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

import structlog

from floe_chassis.bus import Bus
from floe_chassis.errors import MessageTooLarge, PublishRefused
from floe_contracts.lineage_states import JobState, Told, ToldOutput
from floe_contracts.openlineage.enrichment import told_facets
from floe_contracts.openlineage.envelope import message_headers, message_subject, read_envelope
from floe_contracts.openlineage.events import event_time, to_bytes
from floe_contracts.openlineage.naming import Place
from floe_lineage.core.graph.folding import RecordKey
from floe_lineage.core.graph.knowledge import Knowledge
from floe_lineage.core.graph.telling import Telling, telling
from floe_lineage.graph.graph_metrics import GraphMetrics

Found: TypeAlias = tuple[RecordKey, JobState, Telling]

_AT_ONCE: Final = 32
_log = structlog.get_logger("floe.lineage")


class Tellings:
    """Publishes findings, each once: what is told is remembered until it is read back from the stream."""

    def __init__(self, bus: Bus, now: Callable[[], datetime], metrics: GraphMetrics) -> None:
        self._bus = bus
        self._now = now
        self._metrics = metrics
        self._told: dict[RecordKey, Told] = {}

    def forget(self) -> None:
        """Everything is read again; what was told is in the stream."""
        self._told = {}

    async def tell(self, knowledge: Mapping[str, Knowledge], jobs: Iterable[RecordKey]) -> None:
        """Tell what is new of these jobs.

        Raises:
            Unreachable: the bus does not take it; some may have been told.
        """
        waiting: list[Found] = []
        for tenant, identity in sorted(jobs):
            key = (tenant, identity)
            job = knowledge[tenant].graph.jobs[identity]
            found = telling(knowledge[tenant], job, self._last(job, key), event_time(self._now()))
            if found is not None:
                waiting.append((key, job, found))
            if len(waiting) >= _AT_ONCE:
                await self._publish_all(waiting)
                waiting = []
            await asyncio.sleep(0)  # others have their turn, also where there is nothing to tell
        await self._publish_all(waiting)

    async def _publish_all(self, found: Iterable[Found]) -> None:
        results = await asyncio.gather(*(self._publish(*each) for each in found), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _last(self, job: JobState, key: RecordKey) -> Told | None:
        """What was told last: as it was read back, or as it was told since.

        What was too large to be told has the number of what was told before it, and counts as told all the same.
        """
        remembered = self._told.get(key)
        if remembered is None or (job.told is not None and job.told.sequence > remembered.sequence):
            return job.told
        return remembered

    async def _publish(self, key: RecordKey, job: JobState, found: Telling) -> None:
        envelope = read_envelope(found.event)
        subject = message_subject(envelope, Place(job.tenant, job.environment, job.product))
        try:
            stored = await self._bus.publish_raw(subject, to_bytes(found.event), message_headers(envelope), found.id)
        except (MessageTooLarge, PublishRefused) as error:
            _log.warning("graph.untold", job=job.name, reason=str(error))
            sequence = job.told.sequence if job.told else 0
        else:
            sequence = stored.seq
            self._metrics.told()
        outputs = (
            ToldOutput(namespace=namespace, name=name, facets=tuple(sorted(facets)))
            for (namespace, name), facets in sorted(told_facets(found.event).items())
        )
        self._told[key] = Told(digest=found.digest, sequence=sequence, outputs=tuple(outputs))
