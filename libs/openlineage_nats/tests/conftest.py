"""A server that a test may freeze or stop, with the topology on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from floe_chassis.bus import Bus
from floe_chassis.nats_server import NatsServer
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import declared
from floe_chassis.topology_apply import apply


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def own_bus(own_server: NatsServer, bus_settings: ChassisSettings) -> AsyncIterator[Bus]:
    settings = bus_settings.model_copy(update={"nats_url": own_server.url})
    bus = Bus("test", settings)
    await bus.connect(wait=False)
    await apply(bus, declared(settings))
    yield bus
    await bus.close()
