"""The bus is killed while a run is under way, and comes back with its store."""

from __future__ import annotations

import pytest

from floe_chassis.bus import Bus
from floe_chassis.testing import eventually
from floe_contracts import subjects

from .conftest import Publish, Recovery
from .facts import Facts, listening
from .processes import Stack
from .products import SLOW, SLOW_ROWS, TABLES
from .test_executor_kills import begins_slow


@pytest.mark.parametrize("outage", ["short", "longer-than-the-lease"])
async def test_bus_killed_while_a_node_runs(
    stack: Stack, bus: Bus, facts: Facts, compiled: Publish, recovery: Recovery, outage: str
) -> None:
    digest = await compiled(SLOW, slow_rows=SLOW_ROWS)
    lost_before = stack.logged("executor", "lease.lost")
    async with listening(bus, subjects.lineage_pattern(product=SLOW)) as heard:
        run = await facts.request(SLOW, digest, f"bus:{outage}")
        await heard(begins_slow)
        stack.server.kill()
    recovery()
    if outage == "short":
        await eventually(lambda: not bus.connected)
    else:
        await eventually(lambda: stack.logged("executor", "lease.lost") > lost_before)
    stack.server.start()
    outcome = await facts.assert_ended_once(SLOW, run, TABLES)
    # Only a lost lease costs an attempt; on a slow machine the short outage may be too long for it too.
    assert outcome.attempt == 1 + stack.logged("executor", "lease.lost") - lost_before
