"""The HTTP server of one service: uvicorn without its own handling of signals."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Self

import uvicorn

from floe_chassis.errors import AddressInUse

if TYPE_CHECKING:
    from floe_chassis.service import Service

_BACKLOG: Final = 128
_POLL: Final = 0.01
# uvicorn itself takes a tenth of a second to tell its connections, and looks at them ten times a second.
_SHORTEST_STOP: Final = 0.5
UNTAKEN_SECONDS: Final = 60.0
"""A connection whose peer takes nothing of what was sent for so long ends, on Linux: closed, it would wait for ever."""


class HttpServer:
    """Serves `service.app` between `start` and `stop`.

    Args:
        service: its settings name host and port, and its `http_address` is set while the server listens.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            AddressInUse: the address cannot be bound.
        """
        settings = self._service.settings
        listener = _bind(settings.http_host, settings.http_port)
        config = uvicorn.Config(
            self._service.app,
            http="h11",  # the other parser, where it happens to be installed, knows some methods only
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=max(1, math.floor(settings.shutdown_grace / 3)),
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_POLL)
        host, port = listener.getsockname()[:2]
        self._service.http_address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def stop(self, grace: float) -> None:
        """Take no more requests and give the running ones `grace` seconds."""
        if self._server is None or self._serving is None:
            return
        self._server.should_exit = True
        await asyncio.wait({self._serving}, timeout=max(grace, _SHORTEST_STOP))
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        self._service.http_address = None
        self._server = self._serving = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(self._service.settings.shutdown_grace / 3)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(host: str, port: int) -> socket.socket:
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # what is accepted has it from the listener
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNTAKEN_SECONDS * 1000))
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise AddressInUse(
            f"cannot listen on {host}:{port}: {error.strerror or error}", hint="set FLOE_HTTP_HOST and FLOE_HTTP_PORT"
        ) from error
    return listener
