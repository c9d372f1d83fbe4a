from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import RUNS_BUCKET
from floe_executor.adapters.state.backfill_store import BackfillStore
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.adapters.state.run_store import RunStore
from floe_executor.runs.dispatcher import Dispatcher
from floe_executor.runs.waiting_runs import WaitingRuns
from floe_executor.settings import ExecutorSettings


@pytest.mark.bus
async def test_a_dispatcher_ends_when_told_to(bus: Bus, bus_settings: ChassisSettings, store: RunStore) -> None:
    """It is told to in the middle of its requests, whose answers must not swallow the cancellation."""
    settings = ExecutorSettings(tick_seconds=0.0005)
    bucket = partial(bus.key_value, RUNS_BUCKET)
    nothing_waits: Any = None
    waiting = WaitingRuns(store, BackfillStore(bucket), CancellationStore(bucket), nothing_waits, nothing_waits)
    for number in range(40):
        dispatcher = Dispatcher(
            bus=bus,
            store=store,
            waiting=waiting,
            worker=nothing_waits,
            settings=settings,
            chassis=bus_settings,
        )
        looking = asyncio.create_task(dispatcher.run())
        await asyncio.sleep(0.01 + number * 0.0003)
        looking.cancel()
        done, _ = await asyncio.wait([looking], timeout=5)
        assert done, f"still looking, in round {number}"
