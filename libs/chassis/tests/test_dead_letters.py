"""Dead letters from the server's advisories, and reading them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from nats.js.api import ConsumerConfig, StreamConfig

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, bury, read_dead_letter, watch_advisories
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import ADVISORIES, DEAD_LETTERS, DLQ, SPECS
from floe_contracts.cloudevents import Received
from floe_contracts.errors import ContractError, Permanent
from floe_contracts.events import SpecSubmitted

Submit = Callable[..., Awaitable[int]]
Start = Callable[..., Awaitable[Service]]
Letters = Callable[[], Awaitable[list[DeadLetter]]]
Change = Callable[..., Awaitable[None]]


@pytest.fixture
async def gateway(bus: Bus, bus_settings: ChassisSettings) -> AsyncIterator[Service]:
    service = Service("gateway", bus_settings)
    watch_advisories(service)
    await service.start()
    yield service
    await service.stop()


async def advised(bus: Bus) -> bool:
    info = await bus.js.consumer_info(ADVISORIES, DEAD_LETTERS)
    return bool(info.ack_floor and info.ack_floor.stream_seq) and info.num_pending == info.num_ack_pending == 0


async def test_max_deliveries_of_a_dead_worker_becomes_a_dead_letter_with_the_message(
    bus: Bus, submit: Submit, gateway: Service, dead_letters: Letters, with_consumers: Change
) -> None:
    await with_consumers(ack_wait=0.3, max_deliver=1)
    sequence = await submit(3)
    # A worker that takes the message and is never heard of again.
    pull = await bus.js.pull_subscribe_bind("compiler", SPECS)
    await pull.fetch(1, timeout=20)

    async def asked() -> list[DeadLetter]:
        with pytest.raises(TimeoutError):
            await pull.fetch(1, timeout=0.2)
        return await dead_letters()

    (letter,) = await eventually(asked)
    assert (letter.reason, letter.code) == ("max_deliver", "max_deliver")
    assert (letter.stream, letter.consumer, letter.sequence) == (SPECS, "compiler", sequence)
    assert letter.subject == "floe.v1.spec.submitted.default.shop"
    assert json.loads(letter.body)["submission"] == "s3"
    assert letter.headers["ce-id"] == "shop:s3"
    assert letter.complete


async def test_the_advisory_of_a_terminated_message_adds_no_second_dead_letter(
    bus: Bus, submit: Submit, compiler: Start, gateway: Service, dead_letters: Letters
) -> None:
    async def handle(_: Received[SpecSubmitted]) -> None:
        raise Permanent("never")

    await compiler(handle)
    await submit()
    await eventually(lambda: advised(bus))
    (letter,) = await dead_letters()
    assert letter.reason == "FLOE-CORE-003: never"


async def test_a_message_that_is_gone_is_told_of_without_its_body(
    bus: Bus, gateway: Service, dead_letters: Letters
) -> None:
    advisory = {"type": "io.nats.jetstream.advisory.v1.max_deliver", "stream": SPECS, "consumer": "compiler"}
    await bus.js.publish(
        f"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{SPECS}.compiler",
        json.dumps(advisory | {"stream_seq": 99, "deliveries": 5}).encode(),
    )
    (letter,) = await eventually(dead_letters)
    assert (letter.sequence, letter.deliveries, letter.body, letter.complete) == (99, 5, b"", False)


async def test_advisories_about_others_and_about_ourselves_are_left_alone(
    bus: Bus, gateway: Service, dead_letters: Letters
) -> None:
    await bus.js.add_stream(StreamConfig(name="THEIRS", subjects=["theirs"]))
    await bus.js.add_consumer("THEIRS", ConsumerConfig(durable_name="c", max_deliver=1))
    await bus.js.publish("theirs", b"x")
    pull = await bus.js.pull_subscribe_bind("c", "THEIRS")
    await (await pull.fetch(1, timeout=20))[0].term()
    # An advisory that nobody can read is a dead letter of our own consumer; the advisory about that one is none.
    await bus.js.publish("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.X.y", b"nonsense")
    (letter,) = await eventually(dead_letters)
    assert letter.consumer == DEAD_LETTERS
    assert "not an advisory" in letter.reason

    async def all_advised() -> bool:
        stored = (await bus.js.stream_info(ADVISORIES)).state.messages
        return stored == 3 and await all_handled(bus, ADVISORIES, DEAD_LETTERS)

    await eventually(all_advised)
    assert (await bus.js.stream_info(DLQ)).state.messages == 1
    assert (await bus.js.stream_info(ADVISORIES)).state.messages == 3


async def test_a_dead_letter_is_read_as_it_was_written(bus: Bus) -> None:
    letter = DeadLetter(
        subject="floe.v1.a",
        stream=SPECS,
        sequence=4,
        consumer="compiler",
        deliveries=2,
        reason='line one\r\nNats-Rollup: all\n"üñ" 50% %41',
        code="FLOE-BUS-001",
        headers={"ce-id": "x"},
        body=b"body",
    )
    await bury(bus, letter)
    stored = await bus.js.get_msg(DLQ, 1)
    read = read_dead_letter(stored.headers or {}, stored.data or b"")
    # Another test of the process may have set tracing up; then the letter is traced like any message.
    assert replace(read, headers={"ce-id": read.headers["ce-id"]}) == letter
    assert stored.subject == "floe.v1.dlq.floe_5fspecs.compiler"
    assert "Nats-Rollup" not in (stored.headers or {})


def test_another_message_is_no_dead_letter() -> None:
    with pytest.raises(ContractError, match="Floe-Dlq-Subject"):
        read_dead_letter({}, b"")
