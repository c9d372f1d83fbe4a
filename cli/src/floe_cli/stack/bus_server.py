"""The nats-server of an embedded stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from floe_chassis.nats_server import NatsServer
from floe_chassis.nats_supervisor import SupervisedNatsServer
from floe_cli.stack.folders import StackFolder


@asynccontextmanager
async def bus_server(folder: StackFolder) -> AsyncIterator[str]:
    """Run a server on the folder's store, started again whenever it dies; the URL of the bus.

    Raises:
        FloeError: another process has the store open, or there is no nats-server.
    """
    server = SupervisedNatsServer(NatsServer(folder.bus))
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()
