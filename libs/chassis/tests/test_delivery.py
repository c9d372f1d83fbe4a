"""What becomes of a message, against a real server: each test is a trap that once lost or doubled messages."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from nats.js.api import StreamConfig

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter
from floe_chassis.delivery import RawMessage, retry_delay
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import ADVISORIES, COMPILER, DLQ, EXECUTOR_CANCELLATIONS, RUNS, SPECS
from floe_contracts.cloudevents import Received
from floe_contracts.errors import Permanent, Unreachable
from floe_contracts.events import CancellationRequested, RunRequested, SpecSubmitted

Submit = Callable[..., Awaitable[int]]
Start = Callable[..., Awaitable[Service]]
Letters = Callable[[], Awaitable[list[DeadLetter]]]
Change = Callable[..., Awaitable[None]]
Message = Received[SpecSubmitted]

DIGEST = "sha256:" + "0" * 64
SUBJECT = "floe.v1.spec.submitted.default.shop"


async def settled(bus: Bus, stream: str = SPECS, consumer: str = COMPILER) -> bool:
    """Whether the consumer has nothing left to do."""
    info = await bus.js.consumer_info(stream, consumer)
    return info.num_pending == 0 and info.num_ack_pending == 0


async def test_default_ack_policy_loss_an_unexpected_error_is_delivered_again(
    bus: Bus, submit: Submit, compiler: Start, dead_letters: Letters
) -> None:
    seen: list[float] = []

    async def handle(_: Message) -> None:
        seen.append(time.monotonic())
        if len(seen) < 3:
            raise ZeroDivisionError

    await compiler(handle)
    await submit()
    await eventually(lambda: len(seen) == 3)
    await eventually(lambda: settled(bus))
    assert await dead_letters() == []


async def test_a_handler_knows_the_place_of_an_event_in_its_stream(submit: Submit, compiler: Start) -> None:
    """It tells a late delivery from a new event."""
    seen: list[int | None] = []

    async def handle(message: Message) -> None:
        seen.append(message.sequence)
        if len(seen) == 1:
            raise Unreachable("once")

    await compiler(handle)
    sequences = [await submit(number) for number in range(2)]
    await eventually(lambda: len(seen) == 3)
    assert sorted(number for number in seen if number is not None) == [sequences[0], *sequences]


async def test_transient_errors_are_delivered_again_after_a_growing_delay(
    submit: Submit, compiler: Start, with_consumers: Change
) -> None:
    await with_consumers(ack_wait=60.0)  # nothing but the delay brings a message back
    seen: list[float] = []

    async def handle(_: Message) -> None:
        seen.append(time.monotonic())
        if len(seen) < 3:
            raise Unreachable("the catalog is away")

    await compiler(handle, retry_seconds=0.3)
    await submit()
    await eventually(lambda: len(seen) == 3)
    assert seen[1] - seen[0] > 0.29
    assert seen[2] - seen[1] > 0.59


def test_the_delay_doubles_up_to_a_minute() -> None:
    assert [retry_delay(n, 2.0) for n in (1, 2, 3, 5, 6, 10_000)] == [2, 4, 8, 32, 60, 60]


async def test_the_last_delivery_becomes_a_dead_letter_with_its_reason(
    bus: Bus, submit: Submit, compiler: Start, dead_letters: Letters, with_consumers: Change
) -> None:
    await with_consumers(max_deliver=2)
    deliveries = []

    async def handle(_: Message) -> None:
        deliveries.append(1)
        raise Unreachable("the catalog is away,\nreally", hint="wait")

    await compiler(handle)
    sequence = await submit(7)
    (letter,) = await eventually(dead_letters)
    assert len(deliveries) == 2
    assert (letter.subject, letter.stream, letter.sequence) == (SUBJECT, SPECS, sequence)
    assert (letter.consumer, letter.deliveries, letter.code) == ("compiler", 2, "FLOE-BUS-002")
    assert letter.reason == "FLOE-BUS-002: the catalog is away,\nreally (hint: wait)"
    assert json.loads(letter.body)["submission"] == "s7"
    assert letter.headers["ce-id"] == "shop:s7"
    assert letter.complete
    await eventually(lambda: settled(bus))


async def test_a_permanent_error_is_a_dead_letter_after_one_delivery(
    bus: Bus, submit: Submit, compiler: Start, dead_letters: Letters
) -> None:
    deliveries = []

    async def handle(message: Message) -> None:
        deliveries.append(message.event.submission)
        if message.event.submission == "s0":
            raise Permanent("never ☃ 100%")

    await compiler(handle)
    await submit(0)
    await submit(1)
    (letter,) = await eventually(dead_letters)
    await eventually(lambda: settled(bus))
    assert deliveries == ["s0", "s1"]
    assert letter.reason == "FLOE-CORE-003: never ☃ 100%"
    # The dead letter stands before the server is told to forget the message.
    (advisory,) = await eventually(lambda: advisories(bus))
    stored = await bus.js.get_msg(DLQ, 1)
    assert stored.time is not None
    assert stored.time <= advisory


async def advisories(bus: Bus) -> list[object]:
    count = (await bus.js.stream_info(ADVISORIES)).state.messages
    return [(await bus.js.get_msg(ADVISORIES, n)).time for n in range(1, count + 1)]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{not json"),
        ({"content-type": "application/json"}, b"\xff\xfe"),
        ({"ce-type": "dev.floe.spec.submitted.v9", "ce-id": "x"}, b"{}"),
        ({"ce-type": "dev.floe.spec.submitted.v1", "ce-id": "x", "ce-source": "s", "ce-time": "now"}, b'{"tenant": 1}'),
        ({"reply_to": "floe.v1.spec.submitted.evil.x", "correlation_id": "x"}, b"null"),
    ],
)
async def test_what_cannot_be_decoded_is_delivered_once_and_buried_once(
    bus: Bus, submit: Submit, compiler: Start, dead_letters: Letters, headers: dict[str, str], body: bytes
) -> None:
    handled = []

    async def handle(message: Message) -> None:
        handled.append(message.event.submission)

    await compiler(handle)
    await bus.js.publish(SUBJECT, body, headers=headers or None)
    await submit(1)
    await eventually(lambda: handled == ["s1"])
    await eventually(lambda: settled(bus))
    (letter,) = await dead_letters()
    assert (letter.code, letter.deliveries, letter.body) == ("FLOE-BUS-001", 1, body)
    assert (await bus.js.stream_info(SPECS)).state.messages == 2


async def test_an_event_of_another_kind_is_a_dead_letter(
    bus: Bus, bus_settings: ChassisSettings, submit: Submit, dead_letters: Letters
) -> None:
    async def handle(_: Received[RunRequested]) -> None:
        raise AssertionError

    service = Service("compiler", bus_settings)
    service.subscribe("compiler", RunRequested, handle)
    await service.start()
    await submit()
    (letter,) = await eventually(dead_letters)
    assert "takes RunRequested, and a SpecSubmitted came" in letter.reason
    await service.stop()


async def test_the_copy_carries_no_header_that_steers_the_server(
    bus: Bus, compiler: Start, dead_letters: Letters
) -> None:
    async def handle(_: Message) -> None:
        raise AssertionError

    await compiler(handle)
    await bus.js.publish(
        SUBJECT, b"x", stream=SPECS, headers={"Nats-Expected-Last-Subject-Sequence": "0", "kept": "yes"}
    )
    (letter,) = await eventually(dead_letters)
    assert letter.headers["kept"] == "yes"
    stored = await bus.js.get_msg(DLQ, 1)
    assert [name for name in stored.headers or {} if name.startswith("Nats-")] == ["Nats-Msg-Id"]
    assert (stored.headers or {})["Nats-Msg-Id"] == f"{SPECS}-compiler-{letter.sequence}"


async def test_a_message_too_large_to_copy_is_buried_without_its_body(
    bus: Bus, compiler: Start, dead_letters: Letters
) -> None:
    async def handle(_: Message) -> None:
        raise AssertionError

    service = await compiler(handle)
    await bus.js.publish(SUBJECT, b"x" * (1_048_576 - 100))
    (letter,) = await eventually(dead_letters)
    assert (letter.body, letter.complete) == (b"", False)
    assert service.bus.connected


async def test_a_message_is_kept_while_it_cannot_be_buried(
    bus: Bus, submit: Submit, compiler: Start, dead_letters: Letters
) -> None:
    deliveries = []

    async def handle(_: Message) -> None:
        deliveries.append(1)
        raise Permanent("never")

    config = (await bus.js.stream_info(DLQ)).config
    await bus.js.delete_stream(DLQ)
    await compiler(handle, publish_budget=0.3)
    await submit()
    await eventually(lambda: len(deliveries) >= 2)
    await bus.js.add_stream(StreamConfig(name=DLQ, subjects=config.subjects))
    (letter,) = await eventually(dead_letters)
    assert letter.reason == "FLOE-CORE-003: never"


async def test_heartbeat_a_long_handler_is_not_run_by_a_second_replica(
    bus: Bus, submit: Submit, compiler: Start, with_consumers: Change
) -> None:
    await with_consumers(ack_wait=3.0)
    running, most, ended = 0, 0, 0

    async def handle(_: Message) -> None:
        nonlocal running, most, ended
        running += 1
        most = max(most, running)
        await asyncio.sleep(4.0)
        running -= 1
        ended += 1

    await compiler(handle)
    await compiler(handle)
    await submit()
    await eventually(lambda: ended)
    await eventually(lambda: settled(bus))
    assert (most, ended) == (1, 1)


async def test_concurrency_works_without_duplicates_and_a_slow_message_holds_none_back(
    bus: Bus, bus_settings: ChassisSettings, with_consumers: Change
) -> None:
    await with_consumers(ack_wait=3.0)
    handled: Counter[str] = Counter()
    before_slow = 0

    async def handle(message: Received[CancellationRequested]) -> None:
        nonlocal before_slow
        if message.attributes.id == "r0":
            await asyncio.sleep(4.0)
            await eventually(lambda: handled.total() == 11)
            before_slow = handled.total()
        else:
            await asyncio.sleep(0.15)
        handled[message.attributes.id] += 1

    replicas = [Service("executor", bus_settings) for _ in range(2)]
    for replica in replicas:
        replica.subscribe(EXECUTOR_CANCELLATIONS, CancellationRequested, handle, concurrency=2)
        await replica.start()
    for number in range(12):
        event = CancellationRequested(
            tenant="default", environment="dev", product="shop", run_id="r", requester="r", reason="r"
        )
        await bus.publish(event, id=f"r{number}")
    await eventually(lambda: handled.total() >= 12)
    await eventually(lambda: settled(bus, RUNS, EXECUTOR_CANCELLATIONS))
    for replica in replicas:
        await replica.stop()
    assert set(handled.values()) == {1}
    assert before_slow == 11


WORKER = """
    import asyncio, sys
    from floe_chassis.service import Service
    from floe_chassis.settings import ChassisSettings
    from floe_chassis.telemetry import configure_logs
    from floe_contracts.events import SpecSubmitted

    async def handle(message):
        print("taken", flush=True)
        await asyncio.sleep(60)

    async def main():
        settings = ChassisSettings(nats_url=sys.argv[1])
        configure_logs("compiler", settings)
        service = Service("compiler", settings)
        service.subscribe("compiler", SpecSubmitted, handle)
        await service.start()
        await asyncio.sleep(60)

    asyncio.run(main())
"""


@pytest.mark.fault
async def test_a_killed_handler_is_redelivered_after_ack_wait(
    bus: Bus, bus_settings: ChassisSettings, submit: Submit, compiler: Start, with_consumers: Change, tmp_path: Path
) -> None:
    await with_consumers(ack_wait=1.5)
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))
    await submit()
    command = [sys.executable, script, bus_settings.nats_url]
    worker = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"taken\n"
    finally:
        worker.kill()
        await worker.wait()
    killed = time.monotonic()
    handled: list[float] = []

    async def handle(_: Message) -> None:
        handled.append(time.monotonic())

    await compiler(handle)
    await eventually(lambda: handled)
    assert handled[0] - killed < 20
    await eventually(lambda: settled(bus))
    assert len(handled) == 1


async def test_a_raw_subscription_gets_the_message_as_it_is(bus: Bus, bus_settings: ChassisSettings) -> None:
    seen: list[RawMessage] = []

    async def handle(message: RawMessage) -> None:
        seen.append(message)

    service = Service("compiler", bus_settings)
    service.subscribe_raw("compiler", handle)
    await service.start()
    await bus.js.publish(SUBJECT, b"\xff", headers={"a": "b"})
    (message,) = await eventually(lambda: seen)
    assert (message.subject, message.body, message.headers["a"]) == (SUBJECT, b"\xff", "b")
    assert (message.stream, message.consumer, message.sequence, message.deliveries) == (SPECS, "compiler", 1, 1)
    await service.stop()
