"""A stack to work with, whichever there is: configured, running on the folder, or embedded for the time being."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from floe_chassis.settings import ChassisSettings, load_settings
from floe_cli.stack.connection import Connection, configured, connected, running
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
        settings = configured() or running(path)
        if settings is None:
            folder = stack_folder(path)
            stack = await cleanup.enter_async_context(embedded_stack(folder, services=services))
            settings = load_settings(ChassisSettings, dict(os.environ) | folder.environment(stack.nats_url))
            connection = await cleanup.enter_async_context(connected(settings))
            if asked:
                await stack.until_all()
            async with _watched(stack):
                yield connection
            return
        yield await cleanup.enter_async_context(connected(settings))


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
