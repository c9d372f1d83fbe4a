"""Server-sent events: how they are written, and the answer that goes on until its reader has gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

ALIVE: Final = b": alive\n\n"
"""A comment, which readers pass over."""
_LAST_WORD_SECONDS: Final = 1.0
_CANCEL_SECONDS: Final = 0.5
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""No cache may keep it, and no proxy may hold it back."""
_NEW_LINES: Final = bytes.maketrans(b"\r\n", b"  ")
_log = structlog.get_logger("floe.gateway")


def begin(retry_seconds: float, identity: int) -> bytes:
    """The first bytes, which are no event.

    Args:
        retry_seconds: how long a reader waits before it comes back.
        identity: what it names then, if no event has come.
    """
    return b"retry: %d\nid: %d\n\n" % (round(retry_seconds * 1000), identity)


def write_event(kind: str, data: bytes, identity: int) -> bytes:
    """One event.

    Args:
        kind: its name.
        data: JSON, where line ends stand between tokens only; they become spaces.
        identity: what a reader names when it comes back.
    """
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (identity, kind.encode(), data.translate(_NEW_LINES))


class EventStream(Response):
    """An answer that ends when its reader goes or takes nothing any more, when the service stops, or with its pieces.

    Args:
        pieces: what is sent; the next is asked for once the one before is on its way.
        stopping: set when the service stops.
        stall_seconds: a reader that takes nothing for so long is given up; it may come back.
        close: awaited at the end, whatever it was.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        *,
        stopping: asyncio.Event,
        stall_seconds: float,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._pieces = pieces
        self._stopping = stopping
        self._stall_seconds = stall_seconds
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._write_until_over(receive, send)
        finally:
            await self._close()
        with contextlib.suppress(TimeoutError):  # a reader that takes nothing does not take this, either
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write_until_over(self, receive: Receive, send: Send) -> None:
        writing = asyncio.create_task(self._write(send), name="events")
        ends = [asyncio.create_task(_until_gone(receive)), asyncio.create_task(self._stopping.wait())]
        try:
            await asyncio.wait({writing, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*ends, writing):
                await _ended(task)
        failure = None if writing.cancelled() else writing.exception()
        if isinstance(failure, TimeoutError):
            _log.info("stream.stalled", seconds=self._stall_seconds)
        elif failure is not None:
            _log.error("stream.failed", exc_info=failure)

    async def _write(self, send: Send) -> None:
        async for piece in self._pieces:
            async with asyncio.timeout(self._stall_seconds):
                await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _ended(task: asyncio.Task[Any]) -> None:
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_SECONDS)  # the client of the bus may swallow a cancellation


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
