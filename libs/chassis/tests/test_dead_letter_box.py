"""Dead letters that are looked at, replayed to the consumer that gave them up, and dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from floe_chassis.bus import Bus
from floe_chassis.dead_letter_box import drop, kept_letter, kept_letters
from floe_chassis.dead_letter_box import replay as replay_letter
from floe_chassis.dead_letters import DeadLetter, bury
from floe_chassis.errors import LetterIncomplete, LetterMissing
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.testing import eventually
from floe_chassis.topology import ARTIFACTS, CATALOG, DLQ, SEMANTIC
from floe_contracts.cloudevents import Received
from floe_contracts.errors import Permanent
from floe_contracts.events import ArtifactRetired, SpecSubmitted

Letters = Callable[[], Awaitable[list[DeadLetter]]]


class NotToday(Permanent):
    """What the handlers of this module say while they are told to."""

    code = "FLOE-TEST-001"
    title = "A handler of a test refuses"


@pytest.fixture
def letter() -> DeadLetter:
    return DeadLetter(
        subject="floe.v1.artifacts.retired.default.shop",
        stream=ARTIFACTS,
        sequence=7,
        consumer=CATALOG,
        deliveries=5,
        reason="why not",
        code="FLOE-TEST-001",
        headers={"ce-id": "one"},
        body=b"{}",
    )


async def test_a_replayed_message_is_handled_by_who_gave_it_up_and_by_nobody_else(
    bus: Bus, bus_settings: ChassisSettings, dead_letters: Letters
) -> None:
    handled: list[tuple[str, str]] = []
    refusing = asyncio.Event()
    refusing.set()

    def handler(name: str) -> Callable[[Received[SpecSubmitted]], Awaitable[None]]:
        async def handle(received: Received[SpecSubmitted]) -> None:
            if name == "executor-artifacts" and refusing.is_set():
                raise NotToday("not today")
            handled.append((name, received.attributes.id))

        return handle

    services = [Service(name, bus_settings) for name in ("catalog", "executor")]
    consumers = ("catalog", "executor-artifacts")
    for service, consumer in zip(services, consumers, strict=True):
        service.subscribe(consumer, ArtifactRetired, handler(consumer))
        await service.start()
    try:
        retired = ArtifactRetired(tenant="default", product="shop", submission="s1", reason="gone")
        await bus.publish(retired, id="one")
        await eventually(dead_letters)
        await eventually(lambda: handled == [("catalog", "one")])
        refusing.clear()
        (kept,) = [kept async for kept in kept_letters(bus)]
        await replay_letter(bus, kept)
        await eventually(lambda: len(handled) == 2)
        await bus.publish(retired, id="two")
        await eventually(lambda: len(handled) == 4)
    finally:
        for service in services:
            await service.stop()
    assert [name for name, identity in handled if identity == "one"] == ["catalog", "executor-artifacts"]
    assert await dead_letters() == []


async def test_a_replay_that_breaks_off_may_be_repeated(bus: Bus, letter: DeadLetter, dead_letters: Letters) -> None:
    await bury(bus, letter)
    (kept,) = [kept async for kept in kept_letters(bus)]
    # Where spans are recorded the letter carries the trace of who buried it.
    assert (kept.sequence, replace(kept.letter, headers=letter.headers)) == (1, letter)
    for _ in range(2):
        await replay_letter(bus, kept)
    assert (await bus.js.stream_info(ARTIFACTS)).state.messages == 1
    message = await bus.js.get_msg(ARTIFACTS, 1)
    assert (message.subject, message.data) == (letter.subject, letter.body)
    assert (message.headers or {})["Floe-Replay-For"] == CATALOG
    assert (message.headers or {})["ce-id"] == "one"


async def test_what_is_not_whole_or_not_there_is_not_replayed(bus: Bus, letter: DeadLetter) -> None:
    await bury(bus, replace(letter, complete=False))
    with pytest.raises(LetterIncomplete, match="not the whole message"):
        await replay_letter(bus, await kept_letter(bus, 1))
    assert (await bus.js.stream_info(DLQ)).state.messages == 1
    with pytest.raises(LetterMissing, match="there is no dead letter 2"):
        await kept_letter(bus, 2)


async def test_a_letter_is_dropped_once_and_rubbish_is_passed_over(bus: Bus, letter: DeadLetter) -> None:
    await bury(bus, letter)
    await bus.js.publish("floe.v1.dlq.anything.at-all", b"rubbish")
    await bury(bus, replace(letter, consumer=SEMANTIC))
    assert [kept.letter.consumer async for kept in kept_letters(bus)] == [CATALOG, SEMANTIC]
    with pytest.raises(LetterMissing):
        await kept_letter(bus, 2)
    await drop(bus, 1)
    await drop(bus, 1)
    assert [kept.sequence async for kept in kept_letters(bus)] == [3]
