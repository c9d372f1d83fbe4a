"""Reading streams and buckets without leaving anything behind, and the test fixtures themselves."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from floe_chassis.bus import Bus
from floe_chassis.key_values import entries_below, forget, keys_below
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import LINEAGE, RUNS_BUCKET, declared
from floe_chassis.topology_apply import apply
from floe_contracts import subjects
from floe_contracts.errors import Unreachable


async def test_a_stream_is_read_in_order_by_pattern_and_from_a_time_on(bus: Bus) -> None:
    for number in range(250):
        subject = subjects.lineage("default", "dev", "shop" if number % 2 else "other", "job", "START")
        await bus.publish_raw(subject, str(number).encode(), {}, str(number))
    pattern = subjects.lineage_pattern(product="shop")
    read = [message.data async for message in read_stream(bus.js, LINEAGE, pattern)]
    assert read == [str(number).encode() for number in range(1, 250, 2)]
    assert [m async for m in read_stream(bus.js, LINEAGE, pattern, since=datetime.now(UTC))] == []
    stored = (await bus.js.get_msg(LINEAGE, 240)).time
    assert stored is not None
    later = [message.data async for message in read_stream(bus.js, LINEAGE, pattern, since=stored)]
    assert later == [str(number).encode() for number in range(239, 250, 2)]


async def test_keys_are_listed_without_the_deleted_ones(bus: Bus) -> None:
    bucket = await bus.key_value(RUNS_BUCKET)
    for key in ("pending.a", "pending.b", "pending.c", "done.d"):
        await bucket.put(key, b"x")
    await bucket.delete("pending.b")
    assert sorted(await keys_below(bucket, "pending.>")) == ["pending.a", "pending.c"]
    assert await keys_below(bucket, "nothing.>") == []


@pytest.mark.parametrize("written", ["the same bucket", "the keys themselves", "keys that come and go"])
async def test_a_listing_is_whole_while_others_write(bus: Bus, written: str) -> None:
    bucket = await bus.key_value(RUNS_BUCKET)
    wanted = [f"pending.{number:03}" for number in range(40)]
    for key in wanted:
        await bucket.put(key, b"0")
    listed = 0

    async def write() -> None:
        number = 0
        while listed < 100:
            number += 1
            if written == "the same bucket":
                await bucket.put(f"other.{number % 50}", b"x")
            elif written == "the keys themselves":
                await bucket.put(wanted[number % len(wanted)], str(number).encode())
            else:
                await bucket.put("pending.gone", b"x")
                await bucket.purge("pending.gone")

    writing = asyncio.create_task(write())
    try:
        for _ in range(100):
            entries = await entries_below(bucket, "pending.>")
            assert [entry.key for entry in entries if entry.key != "pending.gone"] == wanted
            assert all(entry.value for entry in entries)
            listed += 1
    finally:
        listed = 100
        await writing
    assert (await bus.js.stream_info(f"KV_{RUNS_BUCKET}")).state.consumer_count == 0


async def test_what_is_forgotten_leaves_nothing_behind(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("floe_chassis.key_values._MARKER_SECONDS", 1.0)
    bucket = await bus.key_value(RUNS_BUCKET)
    await bucket.put("pending.a", b"x")
    await forget(bucket, "pending.a")
    assert await keys_below(bucket, "pending.>") == []

    async def empty() -> bool:
        return (await bucket.status()).values == 0

    assert await eventually(empty)


async def test_a_listing_of_a_bucket_that_is_away_fails_in_time(bus: Bus) -> None:
    bucket = await bus.key_value(RUNS_BUCKET)
    await bus.js.delete_stream(f"KV_{RUNS_BUCKET}")
    with pytest.raises(Unreachable, match="pending"):
        await keys_below(bucket, "pending.>")


@pytest.mark.parametrize("_", range(2))
async def test_each_test_has_an_empty_bus_of_its_own(bus: Bus, bus_settings: ChassisSettings, _: int) -> None:
    assert (await bus.js.stream_info(LINEAGE)).state.last_seq == 0
    await bus.publish_raw(subjects.lineage("default", "dev", "shop", "job", "START"), b"x", {}, "x")
    assert {change.action for change in await apply(bus, declared(bus_settings))} == {"unchanged"}


async def test_eventually_gives_the_answer_and_tells_what_did_not_come() -> None:
    answers = iter([None, 0, "yes"])
    assert await eventually(lambda: next(answers)) == "yes"

    async def never() -> bool:
        raise AssertionError("not yet")

    started = time.monotonic()
    with pytest.raises(AssertionError, match="async def never"):
        await eventually(never, timeout=0.1)
    assert time.monotonic() - started < 10
