"""Pulling in batches: what there is, at once and in order, never more than the memory should hold."""

from __future__ import annotations

import asyncio
import time

import pytest
from nats.aio.msg import Msg
from nats.errors import NotJSMessageError
from nats.js.errors import APIError, ServiceUnavailableError

from floe_chassis.batch_pull import BATCH_BYTES, BatchPull, Delivered, delivered
from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import LINEAGE, declared
from floe_chassis.topology_apply import apply
from floe_contracts import subjects

pytestmark = pytest.mark.bus

CONSUMER = "lineage-file"
SUBJECT = subjects.lineage("default", "dev", "shop", "job", "START")


@pytest.fixture
async def pull(bus: Bus, bus_settings: ChassisSettings) -> BatchPull:
    await apply(bus, declared(bus_settings, ["file"]))
    pull = BatchPull(bus, LINEAGE, CONSUMER)
    await pull.open()
    return pull


async def publish(bus: Bus, count: int, body: bytes = b"{}") -> None:
    """The server stores a message a moment before it counts it for the consumer; both are waited for."""
    for number in range(count):
        await bus.publish_raw(SUBJECT, body, {}, f"{number}")

    async def counted() -> bool:
        return (await bus.js.consumer_info(LINEAGE, CONSUMER)).num_pending == count

    await eventually(counted)


async def test_a_batch_is_what_there_is_and_comes_at_once(bus: Bus, pull: BatchPull) -> None:
    await publish(bus, 30)
    before = time.monotonic()
    batches = [await pull.fetch(20, 30) for _ in range(2)]
    assert time.monotonic() - before < 30
    told = [delivered(message) for batch in batches for message in batch]
    assert [len(batch) for batch in batches] == [20, 10]
    assert [(each.sequence, each.number, each.waiting) for each in told] == [(n, n, 30 - n) for n in range(1, 31)]
    assert await pull.fetch(20, 0.05) == []


async def test_the_first_message_is_waited_for(bus: Bus, pull: BatchPull) -> None:
    assert await pull.fetch(20, 0.05) == []
    await publish(bus, 1)
    assert len(await eventually(lambda: pull.fetch(20, 1))) == 1


async def test_large_messages_come_in_smaller_batches(bus: Bus, pull: BatchPull) -> None:
    count, size = 12, 900_000
    await publish(bus, count, b"x" * size)
    sequences = []
    while len(sequences) < count:
        batch = await pull.fetch(256, 5)
        assert 0 < len(batch) <= BATCH_BYTES // size
        sequences += [delivered(message).sequence for message in batch]
        assert bool(delivered(batch[-1]).waiting) == (len(sequences) < count)
    assert sequences == list(range(1, count + 1))


async def test_what_is_not_acknowledged_comes_again_through_another(bus: Bus, pull: BatchPull) -> None:
    await publish(bus, 5)
    first = await pull.fetch(5, 5)
    await first[0].ack()
    await pull.close()
    for message in first[1:]:
        await message.nak()
    other = BatchPull(bus, LINEAGE, CONSUMER)
    await other.open()
    told: list[tuple[int, int]] = []

    async def all_told() -> bool:
        for message in await other.fetch(5, 1):
            told.append((delivered(message).sequence, delivered(message).deliveries))
            await message.ack()
        return len(told) == 4

    await eventually(all_told)
    assert sorted(told) == [(number, 2) for number in range(2, 6)]


async def test_a_consumer_that_is_not_there_is_an_error(bus: Bus, pull: BatchPull) -> None:
    await bus.js.delete_consumer(LINEAGE, CONSUMER)
    with pytest.raises(ServiceUnavailableError):
        await pull.fetch(5, 5)


async def test_a_consumer_that_goes_while_it_is_waited_for_is_an_error(bus: Bus, pull: BatchPull) -> None:
    await publish(bus, 1)
    (message,) = await pull.fetch(5, 5)
    await message.ack()
    waiting = asyncio.create_task(pull.fetch(5, 30))
    await eventually(lambda: _waiting(bus))
    await bus.js.delete_consumer(LINEAGE, CONSUMER)
    with pytest.raises(APIError, match="Consumer Deleted"):
        await waiting


async def _waiting(bus: Bus) -> bool:
    info = await bus.js.consumer_info(LINEAGE, CONSUMER)
    return bool(info.num_waiting)


@pytest.mark.parametrize(
    "reply",
    ["$JS.ACK.S.c.2.7.9.1700000000123456789.4", "$JS.ACK._.hash.S.c.2.7.9.1700000000123456789.4.random"],
    ids=["short", "with domain"],
)
def test_both_forms_of_the_subject_are_read(reply: str) -> None:
    message = Msg(None, reply=reply)
    assert delivered(message) == Delivered(2, 7, 9, 1700000000123456789, 4)
    assert delivered(message).sequence == message.metadata.sequence.stream


@pytest.mark.parametrize("reply", ["", "_INBOX.x.y", "$JS.ACK.S.c.2"], ids=["none", "an inbox", "cut off"])
def test_what_no_consumer_delivered_is_an_error(reply: str) -> None:
    with pytest.raises(NotJSMessageError):
        delivered(Msg(None, reply=reply))
