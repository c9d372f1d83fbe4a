"""A graph in memory, and the lineage service on a bus of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import declared
from floe_chassis.topology_apply import apply

from .graph_events import Memory, Stack


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
async def stack(bus: Bus, bus_settings: ChassisSettings, tmp_path: Path) -> Stack:
    await apply(bus, declared(bus_settings.model_copy(update={"ack_wait": 1.0}), ["file"]))
    environment = {
        "FLOE_NATS_URL": bus_settings.nats_url,
        "FLOE_HTTP_PORT": "0",
        "FLOE_SHUTDOWN_GRACE": "5",
        "FLOE_LINEAGE_FILE": str(tmp_path / "lineage.jsonl"),
    }
    return Stack(bus, bus_settings, environment)
