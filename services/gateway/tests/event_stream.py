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

    async def read(self, count: int, seconds: float = 60) -> list[Event]:
        """The next events."""
        async with asyncio.timeout(seconds):
            return [await anext(self._events()) for _ in range(count)]

    async def rest(self, seconds: float = 60) -> list[Event]:
        """All events until the stream ends."""
        async with asyncio.timeout(seconds):
            return [event async for event in self._events()]

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
            if line.strip():
                self._take(line)
            elif "data" in self.fields:
                self.last_id = self.fields.get("id", self.last_id)
                event = Event(self.fields.get("event", "message"), self.fields["data"], self.fields.get("id"))
                self.fields.clear()
                yield event

    def _take(self, line: bytes) -> None:
        name, _, value = line.decode().rstrip("\n").partition(":")
        if name:
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
