from __future__ import annotations

import asyncio

import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_executor.adapters.run_store import RunStore
from floe_executor.dispatcher import Dispatcher
from floe_executor.settings import ExecutorSettings


@pytest.mark.bus
async def test_a_dispatcher_ends_when_told_to(bus: Bus, bus_settings: ChassisSettings, store: RunStore) -> None:
    """It is told to in the middle of its requests, whose answers must not swallow the cancellation."""
    settings = ExecutorSettings(tick_seconds=0.0005)
    for number in range(40):
        no_run_waits = None
        dispatcher = Dispatcher(bus, store, no_run_waits, settings, bus_settings)  # type: ignore[arg-type]
        looking = asyncio.create_task(dispatcher.run())
        await asyncio.sleep(0.01 + number * 0.0003)
        looking.cancel()
        done, _ = await asyncio.wait([looking], timeout=5)
        assert done, f"still looking, in round {number}"
