"""Finding a bus for a product: a configured one, that of a running stack, the embedded one, or only its store."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

import structlog

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.errors import StoreInUse
from floe_chassis.settings import ChassisSettings, load_settings
from floe_cli.stack.bus_server import bus_server
from floe_cli.stack.folders import StackFolder, stack_folder
from floe_contracts.errors import Unreachable, WrongUsage

OpenedT = TypeVar("OpenedT")
_PATIENCE: Final = 60.0
"""Seconds for which a folder may be another process's that no command finds."""
_LOOK_AGAIN: Final = 0.1


@dataclass(frozen=True, slots=True)
class Connection:
    """A connected bus and its settings."""

    bus: Bus
    settings: ChassisSettings

    def blobs(self) -> BlobStore:
        """The blob store beside the bus.

        Raises:
            WrongUsage: nobody said where it is.
        """
        if self.settings.blobs_url is None:
            raise WrongUsage(
                "the blob store is not known",
                hint="set FLOE_BLOBS_URL to the blob store of the stack, as file:///... or s3://...",
            )
        return open_blobs(self.settings.blobs_url)


@asynccontextmanager
async def connected(settings: ChassisSettings) -> AsyncIterator[Connection]:
    """Connect as the CLI.

    Raises:
        Unreachable: no bus is there.
    """
    if not structlog.is_configured():  # a person reads errors here, and programs read standard output; no logs
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    bus = Bus("cli", settings)
    await bus.connect(wait=False)
    try:
        yield Connection(bus, settings)
    finally:
        await bus.close()


def configured() -> ChassisSettings | None:
    """The settings of the bus that FLOE_NATS_URL names, if it names one."""
    return load_settings(ChassisSettings, os.environ) if os.environ.get("FLOE_NATS_URL") else None


def running(path: Path) -> ChassisSettings | None:
    """The settings of the stack that runs on the product's folder, if one does."""
    folder = stack_folder(path)
    found = folder.running()
    if found is None:
        return None
    return reaching(folder, found.nats_url)


def reaching(folder: StackFolder, nats_url: str) -> ChassisSettings:
    """The settings with which a command reaches the stack of that folder."""
    return load_settings(ChassisSettings, dict(os.environ) | folder.environment(nats_url))


async def running_or_own(
    path: Path, own: Callable[[], AbstractAsyncContextManager[OpenedT]], cleanup: AsyncExitStack
) -> ChassisSettings | OpenedT:
    """The settings of a bus that is there, configured or running on the folder; without one, what `own` opens.

    Another process may have the folder open and not be found: a stack that is just starting, or a command with a server
    of its own. It is waited for.

    Raises:
        StoreInUse: it keeps the folder for a minute.
    """
    deadline = monotonic() + _PATIENCE
    while (settings := configured() or running(path)) is None:
        try:
            return await cleanup.enter_async_context(own())
        except StoreInUse:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(_LOOK_AGAIN)
    return settings


def needed(path: Path) -> ChassisSettings:
    """The settings of the bus that FLOE_NATS_URL names, or of the stack that runs on the product's folder.

    Raises:
        Unreachable: there is neither.
    """
    settings = configured() or running(path)
    if settings is None:
        raise Unreachable("no stack is running for this folder", hint=f"floe up {path}, or set FLOE_NATS_URL")
    return settings


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[Connection]:
    """A connection for reading: without a running stack, its stored streams are opened by a server of our own.

    Raises:
        Unreachable: the bus is not there, or nothing has run in the folder yet.
    """
    async with AsyncExitStack() as cleanup:
        settings = await running_or_own(path, lambda: _stored(path), cleanup)
        yield await cleanup.enter_async_context(connected(settings))


def has_run(path: Path) -> StackFolder:
    """The stack folder of a product that something has run in.

    Raises:
        Unreachable: nothing has.
    """
    folder = stack_folder(path)
    if not folder.bus.is_dir():
        raise Unreachable(
            f"nothing has run in {path} yet",
            hint=f"floe run {path}, or set FLOE_NATS_URL to a stack that runs elsewhere",
        )
    return folder


@asynccontextmanager
async def _stored(path: Path) -> AsyncIterator[ChassisSettings]:
    folder = has_run(path)
    async with bus_server(folder) as nats_url:
        yield reaching(folder, nats_url)
