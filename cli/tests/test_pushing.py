"""`floe publish --repository`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import SPECS
from floe_cli.exit_codes import ExitCode
from floe_contracts.cloudevents import Received, decode
from floe_contracts.events import Event, GitPushed

Floe = Callable[..., Any]
COMMIT = "4f9c2d1e8b7a6f5c4d3e2f1a0b9c8d7e6f5a4b3c"
URL = "https://git.example.com/shop/orders.git"


async def pushes(bus: Bus) -> list[Received[Event]]:
    read = read_stream(bus.js, SPECS, "floe.v1.git.pushed.>")
    return [decode(message.subject, message.headers, message.data) async for message in read]


@pytest.mark.bus
async def test_a_repository_is_told_of_once(bus: Bus, configured: ChassisSettings, floe: Floe, tmp_path: Path) -> None:
    arguments = ["publish", "--repository", URL, "--ref", "main", "--commit", COMMIT, "--submission", "mine"]
    said = await asyncio.to_thread(floe, *arguments)
    assert (said.code, said.out) == (
        0,
        "published refs/heads/main of git.example.com/shop/orders, delivery mine\n",
    ), said.err
    await asyncio.to_thread(floe, *arguments)
    (received,) = await pushes(bus)
    assert received.event == GitPushed(
        tenant=configured.tenant,
        repository="git.example.com/shop/orders",
        url=URL,
        ref="refs/heads/main",
        after=COMMIT,
        delivery="mine",
    )
    assert received.attributes.id == f"git.example.com/shop/orders:refs/heads/main:{COMMIT}:mine"

    for _ in range(2):  # without an id of one's own each is a notice of its own
        said = await asyncio.to_thread(floe, "publish", "--repository", tmp_path, "--ref", "refs/tags/v1")
        assert said.code == 0, said.err
    events = [received.event for received in await pushes(bus)][1:]
    assert [(event.url, event.ref, event.after) for event in events if isinstance(event, GitPushed)] == [
        (tmp_path.as_uri(), "refs/tags/v1", None)
    ] * 2


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--ref", "main"], ExitCode.WRONG_USAGE, "need --repository"),
        (["--commit", COMMIT], ExitCode.WRONG_USAGE, "need --repository"),
        (["--repository", URL], ExitCode.WRONG_USAGE, "needs --ref"),
        (["--repository", URL, "--ref", "main", "--commit", "4f9c2d1"], ExitCode.WRONG_USAGE, "no full hash"),
        (["--repository", "ext::sh -c x", "--ref", "main"], None, "FLOE-GIT-001"),
        (["--repository", "https://ann:canary@git.example.com/x", "--ref", "main"], None, "credentials"),
        (["--repository", URL, "--ref", "a..b"], None, "FLOE-GIT-002"),
        (["--repository", URL, "--ref", "main"], ExitCode.UNREACHABLE, "no stack is running"),
    ],
)
def test_what_cannot_be_told_is_refused(
    floe: Floe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int | None, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = floe("publish", *arguments)
    assert text in said.err
    assert said.code == code if code is not None else said.code != 0
    assert "canary" not in said.err
