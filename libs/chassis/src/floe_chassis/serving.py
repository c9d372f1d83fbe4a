"""One service as a process: with its HTTP server, until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator

from floe_chassis import telemetry
from floe_chassis.errors import BusClosed
from floe_chassis.http_server import HttpServer
from floe_chassis.service import Service


async def serve(service: Service) -> None:
    """Run one service with its HTTP server until SIGTERM or SIGINT, then stop it within `shutdown_grace`.

    Raises:
        AddressInUse: the HTTP address is not free.
        BusClosed: the server ended the connection for good.
        FloeError: of a start hook or the settings.
    """
    telemetry.configure(service.name, service.settings)
    http = HttpServer(service)
    await http.start()
    with _stop_signal() as stopped:
        starting = asyncio.create_task(service.start(), name="start")
        ends = [asyncio.create_task(event.wait()) for event in (stopped, service.bus.lost)]
        try:
            await asyncio.wait({starting, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            deadline = time.monotonic() + service.settings.shutdown_grace
            service.stopping.set()
            for task in (starting, *ends):
                task.cancel()
            await asyncio.gather(starting, *ends, return_exceptions=True)
            # Requests first: they may still publish.
            await http.stop(service.settings.shutdown_grace / 3)
            await service.stop(deadline - time.monotonic())
    if service.bus.lost.is_set():
        raise BusClosed(f"the server at {service.bus.address} closed the connection for good")


@contextlib.contextmanager
def _stop_signal() -> Iterator[asyncio.Event]:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
