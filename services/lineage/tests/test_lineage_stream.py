"""The stream of one backend over a connection that loses what the server has sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import LINEAGE, declared
from floe_chassis.topology_apply import apply
from floe_lineage.adapters.lineage_stream import LineageStream

pytestmark = pytest.mark.bus


class Wire:
    """Stands between a client and the server. From the first request for messages on it swallows what is answered."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.swallows = False
        self.armed = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._server)
        self._open += [writer, server_writer]
        for work in (self._up(reader, server_writer), self._down(server_reader, writer)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.swallows = self.swallows or (self.armed and b"CONSUMER.MSG.NEXT" in data)
                writer.write(data)

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if not self.swallows:
                    writer.write(data)

    def cut(self) -> None:
        """End every connection, and swallow no more."""
        self.armed = self.swallows = False
        for writer in self._open:
            writer.close()
        self._open.clear()


@asynccontextmanager
async def wired(settings: ChassisSettings) -> AsyncIterator[tuple[Wire, Bus]]:
    """A connection to the bus that can be cut."""
    address = urlsplit(settings.nats_url)
    assert address.hostname is not None
    assert address.port is not None
    wire = Wire(address.hostname, address.port)
    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    own = settings.model_copy(update={"nats_url": settings.nats_url.replace(f":{address.port}", f":{port}")})
    bus = Bus("lineage", own)
    await bus.connect()
    try:
        yield wire, bus
    finally:
        await bus.close()
        wire.cut()
        server.close()


async def test_what_is_lost_before_the_first_delivery_comes_before_what_follows(
    lineage_bus, bus_settings, publish, runs
) -> None:
    # Longer than the test may take: nothing comes again by itself.
    await apply(lineage_bus, declared(bus_settings.model_copy(update={"ack_wait": 3600.0}), ["http"]))
    events = runs(range(10))
    await publish(events[:5])
    async with wired(bus_settings) as (wire, bus):
        stream = LineageStream(bus, "lineage-http")
        wire.armed = True
        fetching = asyncio.create_task(stream.fetch())

        async def in_flight() -> bool:
            info = await lineage_bus.js.consumer_info(LINEAGE, "lineage-http")
            return info.num_ack_pending == 5

        await eventually(in_flight)
        wire.cut()
        assert not await fetching
        await publish(events[5:])
        fetched: list[int] = []

        async def came() -> bool:
            batch = await stream.fetch()
            fetched.extend(event.position.sequence for event in batch)
            await stream.accepted(batch)
            return len(fetched) >= len(events) or bool(fetched and fetched[0] != 1)

        await eventually(came, timeout=60)
        await stream.close()
    assert fetched == list(range(1, len(events) + 1))
