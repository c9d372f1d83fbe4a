"""A stack with one of its services to ask: whichever runs, or one that is started for as long as it takes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from floe_chassis.settings import ChassisSettings, load_settings
from floe_cli.run_records import read_live
from floe_cli.stack.connection import Connection, configured, connected, running
from floe_cli.stack.embedded import embedded_stack
from floe_cli.stack.folders import stack_folder
from floe_contracts.errors import Unreachable, WrongUsage


@asynccontextmanager
async def stack_with(path: Path, service: str) -> AsyncIterator[Connection]:
    """A connection to the stack of a folder; without a running one, that service is started on what it has stored.

    Raises:
        Unreachable: the bus is not there, or nothing has run in the folder yet.
        FloeError: the service does not start.
    """
    settings = configured() or running(path)
    if settings is not None:
        async with connected(settings) as connection:
            yield connection
        return
    folder = stack_folder(path)
    if not folder.bus.is_dir():
        raise Unreachable(
            f"nothing has run in {path} yet",
            hint=f"floe run {path}, or set FLOE_NATS_URL to a stack that runs elsewhere",
        )
    async with embedded_stack(folder, services=(service,)) as stack:
        settings = load_settings(ChassisSettings, dict(os.environ) | folder.environment(stack.nats_url))
        async with connected(settings) as connection:
            await stack.until_all()
            yield connection


@asynccontextmanager
async def service_in(path: Path, service: str, environment: str | None) -> AsyncIterator[tuple[Connection, str]]:
    """`stack_with`, and the environment that is asked about: the one that is named, else that of `live_environment`.

    Raises:
        Unreachable: the bus is not there, or nothing has run in the folder yet.
        WrongUsage: it is not clear which environment is meant.
    """
    async with stack_with(path, service) as connection:
        yield connection, environment or await live_environment(connection)


async def live_environment(connection: Connection) -> str:
    """The environment that is meant where none is named: `dev`, or the only one where something is live.

    Raises:
        WrongUsage: it is not clear which one is meant.
    """
    live = {product.environment for product in await read_live(connection)}
    if "dev" in live or not live:
        return "dev"
    if len(live) > 1:
        raise WrongUsage(
            "it is not clear which environment is meant", hint=f"name one with -e: {', '.join(sorted(live))}"
        )
    return live.pop()
