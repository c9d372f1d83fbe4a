"""A reader of server-sent events, as the standard describes one, that keeps its place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    kind: str
    data: str
    id: str | None

    @property
    def job(self) -> str:
        name: str = json.loads(self.data)["job"]["name"]
        return name


@dataclass(slots=True)
class EventSource:
    """The answer to one request, read bit by bit."""

    response: aiohttp.ClientResponse
    last_id: str | None = None
    comments: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    block: dict[str, str] = field(default_factory=dict)
    """The last one that is whole."""

    async def read(self, count: int, seconds: float = 60) -> list[Event]:
        """The next events."""
        async with asyncio.timeout(seconds):
            return [await anext(self._events()) for _ in range(count)]

    async def rest(self, seconds: float = 60) -> list[Event]:
        """All events until the stream ends."""
        async with asyncio.timeout(seconds):
            return [event async for event in self._events()]

    async def begun(self, seconds: float = 60) -> dict[str, str]:
        """The first block, which is no event."""
        async with asyncio.timeout(seconds):
            while not self.block:
                line = await self.response.content.readline()
                assert line, "the stream ended"
                self._take(line)
        return self.block

    async def comment(self, seconds: float = 60) -> str:
        """The next comment; no event may come before."""
        async with asyncio.timeout(seconds):
            before = len(self.comments)
            while len(self.comments) == before:
                line = await self.response.content.readline()
                assert line, "the stream ended"
                self._take(line)
            return self.comments[-1]

    async def _events(self) -> AsyncIterator[Event]:
        while line := await self.response.content.readline():
            self._take(line)
            if not line.strip() and (fields := self.block) and "data" in fields:
                yield Event(fields.get("event", "message"), fields["data"], fields.get("id"))

    def _take(self, line: bytes) -> None:
        name, _, value = line.decode().rstrip("\n").partition(":")
        if not line.strip():  # the end of a block, which need not be an event
            self.block, self.fields = self.fields, {}
            self.last_id = self.block.get("id", self.last_id)
        elif name:
            self.fields[name] = value.removeprefix(" ")
        elif value:
            self.comments.append(value.strip())


@asynccontextmanager
async def event_source(
    address: str, parameters: Any = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[EventSource]:
    """Reads the events of a gateway over a connection of its own; leaving the block cuts it off."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=2**21) as session,
        session.get(f"{address}/v1/lineage/events", params=parameters, headers=dict(headers or {})) as response,
    ):
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield EventSource(response)
