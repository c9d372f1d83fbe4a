"""The client of Python in an account of its own: on the real server, with the generated configuration."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from floe_chassis.bus import Bus
from floe_chassis.testing import eventually
from floe_client import ConsumerGone, ConsumerUnsuitable, Floe, LineageEvent, NotAllowed, Since, connect
from floe_contracts.openlineage.naming import Place

from .subscribed_bus import SubscribedBus, tell

pytestmark = pytest.mark.bus

STREAM = "FLOE_LINEAGE"


def reader(
    bus: SubscribedBus, name: str = "bi", seed: str | None = None
) -> contextlib.AbstractAsyncContextManager[Floe]:
    return connect(bus.url, subscriber=name, seed_file=bus.seed(seed or f"subscriber-{name}"))


async def read(bus: SubscribedBus, count: int, name: str = "bi", since: Since = "beginning") -> list[LineageEvent]:
    async with reader(bus, name) as floe:
        return [event async for event in floe.lineage(since=since, limit=count)]


def numbers(events: list[LineageEvent]) -> list[int]:
    return [int((event.job or "").removeprefix("orders ")) for event in events]


async def acknowledged(operator: Bus, consumer: str) -> bool:
    """Whether anything is; the server counts an acknowledgement a moment after it has come."""
    floor = (await operator.js.consumer_info(STREAM, consumer)).ack_floor
    return floor is not None and floor.consumer_seq > 0


async def waiting(operator: Bus, count: int, consumer: str = "subscriber-bi") -> bool:
    return (await operator.js.consumer_info(STREAM, consumer)).num_waiting == count


async def test_a_subscriber_reads_its_own_and_goes_on_where_it_was(subscribed: SubscribedBus, operator: Bus) -> None:
    for number in range(6):
        await tell(operator, number, ("acme", "globex")[number % 2])
    first = await read(subscribed, 2)
    assert numbers(first) == [0, 2]
    assert first[0].place == Place("acme", "prod", "orders")
    assert first[0].document["job"] == {"namespace": "loader", "name": "orders 0"}
    reading = asyncio.create_task(read(subscribed, 2))
    await eventually(lambda: handed_out(operator, 5))
    await tell(operator, 6, "globex")
    await tell(operator, 8)
    assert numbers(await reading) == [4, 8]
    assert numbers(await read(subscribed, 4, "other")) == [1, 3, 5, 6]


async def handed_out(operator: Bus, sequence: int) -> bool:
    delivered = (await operator.js.consumer_info(STREAM, "subscriber-bi")).delivered
    return delivered is not None and delivered.stream_seq == sequence


async def test_a_subscriber_narrows_what_it_is_given(subscribed: SubscribedBus, operator: Bus) -> None:
    for number, (environment, product) in enumerate([("prod", "orders"), ("dev", "orders"), ("prod", "-spark")]):
        await tell(operator, number, "acme", environment, product)
    async with reader(subscribed) as floe:
        assert numbers([event async for event in floe.lineage(environment="prod", product="-spark", limit=1)]) == [2]
        with pytest.raises(ConsumerUnsuitable, match="globex"):
            await anext(floe.lineage(tenant="globex"))
        with pytest.raises(ValueError, match="names none"):
            await anext(floe.lineage("my-reader"))


async def test_a_subscriber_begins_at_any_time_and_sets_itself_back(subscribed: SubscribedBus, operator: Bus) -> None:
    """Which number of the stream a time has is found by halving: compared with what looking at each event says."""
    for number in range(40):
        await tell(operator, number, ("acme", "globex", "globex")[number % 3])
    every = await read(subscribed, 14)
    moments = [
        *(event.stored_at for event in every),
        *(event.stored_at + timedelta(microseconds=1) for event in every[:-1]),
        every[0].stored_at - timedelta(days=1),
    ]
    async with reader(subscribed) as floe:
        for moment in moments:
            expected = next(event for event in every if event.stored_at >= moment)
            await floe.replay(since=moment)
            assert await first(floe) == expected.sequence
        await floe.replay(since="beginning")
        assert await first(floe) == every[0].sequence
        for since in ("now", datetime.now(UTC) + timedelta(days=1)):
            await floe.replay(since=since)
            sequence = await tell(operator, 100 if since == "now" else 103)
            assert await first(floe) == sequence


async def first(floe: Floe) -> int:
    """The number of the next event, which is acknowledged."""
    (event,) = [event async for event in floe.lineage(limit=1)]
    return event.sequence


async def test_a_new_subscriber_begins_where_it_likes_and_only_once(subscribed: SubscribedBus, operator: Bus) -> None:
    for number in range(6):
        await tell(operator, number, ("acme", "globex")[number % 2])
    # Time, for a reader that ended before it had finished anything: begun there once more.
    (third,) = (await read(subscribed, 3, "bi"))[2:]
    for _ in range(2):
        async with reader(subscribed, "other") as floe:
            async for event in floe.lineage(since=third.stored_at):
                assert numbers([event]) == [5]
                break
    assert numbers(await read(subscribed, 1, "other", since=third.stored_at - timedelta(days=1))) == [1]
    await eventually(lambda: acknowledged(operator, "subscriber-other"))
    assert numbers(await read(subscribed, 1, "other", since=third.stored_at)) == [3]
    # Now: what came since the first start is not passed over by the second one.
    await tell(operator, 6, "acme", "dev")
    beginning = asyncio.create_task(read(subscribed, 1, "ops", since="now"))
    await eventually(lambda: waiting(operator, 1, "subscriber-ops"))
    beginning.cancel()
    await asyncio.wait({beginning})
    await tell(operator, 7, "acme", "dev")
    assert numbers(await read(subscribed, 1, "ops", since="now")) == [7]


async def test_a_stranger_is_told_what_it_may_not(subscribed: SubscribedBus, operator: Bus) -> None:
    with pytest.raises(NotAllowed, match="does not let this identity in"):
        await connect(subscribed.url, subscriber="bi").__aenter__()
    async with reader(subscribed, "ops", seed="subscriber-bi") as floe:
        with pytest.raises(NotAllowed, match="subscriber-ops"):
            await anext(floe.lineage())


async def test_in_floes_own_account_the_operator_reads_and_no_service(subscribed: SubscribedBus, operator: Bus) -> None:
    await tell(operator, 1)
    async with connect(subscribed.url, seed_file=subscribed.seed("gateway")) as floe:
        with pytest.raises(NotAllowed, match="have the answer") as refused:
            await anext(floe.lineage("reader"))
    assert "be the operator" in (refused.value.hint or "")
    async with connect(subscribed.url, seed_file=subscribed.seed("operator")) as floe:
        assert numbers([event async for event in floe.lineage("reader", limit=1)]) == [1]


async def test_a_replay_holds_for_a_start_without_since(subscribed: SubscribedBus, operator: Bus) -> None:
    for number in range(3):
        await tell(operator, number)
    assert numbers(await read(subscribed, 3)) == [0, 1, 2]
    async with reader(subscribed) as floe:
        await floe.replay(since="beginning")
    assert numbers(await read(subscribed, 3)) == [0, 1, 2]


async def test_a_consumer_that_is_not_there_is_told(subscribed: SubscribedBus, operator: Bus) -> None:
    reading = asyncio.create_task(read(subscribed, 1))
    await eventually(lambda: waiting(operator, 1))
    await operator.js.delete_consumer(STREAM, "subscriber-bi")
    with pytest.raises(ConsumerGone, match="deleted"):
        await reading
    with pytest.raises(ConsumerGone, match="floe topology apply --subscriber"):
        await read(subscribed, 1)


async def test_a_killed_bus_is_waited_for(subscribed: SubscribedBus, operator: Bus) -> None:
    await tell(operator, 1)
    got: list[int] = []

    async def follow() -> None:
        async with reader(subscribed) as floe:
            async for event in floe.lineage():
                got.extend(numbers([event]))

    following = asyncio.create_task(follow())
    await eventually(lambda: got == [1])
    subscribed.kill()
    await subscribed.start()
    await tell(operator, 2)
    await eventually(lambda: 2 in got)
    await operator.js.delete_consumer(STREAM, "subscriber-bi")
    with pytest.raises(ConsumerGone):
        await following
