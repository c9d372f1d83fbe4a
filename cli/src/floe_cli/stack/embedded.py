"""The embedded stack: a supervised nats-server and all installed services on this event loop (DESIGN section 7)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from floe_chassis import topology
from floe_chassis.bus import Bus
from floe_chassis.errors import AddressInUse
from floe_chassis.http_server import HttpServer
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings, load_settings
from floe_chassis.telemetry import configure
from floe_chassis.topology_apply import apply
from floe_cli.lineage_backends import named_backends
from floe_cli.stack.bus_server import bus_server
from floe_cli.stack.folders import RunningStack, StackFolder
from floe_cli.stack.services import installed_services, load_service
from floe_contracts.errors import WrongUsage

_FIRST: Final = ("compiler", "gateway", "lineage", "semantic", "catalog", "executor")
"""The compiler comes first: dbt warms up in its fork server while the others are imported."""
_NEEDED: Final = ("compiler", "executor", "lineage", "semantic")
_ANY_PORT: Final = "0"
_PORT_HINT: Final = "another stack may have it: name a port with floe up --http-port and --semantic-port"


class EmbeddedStack:
    """A running embedded stack. Services come up one after the other; `until_all` waits for the last."""

    def __init__(self, nats_url: str) -> None:
        self.nats_url = nats_url
        self.services: dict[str, Service] = {}
        self.starting: asyncio.Task[None] | None = None

    async def until_all(self) -> None:
        """Wait until every service is up.

        Raises:
            FloeError: what kept one from starting.
        """
        if self.starting is not None:
            await self.starting


@asynccontextmanager
async def embedded_stack(
    folder: StackFolder,
    *,
    http_ports: Mapping[str, int] | None = None,
    services: Collection[str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[EmbeddedStack]:
    """Run the stack of `folder` for as long as the context lasts; the bus is up when it begins.

    Args:
        folder: where everything is kept.
        http_ports: service -> its port; the others take any free one.
        services: run only these, and let no other command find the stack; None runs all that are installed.
        settings: of the services, where the caller's environment does not say otherwise.

    Raises:
        WrongUsage: services that the stack cannot do without are not installed.
    """
    missing = [name for name in services or _NEEDED if name not in installed_services()]
    if missing:
        raise WrongUsage(
            f"the embedded stack needs services that are not installed: {', '.join(missing)}",
            hint="install floe-cli[embedded], or set FLOE_NATS_URL to a stack that runs elsewhere",
        )
    folder.root.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as cleanup:
        nats_url = await cleanup.enter_async_context(bus_server(folder))
        environment = dict(settings or {}) | _environment(folder, nats_url)
        chassis = load_settings(ChassisSettings, environment)
        configure("floe", chassis)
        await _apply_topology(chassis, named_backends(environment))
        stack = EmbeddedStack(nats_url)
        ports = http_ports or {}
        stack.starting = asyncio.create_task(_start_services(stack, environment, ports, cleanup, services or _FIRST))
        cleanup.push_async_callback(_end, stack)
        if services is None:
            folder.announce(RunningStack(pid=os.getpid(), nats_url=nats_url))
            cleanup.callback(folder.withdraw)
        yield stack


def _environment(folder: StackFolder, nats_url: str) -> dict[str, str]:
    """The caller's environment, so that any setting may be set, below what the stack itself decides."""
    dbt = str(folder.root / "dbt")
    folders = {"FLOE_COMPILER_DBT_FOLDER": dbt, "FLOE_EXECUTOR_DBT_FOLDER": dbt}
    own = folder.environment(nats_url) | folders | {"FLOE_HTTP_PORT": _ANY_PORT}
    # Whoever can publish here is the person at this machine: the repositories are theirs to choose.
    git = {"FLOE_COMPILER_GIT_LOCAL": "true", "FLOE_COMPILER_GIT_REPOSITORIES": '["*"]'}
    return {"FLOE_LOG_FILE": str(folder.log)} | git | dict(os.environ) | own


async def _apply_topology(settings: ChassisSettings, backends: Collection[str]) -> None:
    bus = Bus("topology", settings)
    await bus.connect()
    try:
        await apply(bus, topology.declared(settings, tuple(backends)))
    finally:
        await bus.close()


async def _start_services(
    stack: EmbeddedStack,
    environment: dict[str, str],
    http_ports: Mapping[str, int],
    cleanup: AsyncExitStack,
    wanted: Collection[str],
) -> None:
    installed = installed_services()
    for name in [name for name in _FIRST if name in installed and name in wanted]:
        create = await asyncio.to_thread(load_service, name)
        port = {"FLOE_HTTP_PORT": str(http_ports[name])} if name in http_ports else {}
        service = create(environment | port)
        cleanup.push_async_callback(service.stop)
        if service.routes:
            await _listen(service, cleanup)
        await service.start()
        stack.services[name] = service


async def _listen(service: Service, cleanup: AsyncExitStack) -> None:
    try:
        await cleanup.enter_async_context(HttpServer(service))
    except AddressInUse as error:
        raise AddressInUse(f"the {service.name} service: {error.message}", hint=_PORT_HINT) from error


async def _end(stack: EmbeddedStack) -> None:
    if stack.starting is not None:
        stack.starting.cancel()
        await asyncio.gather(stack.starting, return_exceptions=True)
