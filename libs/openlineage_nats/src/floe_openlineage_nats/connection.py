"""A connection to the bus in a thread of its own, and what waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections import deque
from dataclasses import dataclass

import nats
from nats.aio.client import Client
from nats.errors import ConnectionClosedError, ConnectionReconnectingError, NoServersError, StaleConnectionError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import ServiceUnavailableError

from floe_openlineage_nats.config import NatsConfig

# What says that the bus is away, not that it refuses the event.
_AWAY = (
    asyncio.TimeoutError,
    OSError,
    NatsTimeout,
    NoServersError,
    ConnectionClosedError,
    ConnectionReconnectingError,
    StaleConnectionError,
    ServiceUnavailableError,
)
_QUEUED_AT_MOST = 10_000
_LOOK_AGAIN_SECONDS = 0.5
_GRACE_SECONDS = 1.0
"""Beyond a time that the loop keeps itself, before its thread is given up."""
_log = logging.getLogger(__name__)


class QueueFull(Exception):
    """The bus has been away for so long that no more events can wait for it."""


@dataclass(frozen=True)
class Message:
    """An event on its way."""

    subject: str
    body: bytes
    headers: dict[str, str]


class Connection:
    """Connects with the first event, reconnects for ever."""

    def __init__(self, config: NatsConfig) -> None:
        self.process = os.getpid()
        self._config = config
        self._client: Client | None = None
        self._order = asyncio.Lock()
        self._waiting: deque[Message] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._complaint = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openlineage-nats", daemon=True)
        self._thread.start()

    def publish(self, message: Message) -> None:
        """Store a message, or let it wait behind those that wait already.

        Raises:
            QueueFull: too many wait.
            nats.errors.Error: the bus refuses it.
        """
        future = asyncio.run_coroutine_threadsafe(self._take(message), self._loop)
        future.result()

    def close(self, timeout: float) -> int:
        """Let what waits leave for `timeout` seconds; how many messages did not."""
        future = asyncio.run_coroutine_threadsafe(self._close(timeout), self._loop)
        try:
            return future.result(timeout + _GRACE_SECONDS)
        except TimeoutError:
            return len(self._waiting)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_GRACE_SECONDS)

    async def _take(self, message: Message) -> None:
        async with self._order:
            if not self._waiting:
                try:
                    await asyncio.wait_for(self._store(message), self._config.publishTimeout)
                except _AWAY as error:
                    if _speaks_of(self._complaint, message.subject):
                        raise nats.errors.Error(self._complaint) from error
                    why = self._complaint or repr(error)
                    _log.warning("the bus at %s is away (%s); events wait in memory", self._config.readable_url(), why)
                else:
                    return
            if len(self._waiting) >= _QUEUED_AT_MOST:
                raise QueueFull(f"{_QUEUED_AT_MOST} events wait for the bus at {self._config.readable_url()}")
            self._waiting.append(message)
            if self._draining is None:
                self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        """Store what waits, in its order, until nothing does."""
        while self._waiting:
            message = self._waiting[0]
            try:
                await asyncio.wait_for(self._store(message), self._config.publishTimeout)
            except _AWAY:
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                continue
            except nats.errors.Error as error:
                # Those behind it must not wait for it; nobody is there to raise it to.
                _log.error("an event is lost, the bus refuses it on %s: %r", message.subject, error)
            self._waiting.popleft()
        self._draining = None
        _log.warning("the bus at %s is back, nothing waits", self._config.readable_url())

    async def _store(self, message: Message) -> None:
        client = await self._open()
        if self._config.jetstream:
            await client.jetstream().publish(message.subject, message.body, headers=message.headers)
            return
        await client.publish(message.subject, message.body, headers=message.headers)
        await client.flush()

    async def _open(self) -> Client:
        if self._client is None:
            self._client = await nats.connect(**self._config.connection(), error_cb=self._tell)
        if not self._client.is_connected:
            # It would keep what it is given and send it whenever it reconnects, after others.
            raise ConnectionReconnectingError
        return self._client

    async def _close(self, timeout: float) -> int:  # noqa: ASYNC109 - a budget, not a cancellation
        if self._draining is not None:
            draining = self._draining
            await asyncio.wait({draining}, timeout=timeout)
            draining.cancel()
        if self._client is not None:
            with contextlib.suppress(Exception):
                await self._client.close()
        return len(self._waiting)

    async def _tell(self, error: Exception) -> None:
        # What the server says of a publish comes here; the publish itself only runs out of time.
        self._complaint = str(error) or repr(error)
        _log.debug("NATS: %s", self._complaint)


def _speaks_of(complaint: str, subject: str) -> bool:
    """Whether the server has said that this identity may not publish there."""
    return "permissions violation" in complaint.lower() and f'"{subject.lower()}"' in complaint.lower()
