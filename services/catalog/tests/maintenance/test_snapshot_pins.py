"""Pins: who reads a snapshot keeps it, for as long as they live."""

from __future__ import annotations

from functools import partial

import pytest

from floe_catalog.adapters.snapshot_pins import SnapshotPins
from floe_chassis.bus import Bus
from floe_chassis.testing import eventually
from floe_chassis.topology import SNAPSHOT_PINS_BUCKET

pytestmark = pytest.mark.bus

TABLE = "8c3a3f0e-0000-4000-8000-000000000001"
OTHER = "8c3a3f0e-0000-4000-8000-000000000002"


@pytest.fixture
def pins(bus: Bus) -> SnapshotPins:
    return SnapshotPins(partial(bus.key_value, SNAPSHOT_PINS_BUCKET))


async def test_a_pin_holds_while_its_block_runs(pins: SnapshotPins) -> None:
    async with pins.hold(TABLE, 1), pins.hold(TABLE, 2**63 - 1), pins.hold(OTHER, 3):
        assert await pins.pinned(TABLE) == {1, 2**63 - 1}
        async with pins.hold(TABLE, 1):
            pass
        assert await pins.pinned(TABLE) == {1, 2**63 - 1}
    assert await pins.pinned(TABLE) == frozenset()


async def test_a_pin_goes_when_its_block_fails(pins: SnapshotPins) -> None:
    with pytest.raises(RuntimeError):
        async with pins.hold(TABLE, 1):
            raise RuntimeError
    assert await pins.pinned(TABLE) == frozenset()


async def test_what_is_noted_is_found_after_an_attempt_that_did_not_end(pins: SnapshotPins) -> None:
    with pytest.raises(RuntimeError):
        async with pins.hold(TABLE, 7, holder="compaction", note="commits:never"):
            raise RuntimeError
    assert await pins.notes(TABLE, "compaction") == {7: "commits:never"}
    assert await pins.notes(TABLE, "manifests") == {}
    assert await pins.pinned(TABLE) == {7}
    async with pins.hold(TABLE, 7, holder="compaction", note="commits:never"):
        pass
    assert await pins.notes(TABLE, "compaction") == {}


async def test_a_pin_outlives_the_buckets_time_while_it_is_held(bus: Bus) -> None:
    """In a bucket that forgets after three seconds."""
    await bus.js.create_key_value(bucket="short_pins", ttl=3)
    pins = SnapshotPins(partial(bus.key_value, "short_pins"))
    async with pins.hold(TABLE, 1):
        bucket = await bus.key_value("short_pins")
        await bucket.put("left.5.dead", b"")

        async def forgotten() -> bool:
            return not await pins.pinned("left")

        await eventually(forgotten)
        assert await pins.pinned(TABLE) == {1}
