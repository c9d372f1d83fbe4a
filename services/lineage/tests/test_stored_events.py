from __future__ import annotations

import asyncio

import pytest

from floe_chassis.testing import frozen
from floe_contracts import subjects
from floe_lineage.adapters.stored_events import StoredEvents

pytestmark = pytest.mark.bus


async def test_an_event_is_found_by_its_place(lineage_bus, publish, runs) -> None:
    await publish(runs(range(2)))
    stored = StoredEvents(lineage_bus)
    assert b'"run-0"' in (await stored.read(1) or b"")
    for nowhere in (99, 0, -1, 2**63, 2**64):
        assert await asyncio.wait_for(stored.read(nowhere), 10) is None


async def test_a_bus_that_is_away_is_waited_for(own_bus, own_server) -> None:
    subject = subjects.lineage("default", "dev", "orders", "orders.model", "START")
    await own_bus.publish_raw(subject, b"{}", {}, "1")
    with frozen(own_server.pid):
        reading = asyncio.create_task(StoredEvents(own_bus).read(1))
        done, _ = await asyncio.wait({reading}, timeout=6)
        assert not done
    assert await asyncio.wait_for(reading, 60) == b"{}"
