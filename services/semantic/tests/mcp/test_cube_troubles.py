"""A Cube that is slow, away, wrong, or somebody else: what the caller is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from floe_semantic.mcp import bounded_http

from .conftest import Connect
from .played_cube import OWNER, Asked, PlayedCube, PlayedServer, rows
from .test_tools import REVENUE, answer, refusal

WAIT = (200, {"error": "Continue wait"})


@pytest.fixture
def elsewhere() -> Iterator[PlayedServer]:
    """A server that nobody should ask."""
    server = PlayedServer(lambda _: (200, {"cubes": []}))
    yield server
    server.close()


async def test_a_query_that_takes_long_is_waited_for(cube: PlayedCube, connect: Connect) -> None:
    cube.loaded = [WAIT, WAIT, WAIT, (200, rows([{"board.revenue": "1"}]))]
    async with connect() as client:
        assert (await answer(client, "query", **REVENUE))["rows"] == [["1"]]
    assert len(cube.posted("load")) == 4


async def test_a_query_is_not_waited_for_longer_than_its_time(cube: PlayedCube, connect: Connect) -> None:
    cube.loaded = [WAIT]
    async with connect(FLOE_MCP_QUERY_SECONDS=0.2) as client:
        told = await refusal(client, "query", **REVENUE)
    assert "FLOE-MCP-007" in told
    assert "ask the same again" in told


async def test_a_query_that_cube_holds_beyond_its_time_is_unfinished_too(cube: PlayedCube, connect: Connect) -> None:
    done = threading.Event()
    usual = cube.answer

    def hold(asked: Asked) -> tuple[int, Any]:
        if asked.path.endswith("/load"):
            done.wait(60)
        return usual(asked)

    cube.answer = hold
    try:
        async with connect(FLOE_MCP_QUERY_SECONDS=0.2) as client:
            assert "FLOE-MCP-007" in await refusal(client, "query", **REVENUE)
    finally:
        done.set()


@pytest.mark.parametrize(
    ("loaded", "code", "told"),
    [
        pytest.param((400, {"error": "Values required for filter"}), "FLOE-MCP-004", "Values required", id="refused"),
        pytest.param((500, {"error": "Error: no such table"}), "FLOE-MCP-004", "no such table", id="failed"),
        pytest.param((200, {"error": "Error: out of memory"}), "FLOE-MCP-004", "out of memory", id="failed-200"),
        pytest.param((403, {"error": "jwt expired"}), "FLOE-MCP-002", "jwt expired", id="token"),
        pytest.param((503, {"error": "no bundle yet"}), "FLOE-MCP-006", "no bundle yet", id="not-ready"),
        pytest.param((504, "<html>"), "FLOE-MCP-006", "not ready: 504", id="proxy"),
        pytest.param((404, "<html>"), "FLOE-MCP-008", "look at the address", id="not-cube"),
        pytest.param((400, {"error": "x" * 100_000}), "FLOE-MCP-004", "x" * 2_000, id="long"),
    ],
)
async def test_what_cube_says_is_told(
    loaded: tuple[int, Any], code: str, told: str, cube: PlayedCube, connect: Connect
) -> None:
    cube.loaded = [loaded]
    async with connect() as client:
        text = await refusal(client, "query", **REVENUE)
    assert code in text
    assert told in text
    assert len(text) < 3_000
    assert OWNER not in text


async def test_a_token_that_cube_does_not_know_is_refused(connect: Connect) -> None:
    async with connect(FLOE_CUBE_API_TOKEN="forged") as client:
        told = await refusal(client, "list")
    assert "FLOE-MCP-002" in told
    assert "forged" not in told


@pytest.mark.parametrize("tool", ["list", "explain"])
@pytest.mark.parametrize("said", ["<html>", {"hello": "world"}, {"cubes": 1, "sql": 1, "normalizedQueries": []}])
async def test_a_server_that_is_no_cube_is_told_apart(
    said: object, tool: str, cube: PlayedCube, connect: Connect
) -> None:
    async with connect() as client:
        if tool == "explain":
            await answer(client, "list")
        cube.answer = lambda _: (200, said)
        told = await refusal(client, tool, **(REVENUE if tool == "explain" else {}))
    assert "FLOE-MCP-008" in told
    assert "is not Cube" in told


async def test_half_an_answer_of_sql_is_no_answer(cube: PlayedCube, connect: Connect) -> None:
    usual = cube.answer

    def halved(asked: Asked) -> tuple[int, Any]:
        return (200, {"sql": "select"}) if asked.path.endswith("/sql") else usual(asked)

    cube.answer = halved
    async with connect() as client:
        assert "FLOE-MCP-008" in await refusal(client, "explain", **REVENUE)


async def test_nobody_there(connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        async with connect(FLOE_MCP_CUBE_URL=f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            told = await refusal(client, "list")
    assert "FLOE-MCP-006" in told
    assert "is it running" in told


async def test_a_cube_that_hangs_is_given_up(cube: PlayedCube, connect: Connect) -> None:
    done = threading.Event()

    def hang(_: Asked) -> tuple[int, Any]:
        done.wait(60)
        return 200, {"cubes": []}

    cube.answer = hang
    try:
        async with connect(FLOE_MCP_REQUEST_SECONDS=0.3) as client:
            told = await refusal(client, "list")
    finally:
        done.set()
    assert "has not answered within 0.3 s" in told


async def test_a_token_is_not_carried_to_where_cube_points(
    cube: PlayedCube, elsewhere: PlayedServer, connect: Connect
) -> None:
    cube.answer = lambda _: (307, elsewhere.url)
    async with connect() as client:
        assert "FLOE-MCP-008" in await refusal(client, "list")
    assert elsewhere.asked == []


async def test_an_answer_that_is_too_large_is_not_read_on(
    cube: PlayedCube, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "_MOST_BYTES", 2**20)
    cube.loaded = [(200, rows([{"board.revenue": "9" * 2**21}]))]
    async with connect() as client:
        told = await refusal(client, "query", **REVENUE)
    assert "FLOE-MCP-008" in told
    assert "larger than 1 MiB" in told
