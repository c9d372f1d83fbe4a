"""`floe mcp` as a process, asked by the SDK's own client over both transports."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from floe_chassis.errors import SettingInvalid
from floe_chassis.settings import load_settings
from floe_chassis.testing import eventually
from floe_semantic.mcp.server import create_server
from floe_semantic.mcp.serving import http_app, read_address, serve
from floe_semantic.mcp.settings import McpSettings

from .played_cube import CLERK, OWNER, PlayedCube
from .test_tools import REVENUE, answer, refusal

FLOE = str(Path(sys.executable).with_name("floe"))
Start = Callable[..., Awaitable[tuple[subprocess.Popen[bytes], str]]]


def variables(**own: str) -> dict[str, str]:
    """The environment of a process: nothing of floe's but what is given."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FLOE_")} | own


@pytest.fixture
def start(cube: PlayedCube, tmp_path: Path) -> Iterator[Start]:
    """Starts `floe mcp --http` on a free port; the process and its address."""
    with ExitStack() as stack:

        async def started(**own: str) -> tuple[subprocess.Popen[bytes], str]:
            log = tmp_path / "log"
            command = [FLOE, "mcp", "--http", "127.0.0.1:0", "--cube-url", cube.url]
            with log.open("wb") as errors:
                process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                    command, env=variables(**own), stderr=errors, stdout=subprocess.DEVNULL
                )
            stack.callback(process.wait)
            stack.callback(process.kill)

            def address() -> str | None:
                assert process.poll() is None, log.read_text()
                found = re.search(r'"address": "([^"]+)"', log.read_text())
                return found[1] if found else None

            return process, await eventually(address) or ""

        yield started


def http_client(address: str, **headers: str) -> Client:
    """A client whose requests have these headers."""
    return Client(streamable_http_client(address, http_client=httpx2.AsyncClient(headers=headers)))


async def test_over_stdio_the_token_of_the_settings_asks(cube: PlayedCube) -> None:
    environment = variables(FLOE_CUBE_API_TOKEN=CLERK)
    parameters = StdioServerParameters(command=FLOE, args=["mcp", "--cube-url", cube.url], env=environment)
    async with Client(stdio_client(parameters)) as client:
        assert client.server_info.name == "floe"
        assert client.instructions is not None
        described = await answer(client, "describe", name="board")
        assert [item["name"] for item in described["members"]][:1] == ["board.count"]
        assert "FLOE-MCP-003" in await refusal(client, "query", **REVENUE)
    assert {item.token for item in cube.asked} == {CLERK}


def test_over_stdio_nothing_but_the_protocol_is_written_to_stdout(cube: PlayedCube) -> None:
    asked = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list", "arguments": {}}},
    ]
    with subprocess.Popen(
        [FLOE, "mcp"],
        env=variables(FLOE_MCP_CUBE_URL=cube.url, FLOE_CUBE_API_TOKEN=OWNER, FLOE_LOG_LEVEL="DEBUG"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"".join(json.dumps(item).encode() + b"\n" for item in asked))
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        rest, errors = process.communicate()  # the end of the conversation ends it
    assert process.returncode == 0
    assert [item["id"] for item in answers] == [1, 2]
    assert answers[1]["result"]["structuredContent"]["total"] == 2
    assert rest == b""
    assert b"mcp.serving" in errors
    assert OWNER.encode() not in errors


async def test_over_http_each_caller_asks_with_its_own_token(cube: PlayedCube, start: Start) -> None:
    _, address = await start(FLOE_CUBE_API_TOKEN=OWNER)
    async with (
        http_client(address, authorization=f"Bearer {OWNER}") as owner,
        http_client(address, authorization=f"bearer {CLERK}") as clerk,
        http_client(address) as nobody,
        http_client(address, authorization="Basic b3duZXI6eA==") as other,
    ):
        assert (await answer(owner, "query", **REVENUE))["rows"] == [["10.5"]]
        assert "FLOE-MCP-003" in await refusal(clerk, "query", **REVENUE)
        seen = [json.loads((await each.read_resource("cube://meta/board")).contents[0].text) for each in (owner, clerk)]
        assert [len(item["members"]) for item in seen] == [4, 3]
        before = len(cube.asked)
        for client in (nobody, other):
            assert "have the client send the header Authorization" in await refusal(client, "list")
            assert len((await client.list_tools()).tools) == 5
        assert len(cube.asked) == before, "the server has lent its own token"


async def test_over_http_pages_of_others_and_other_names_are_refused(start: Start) -> None:
    _, address = await start()
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accepted = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
    async with httpx2.AsyncClient(headers=accepted) as client:
        own = await client.post(address, json=message)
        assert (own.status_code, len(own.json()["result"]["tools"])) == (200, 5)
        page = await client.post(address, json=message, headers={"origin": "https://evil.example.com"})
        assert page.status_code == 403
        rebound = await client.post(address, json=message, headers={"host": "evil.example.com"})
        assert rebound.status_code == 421
        assert (await client.get(address.replace("/mcp", "/livez"))).status_code == 204


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
async def test_a_signal_ends_it_in_peace(number: signal.Signals, start: Start) -> None:
    process, address = await start()
    async with httpx2.AsyncClient() as client:
        assert (await client.get(address.replace("/mcp", "/livez"))).status_code == 204
    process.send_signal(number)
    await eventually(lambda: process.poll() is not None)
    assert process.returncode == 0


def test_an_address_that_is_taken_is_told(cube: PlayedCube) -> None:
    address = cube.url.removeprefix("http://")
    ended = subprocess.run(
        [FLOE, "mcp", "--http", address], env=variables(), capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert f"cannot listen on {address}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "text", ["8765", "localhost", "localhost:", "localhost:99999", "::1:80", "http://localhost:80"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SettingInvalid, match="is no address"):
        read_address(text)


def test_addresses_are_read() -> None:
    assert [read_address(text) for text in ("mcp.example.com:80", "[::1]:8765")] == [
        ("mcp.example.com", 80),
        ("::1", 8765),
    ]


def test_other_machines_need_a_name_to_call_it_by() -> None:
    def settings(**own: Any) -> McpSettings:
        return load_settings(McpSettings, own)

    with pytest.raises(SettingInvalid, match="FLOE_MCP_ALLOWED_HOSTS"):
        http_app(create_server(settings()), "0.0.0.0", settings())  # noqa: S104 - not bound
    named = settings(FLOE_MCP_ALLOWED_HOSTS="mcp.example.com, 10.0.0.7:*", FLOE_MCP_ALLOWED_ORIGINS="https://a.example")
    assert (named.allowed_hosts, named.allowed_origins) == (("mcp.example.com", "10.0.0.7:*"), ("https://a.example",))
    assert http_app(create_server(named), "0.0.0.0", named)  # noqa: S104 - not bound


def test_wrong_settings_are_told_without_their_values() -> None:
    with pytest.raises(SettingInvalid) as raised:
        serve({"FLOE_MCP_CUBE_URL": "ftp://secret@cube", "FLOE_MCP_ROW_LIMIT": "0"})
    assert "FLOE_MCP_CUBE_URL" in str(raised.value)
    assert "FLOE_MCP_ROW_LIMIT" in str(raised.value)
    assert "secret" not in str(raised.value)
