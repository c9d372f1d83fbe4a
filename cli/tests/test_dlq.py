"""`floe dlq` on a real bus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, bury
from floe_chassis.topology import DLQ, LINEAGE
from floe_cli.exit_codes import ExitCode

pytestmark = [pytest.mark.bus, pytest.mark.usefixtures("configured")]

Floe = Callable[..., Any]


@pytest.fixture
async def letters(bus: Bus) -> None:
    """Two letters of one consumer, and one of another."""
    for number, consumer in enumerate(("lineage-http", "lineage-http", "lineage-file")):
        letter = DeadLetter(
            subject=f"floe.v1.lineage.default.dev.shop.job-{number}.start",
            stream=LINEAGE,
            sequence=number,
            consumer=consumer,
            deliveries=1,
            reason="FLOE-LIN-003: HTTP 400: no such thing",
            code="FLOE-LIN-003",
            headers={"Floe-Run-Id": "r"},
            body=json.dumps({"number": number}).encode(),
        )
        await bury(bus, letter)


async def numbers(floe: Floe, *options: str) -> list[int]:
    said = await asyncio.to_thread(floe, "dlq", "list", "--json", *options)
    assert said.code == ExitCode.OK
    return [letter["number"] for letter in json.loads(said.out)["letters"]]


async def test_an_empty_box_is_said_to_be_empty(bus: Bus, floe: Floe) -> None:
    said = await asyncio.to_thread(floe, "dlq", "list")
    assert (said.code, said.out) == (ExitCode.OK, "there are no dead letters\n")
    assert await numbers(floe) == []


async def test_letters_are_listed_and_shown(letters: None, floe: Floe) -> None:
    said = await asyncio.to_thread(floe, "dlq", "list")
    assert said.out.count("FLOE-LIN-003: HTTP 400") == 3
    assert await numbers(floe, "--consumer", "lineage-file") == [3]
    shown = json.loads((await asyncio.to_thread(floe, "dlq", "show", 2)).out)
    assert (shown["consumer"], shown["body"], shown["headers"]["Floe-Run-Id"]) == ("lineage-http", {"number": 1}, "r")


async def test_letters_of_a_consumer_are_replayed(letters: None, bus: Bus, floe: Floe) -> None:
    said = await asyncio.to_thread(floe, "dlq", "replay", "--consumer", "lineage-http", "--dry-run")
    assert said.out.count("would be replayed") == 2
    assert (await bus.js.stream_info(LINEAGE)).state.messages == 0
    said = await asyncio.to_thread(floe, "dlq", "replay", "--consumer", "lineage-http")
    assert (said.code, said.out.count("replayed")) == (ExitCode.OK, 2)
    assert await numbers(floe) == [3]
    message = await bus.js.get_msg(LINEAGE, 2)
    assert (message.subject, json.loads(message.data or b"")) == (
        "floe.v1.lineage.default.dev.shop.job-1.start",
        {"number": 1},
    )
    assert (message.headers or {})["Floe-Replay-For"] == "lineage-http"


async def test_letters_are_dropped_by_number_or_all(letters: None, bus: Bus, floe: Floe) -> None:
    said = await asyncio.to_thread(floe, "dlq", "drop", "-n", 1, "-n", 3, "--json")
    assert [letter["number"] for letter in json.loads(said.out)["dropped"]] == [1, 3]
    assert await numbers(floe) == [2]
    assert (await asyncio.to_thread(floe, "dlq", "drop", "--all")).code == ExitCode.OK
    assert (await bus.js.stream_info(DLQ)).state.messages == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dlq", "drop"], "say which dead letters"),
        (["dlq", "replay", "--all", "-n", "1"], "say which dead letters"),
        (["dlq", "show", "9"], "there is no dead letter 9"),
        (["dlq", "replay", "-n", "9"], "there is no dead letter 9"),
    ],
    ids=["none", "two", "show", "replay"],
)
async def test_what_cannot_be_meant_is_refused(bus: Bus, floe: Floe, arguments: list[str], said: str) -> None:
    ended = await asyncio.to_thread(floe, *arguments)
    assert ended.code == ExitCode.WRONG_USAGE
    assert said in ended.err
