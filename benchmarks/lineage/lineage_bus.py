"""A bus of one's own with the lineage stream on it, and many events put there quickly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from lineage_events import JOB, body_of
from openlineage.client.event_v2 import RunEvent

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import LINEAGE, declared
from floe_chassis.topology_apply import apply
from floe_contracts import subjects
from floe_contracts.openlineage.envelope import Envelope, message_headers

NOT_YET: Final = "2100-01-01T00:00:00Z"
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class LineageBus:
    """The server and a connection to it."""

    server: NatsServer
    bus: Bus

    @property
    def cpu(self) -> float:
        """The seconds that the server has used so far."""
        times = psutil.Process(self.server.pid).cpu_times()
        return times.user + times.system

    async def pause(self, consumer: str) -> None:
        """Have the server deliver nothing through a consumer until it is resumed."""
        await self.bus.js.pause_consumer(LINEAGE, consumer, NOT_YET)

    async def resume(self, consumer: str) -> None:
        """Deliver again."""
        await self.bus.js.resume_consumer(LINEAGE, consumer)

    async def settled(self, consumer: str) -> bool:
        """Whether nothing waits in a consumer and nothing is in flight."""
        info = await self.bus.js.consumer_info(LINEAGE, consumer)
        return info.num_pending == 0 and info.num_ack_pending == 0


@asynccontextmanager
async def lineage_bus(folder: Path, backends: Sequence[str] = ()) -> AsyncIterator[LineageBus]:
    """A server with floe's topology and a consumer for each backend, none for the graph of the lineage service."""
    server = NatsServer(folder / "nats")
    server.start()
    settings = ChassisSettings(nats_url=server.url)
    bus = Bus("bench", settings)
    try:
        await bus.connect(wait=False)
        await apply(bus, declared(settings, backends))
        yield LineageBus(server, bus)
    finally:
        await bus.close()
        server.stop()


@dataclass(frozen=True, slots=True)
class Letter:
    """An event as it is published."""

    subject: str
    headers: dict[str, str]
    body: bytes


def letters(events: Iterable[RunEvent]) -> list[Letter]:
    """The events as floe's gateway publishes them."""
    return [_letter(event) for event in events]


async def publish(bus: Bus, events: Iterable[Letter]) -> None:
    """Store events in their order, many at once."""
    waiting: list[asyncio.Future[object]] = []
    for event in events:
        waiting.append(await bus.js.publish_async(event.subject, event.body, headers=event.headers))
        if len(waiting) >= _AT_ONCE:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)


def _letter(event: RunEvent) -> Letter:
    kind = event.eventType.value
    root = event.run.facets["parent"].root.run.runId
    envelope = Envelope(kind, event.job.namespace, event.job.name, event.run.runId, root)
    headers = {**message_headers(envelope), "Nats-Msg-Id": f"{event.run.runId}:{kind}"}
    return Letter(subjects.lineage("default", "dev", "orders", JOB, kind), headers, body_of(event))
