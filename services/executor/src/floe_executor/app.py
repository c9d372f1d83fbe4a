"""The executor as a service: what it hears, and what it does besides."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from floe_chassis.service import Service
from floe_chassis.topology import EXECUTOR, EXECUTOR_CANCELLATIONS
from floe_contracts.events import CancellationRequested, RunRequested
from floe_executor import wiring
from floe_executor.core.ports import Launcher
from floe_executor.handlers import Handlers
from floe_executor.starts.wiring import subscribe


def create_app(environment: Mapping[str, str], launcher: Launcher | None = None) -> Service:
    """The executor with its settings from `environment`; `launcher` stands in for the one that they name."""
    executor = wiring.assemble(environment)
    service, state = executor.service, executor.state
    dispatcher = wiring.dispatcher(executor, launcher or wiring.launcher(executor, environment))
    handlers = Handlers(wiring.requests(executor), dispatcher, executor.cancellations)
    service.subscribe(EXECUTOR, RunRequested, handlers.run_requested)
    service.subscribe(EXECUTOR_CANCELLATIONS, CancellationRequested, handlers.cancellation_requested)
    subscribe(
        service,
        blobs=state.blobs,
        live_products=state.live_products,
        store=state.store,
        retired=lambda place: asyncio.to_thread(executor.dagster.forget, place),
    )
    service.task("dispatcher", dispatcher.run)
    return service
