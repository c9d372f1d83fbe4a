"""One attempt of one run in a process of its own: `python -m floe_executor.run_one <run key>`.

What a launcher starts. It takes the lease of the run's place, makes one attempt, writes down what became of it, and
ends. Its settings are those of the executor; it hears no events.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import Final

import structlog

from floe_chassis import telemetry
from floe_chassis.leases import Lease
from floe_contracts.errors import FloeError
from floe_contracts.runs import place_key
from floe_executor import wiring
from floe_executor.adapters.state.run_store import StoredRun

log = structlog.get_logger(__name__)
LEASE_SECONDS: Final = 120.0
"""How long it waits for the lease: whoever launched it holds it for a moment, and a dead worker's ends by itself."""
DONE: Final = 0
FAILED: Final = 1
_LOOK_AGAIN: Final = 0.5


async def run_one(environment: Mapping[str, str], key: str) -> int:
    """Make the next attempt of the run of that key; the exit code.

    Returns:
        0: what became of the attempt is written down. 1: there is no such run, its place is taken, or the bus is away.
    """
    executor = wiring.assemble(environment)
    service = executor.service
    telemetry.configure(service.name, executor.chassis)
    try:
        await service.start()
        stored = await executor.state.store.find_key(key)
        if stored is None:
            log.error("there is no such run", key=key)
            return FAILED
        lease = await _lease(executor, stored)
        if lease is None:
            log.error("somebody else works in the place of the run", key=key)
            return FAILED
        try:
            await executor.worker.work(stored, lease)
        finally:
            await lease.release()
    except FloeError as error:
        log.warning("the attempt was given up", key=key, error=str(error))
        return FAILED
    finally:
        await service.stop()
    return DONE


async def _lease(executor: wiring.Executor, stored: StoredRun) -> Lease | None:
    bus, chassis = executor.service.bus, executor.chassis
    place = stored.record.place
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEASE_SECONDS):
            while True:
                lease = await Lease.acquire(bus, chassis, place_key(place))
                if lease is not None:
                    return lease
                await asyncio.sleep(_LOOK_AGAIN)
    return None


async def _until_stopped(environment: Mapping[str, str], key: str) -> int:
    """As `run_one`; at SIGTERM the attempt is given up, and another one follows elsewhere."""
    work = asyncio.create_task(run_one(environment, key))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        return FAILED


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """The program."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m floe_executor.run_one RUN_KEY\n")
        return 64
    return asyncio.run(_until_stopped(environment, arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
