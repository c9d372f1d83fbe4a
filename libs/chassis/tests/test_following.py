"""Following a stream: from any position on, past servers that restart, without holding much or leaving anything."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from floe_chassis.bus import Bus
from floe_chassis.errors import TopologyMissing
from floe_chassis.nats_server import NatsServer
from floe_chassis.stream_follower import Gap, Position, Start, StreamFollower
from floe_chassis.testing import eventually
from floe_chassis.topology import LINEAGE, declared
from floe_chassis.topology_apply import apply
from floe_contracts import subjects
from floe_contracts.errors import Unreachable

ALL = [subjects.lineage_pattern()]


async def publish(bus: Bus, first: int, last: int, product: str = "shop", body: bytes = b"") -> None:
    for number in range(first, last + 1):
        subject = subjects.lineage("default", "dev", product, f"job-{number % 2}", "START")
        await bus.publish_raw(subject, body or str(number).encode(), {}, f"{product}-{number}")


async def read(follower: StreamFollower, count: int) -> list[int | Gap]:
    """The next sequences, or where there is a gap."""
    found: list[int | Gap] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        found += [each if isinstance(each, Gap) else each.sequence for each in await follower.next(0.2)]
    return found


async def consumers(bus: Bus) -> int:
    names = await bus.js.consumers_info(LINEAGE)
    return sum(info.name.startswith("test-") for info in names)


@pytest.mark.parametrize(
    ("position", "first"),
    [(Start.OLDEST, 1), (Start.NEXT, 101), (0, 1), (40, 41), (100, 101)],
    ids=["oldest", "next", "behind nothing", "behind one", "behind the last"],
)
async def test_it_begins_where_it_is_told_and_goes_on_with_what_comes(bus: Bus, position: Position, first: int) -> None:
    await publish(bus, 1, 100)
    follower = StreamFollower(bus, LINEAGE, ALL, position)
    await follower.open()
    assert follower.position == first - 1
    await publish(bus, 101, 150)
    assert await read(follower, 151 - first) == list(range(first, 151))
    assert await follower.next(0.05) == []
    assert follower.position == 150
    await follower.close()
    assert await consumers(bus) == 0


async def test_it_begins_at_a_time(bus: Bus) -> None:
    await publish(bus, 1, 3)
    since = (await bus.js.get_msg(LINEAGE, 3)).time
    assert since is not None
    for position, expected in ((since, [3]), (datetime(2020, 1, 1, tzinfo=UTC), [1, 2, 3])):
        follower = StreamFollower(bus, LINEAGE, ALL, position)
        await follower.open()
        assert follower.position == expected[0] - 1
        assert await read(follower, len(expected)) == expected
        await follower.close()


async def test_of_several_filters_none_moves_the_beginning_at_a_time(bus: Bus) -> None:
    for number, kind in enumerate(["COMPLETE", "COMPLETE", "COMPLETE", "COMPLETE", "FAIL", "COMPLETE"], 1):
        await bus.publish_raw(subjects.lineage("default", "dev", "shop", "job", kind), b"", {}, str(number))
    since = (await bus.js.get_msg(LINEAGE, 2)).time
    assert since is not None
    patterns = [subjects.lineage_pattern(event_type=kind) for kind in ("COMPLETE", "FAIL")]
    follower = StreamFollower(bus, LINEAGE, patterns, since)
    await follower.open()
    assert await read(follower, 5) == [2, 3, 4, 5, 6]
    await follower.close()
    assert await consumers(bus) == 0


async def test_only_what_is_wanted_comes(bus: Bus) -> None:
    await publish(bus, 1, 4)
    await publish(bus, 5, 8, product="other")
    patterns = [subjects.lineage_pattern(product=name, job="job-1") for name in ("shop", "other")]
    follower = StreamFollower(bus, LINEAGE, patterns, Start.OLDEST)
    await follower.open()
    assert await read(follower, 4) == [1, 3, 5, 7]
    await follower.close()


async def test_what_the_stream_no_longer_holds_is_told(bus: Bus) -> None:
    await publish(bus, 1, 10)
    await bus.js.purge_stream(LINEAGE, seq=6)
    for position, expected in ((3, [Gap(3, 5), 6, 7]), (5, [6, 7, 8]), (Start.OLDEST, [6, 7, 8])):
        follower = StreamFollower(bus, LINEAGE, ALL, position)
        await follower.open()
        assert (await read(follower, 3))[:3] == expected
        await follower.close()


async def test_a_stream_that_was_made_anew_is_read_from_its_beginning(bus: Bus) -> None:
    await publish(bus, 1, 2)
    follower = StreamFollower(bus, LINEAGE, ALL, 500)
    await follower.open()
    assert follower.position == 500  # whoever goes away before it is told is told the next time
    assert await follower.next(1) == [Gap(500, 0)]
    assert follower.position == 0
    assert await read(follower, 2) == [1, 2]
    await follower.close()


async def test_a_reader_that_stops_holds_a_few_messages_only(bus: Bus) -> None:
    await publish(bus, 1, 300, body=b"x" * 100_000)
    follower = StreamFollower(bus, LINEAGE, ALL, Start.OLDEST)
    await follower.open()
    first = await read(follower, 1)
    (info,) = [info for info in await bus.js.consumers_info(LINEAGE) if info.name.startswith("test-")]
    assert info.delivered is not None
    assert (info.delivered.stream_seq or 0) * 100_000 < 3 * bus.size_limit()
    assert first + await read(follower, 300 - len(first)) == list(range(1, 301))
    await follower.close()


async def test_a_consumer_that_is_gone_is_made_anew(bus: Bus) -> None:
    await publish(bus, 1, 10)
    follower = StreamFollower(bus, LINEAGE, ALL, Start.OLDEST)
    await follower.open()
    assert await read(follower, 10) == list(range(1, 11))
    for info in await bus.js.consumers_info(LINEAGE):
        if info.name.startswith("test-"):
            await bus.js.delete_consumer(LINEAGE, info.name)
    await publish(bus, 11, 20)
    assert await read(follower, 10) == list(range(11, 21))
    await follower.close()
    assert await consumers(bus) == 0


async def test_a_server_that_is_killed_costs_nothing_and_repeats_nothing(own_bus: Bus, own_server: NatsServer) -> None:
    await publish(own_bus, 1, 500)
    follower = StreamFollower(own_bus, LINEAGE, ALL, Start.OLDEST)
    live = StreamFollower(own_bus, LINEAGE, ALL, Start.NEXT)
    await follower.open()
    await live.open()
    begun = await read(follower, 70)
    own_server.kill()
    own_server.stop()
    reading = asyncio.create_task(read(follower, 600 - len(begun)))
    assert await live.next(0.3) == []
    own_server.start()
    await publish(own_bus, 501, 600)
    assert begun + await reading == list(range(1, 601))
    assert await read(live, 100) == list(range(501, 601))
    for each in (follower, live):
        await each.close()
    assert await consumers(own_bus) == 0


@pytest.mark.parametrize("after", [0.0, 0.0005, 0.001, 0.002, 0.004])
async def test_a_beginning_that_is_cancelled_leaves_nothing_behind(bus: Bus, after: float) -> None:
    for _ in range(10):
        follower = StreamFollower(bus, LINEAGE, ALL, 0)

        async def begin(follower: StreamFollower = follower) -> None:
            try:
                await follower.open()
                await follower.next(60)
            finally:
                await follower.close()

        beginning = asyncio.create_task(begin())
        await asyncio.sleep(after)  # whenever it comes
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
    assert await consumers(bus) == 0


async def test_what_cannot_be_opened_says_why(own_bus: Bus, own_server: NatsServer) -> None:
    await own_bus.js.delete_stream(LINEAGE)
    with pytest.raises(TopologyMissing, match=LINEAGE):
        await StreamFollower(own_bus, LINEAGE, ALL, Start.NEXT).open()
    await apply(own_bus, declared(own_bus.settings))
    own_server.stop()
    await eventually(lambda: not own_bus.connected)
    with pytest.raises(Unreachable, match="not connected"):
        await StreamFollower(own_bus, LINEAGE, ALL, Start.NEXT).open()
