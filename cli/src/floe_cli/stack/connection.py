"""Finding a bus for a product: a configured one, that of a running stack, the embedded one, or only its store."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from floe_chassis.blobs import BlobStore, open_blobs
from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings, load_settings
from floe_cli.stack.bus_server import bus_server
from floe_cli.stack.folders import stack_folder
from floe_contracts.errors import Unreachable, WrongUsage


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
    return load_settings(ChassisSettings, dict(os.environ) | folder.environment(found.nats_url))


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
        settings = configured() or running(path)
        if settings is None:
            folder = stack_folder(path)
            if not folder.bus.is_dir():
                raise Unreachable(
                    f"nothing has run in {path} yet",
                    hint=f"floe run {path}, or set FLOE_NATS_URL to a stack that runs elsewhere",
                )
            nats_url = await cleanup.enter_async_context(bus_server(folder))
            settings = load_settings(ChassisSettings, dict(os.environ) | folder.environment(nats_url))
        yield await cleanup.enter_async_context(connected(settings))
