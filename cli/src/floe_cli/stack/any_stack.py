"""A stack to work with, whichever there is: configured, running on the folder, or embedded for the time being."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from floe_chassis.settings import ChassisSettings
from floe_cli.stack.connection import Connection, connected, reaching, running_or_own
from floe_cli.stack.embedded import EmbeddedStack, embedded_stack
from floe_cli.stack.folders import stack_folder


@asynccontextmanager
async def any_stack(
    path: Path, services: Collection[str] | None = None, *, asked: bool = False
) -> AsyncIterator[Connection]:
    """A connection to a stack that works.

    Args:
        path: the product's folder.
        services: those that are needed, where a stack has to be started; None starts all.
        asked: they are asked something, which none of them hears before it is up; what is published waits for them.

    Raises:
        Unreachable: the configured bus is not there.
        FloeError: a service of the embedded stack does not start.
    """
    async with AsyncExitStack() as cleanup:
        folder = stack_folder(path)
        found = await running_or_own(path, lambda: embedded_stack(folder, services=services), cleanup)
        if isinstance(found, ChassisSettings):
            yield await cleanup.enter_async_context(connected(found))
            return
        connection = await cleanup.enter_async_context(connected(reaching(folder, found.nats_url)))
        if asked:
            await found.until_all()
        async with _watched(found):
            yield connection


@asynccontextmanager
async def _watched(stack: EmbeddedStack) -> AsyncIterator[None]:
    """Interrupt the body if a service does not come up: it would wait for ever."""
    body = asyncio.current_task()
    failures: list[BaseException] = []

    async def watch() -> None:
        try:
            await stack.until_all()
        except Exception as error:  # noqa: BLE001  # carried over to the body
            failures.append(error)
            if body is not None:
                body.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if failures:
            raise failures[0] from None
        raise
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
