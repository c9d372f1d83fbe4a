"""Running the MCP server: over stdin and stdout, or as streamable HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from typing import Final

import structlog
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from floe_chassis import telemetry
from floe_chassis.errors import AddressInUse, SettingInvalid
from floe_chassis.settings import ChassisSettings, load_settings
from floe_semantic.mcp.server import create_server
from floe_semantic.mcp.settings import McpSettings

PATH: Final = "/mcp"
_LIVE: Final = "/livez"
_ADDRESS: Final = re.compile(r"^(?:\[([0-9A-Fa-f:]+)\]|([^\[\]:]+)):(\d{1,5})$")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_LOOPBACK_NAMES: Final = ("127.0.0.1:*", "localhost:*", "[::1]:*")
_QUIET: Final = ("httpx2", "mcp")
"""Their records of single requests may hold values of a query."""
_GRACE: Final = 5

_log = structlog.get_logger("floe.mcp")


def serve(environment: Mapping[str, str]) -> None:
    """Serve until the client ends the conversation, or a signal the process.

    Args:
        environment: settings, as `FLOE_MCP_HTTP` for HTTP instead of stdin and stdout.

    Raises:
        SettingInvalid: a setting is missing or wrong.
        AddressInUse: the address of HTTP is not free.
    """
    settings = load_settings(McpSettings, environment)
    telemetry.configure("mcp", load_settings(ChassisSettings, environment))
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    server = create_server(settings)
    if settings.http is None:
        _log.info("mcp.serving", transport="stdio", cube=settings.cube_url)
        asyncio.run(server.run_stdio_async())
    else:
        host, port = read_address(settings.http)
        listener = _listen(host, port)
        asyncio.run(_serve_http(http_app(server, host, settings), listener, settings))


def read_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPv6]:PORT`.

    Raises:
        SettingInvalid: it is neither.
    """
    found = _ADDRESS.match(text)
    if found is None or int(found[3]) > 65_535:
        raise SettingInvalid(f"{text!r} is no address to serve HTTP at", hint="write HOST:PORT, as in 127.0.0.1:8765")
    return found[1] or found[2], int(found[3])


def http_app(server: MCPServer, host: str, settings: McpSettings) -> Starlette:
    """The server as streamable HTTP without sessions: each request brings its caller's token.

    Raises:
        SettingInvalid: others than this machine can reach it, and no name is set that they may call it by.
    """
    names = settings.allowed_hosts
    origins = settings.allowed_origins
    if host in _LOOPBACK:
        names += _LOOPBACK_NAMES
        origins += tuple(f"http://{name}" for name in _LOOPBACK_NAMES)
    elif not names:
        raise SettingInvalid(
            f"FLOE_MCP_ALLOWED_HOSTS: needed where other machines reach the server, at {host}",
            hint="set the names that clients call it by, as in mcp.example.com,10.0.0.7:*",
        )

    security = TransportSecuritySettings(allowed_hosts=list(names), allowed_origins=list(origins))
    app = server.streamable_http_app(
        streamable_http_path=PATH, stateless_http=True, json_response=True, transport_security=security, host=host
    )
    app.router.routes.append(Route(_LIVE, _alive, methods=["GET"]))
    return app


async def _alive(_: Request) -> Response:
    return Response(status_code=204)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends by signals without raising them again behind everything else."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, setattr, self, "should_exit", True)
        yield


async def _serve_http(app: Starlette, listener: socket.socket, settings: McpSettings) -> None:
    config = uvicorn.Config(
        app, http="h11", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_GRACE
    )
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}{PATH}" if ":" in host else f"http://{host}:{port}{PATH}"
    _log.info("mcp.serving", transport="http", address=address, cube=settings.cube_url)
    await _Server(config).serve(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise AddressInUse(
            f"cannot listen on {host}:{port}: {error.strerror or error}", hint="name another with --http"
        ) from error
