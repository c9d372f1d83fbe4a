"""A stack with one of its services to ask: whichever runs, or one that is started for as long as it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from floe_chassis.settings import ChassisSettings
from floe_cli.run_records import read_live
from floe_cli.stack.connection import Connection, connected, has_run, reaching, running_or_own
from floe_cli.stack.embedded import embedded_stack
from floe_cli.stack.folders import stack_folder
from floe_contracts.errors import WrongUsage


@asynccontextmanager
async def stack_with(path: Path, service: str) -> AsyncIterator[Connection]:
    """A connection to the stack of a folder; without a running one, that service is started on what it has stored.

    Raises:
        Unreachable: the bus is not there, or nothing has run in the folder yet.
        StoreInUse: another process keeps the folder for a minute.
        FloeError: the service does not start.
    """
    async with AsyncExitStack() as cleanup:
        found = await running_or_own(path, lambda: embedded_stack(has_run(path), services=(service,)), cleanup)
        if isinstance(found, ChassisSettings):
            yield await cleanup.enter_async_context(connected(found))
            return
        settings = reaching(stack_folder(path), found.nats_url)
        connection = await cleanup.enter_async_context(connected(settings))
        await found.until_all()
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
