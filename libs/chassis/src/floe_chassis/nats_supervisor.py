"""A nats-server that is started again whenever it dies."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from floe_chassis.errors import ServerFailed
from floe_chassis.nats_server import NatsServer

_WATCH: Final = 0.1
_FIRST_PAUSE: Final = 0.1
_LAST_PAUSE: Final = 5.0

_log = structlog.get_logger("floe.nats_server")


class SupervisedNatsServer:
    """A nats-server that is started again, on the same port and store, whenever it dies.

    Attributes:
        server: the server.
        restarts: how often it was started again.
    """

    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.restarts = 0
        self._watching: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address for clients."""
        return self.server.url

    async def start(self) -> None:
        """Start the server and watch it. Raises what `NatsServer.start` raises."""
        await asyncio.to_thread(self.server.start)
        self._watching = asyncio.create_task(self._watch(), name="nats-server supervisor")

    async def stop(self) -> None:
        """Stop watching, and stop the server."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        await asyncio.to_thread(self.server.stop)

    async def _watch(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await asyncio.sleep(_WATCH)
            if self.server.running:
                continue
            _log.error("nats_server.died", store=str(self.server.store_dir), pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_PAUSE)
            try:
                # Shielded: a start that is under way is finished before it is stopped.
                await asyncio.shield(asyncio.to_thread(self.server.restart))
            except ServerFailed as error:
                _log.error("nats_server.failed", error=str(error))
                continue
            self.restarts += 1
            pause = _FIRST_PAUSE
