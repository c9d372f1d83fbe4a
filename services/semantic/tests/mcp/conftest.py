"""Played servers, and the SDK's own client of an MCP server that asks them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from mcp.client import Client

from floe_chassis.settings import load_settings
from floe_semantic.mcp.server import create_server
from floe_semantic.mcp.settings import McpSettings

from .played_cube import OWNER, PlayedCube

Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def cube() -> Iterator[PlayedCube]:
    played = PlayedCube()
    yield played
    played.close()


@pytest.fixture
def connect(cube: PlayedCube) -> Connect:
    """Connects a client to a server in this process, which has the token of its settings as over stdio."""

    @asynccontextmanager
    async def connected(**settings: Any) -> AsyncIterator[Client]:
        given = {"FLOE_MCP_CUBE_URL": cube.url, "FLOE_CUBE_API_TOKEN": OWNER} | settings
        environment = {name: str(value) for name, value in given.items() if value is not None}
        async with Client(create_server(load_settings(McpSettings, environment))) as client:
            yield client

    return connected
