"""Services, messages and servers for the tests of the chassis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import structlog

from floe_chassis.bus import Bus
from floe_chassis.dead_letters import DeadLetter, read_dead_letter
from floe_chassis.service import Service
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import DLQ, declared
from floe_chassis.topology_apply import apply
from floe_contracts.cloudevents import Received
from floe_contracts.events import SpecSubmitted

Handler = Callable[[Received[SpecSubmitted]], Awaitable[None]]
DIGEST = "sha256:" + "0" * 64


@pytest.fixture(autouse=True)
def _plain_tracebacks() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )


@pytest.fixture
def submit(bus: Bus) -> Callable[..., Awaitable[int]]:
    """Publish the submission of that number; gives its sequence."""

    async def publish(number: int = 0) -> int:
        event = SpecSubmitted(tenant="default", product="shop", submission=f"s{number}", bundle=DIGEST)
        return (await bus.publish(event, id=f"shop:s{number}")).seq

    return publish


@pytest.fixture
async def compiler(bus_settings: ChassisSettings) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Start a service that reads submissions with the handler; changes are changes of the settings."""
    started: list[Service] = []

    async def start(handler: Handler, *, concurrency: int = 1, ready: bool = True, **changes: object) -> Service:
        service = Service("compiler", bus_settings.model_copy(update=changes))
        service.subscribe("compiler", SpecSubmitted, handler, concurrency=concurrency)
        started.append(service)
        if ready:
            await service.start()
        return service

    yield start
    for service in reversed(started):
        await service.stop(grace=1.0)


@pytest.fixture
async def with_consumers(bus: Bus, bus_settings: ChassisSettings) -> Callable[..., Awaitable[None]]:
    """Change the consumers on the bus: `await with_consumers(ack_wait=0.6, max_deliver=2)`."""

    async def change(**changes: object) -> None:
        await apply(bus, declared(bus_settings.model_copy(update=changes)))

    return change


@pytest.fixture
def dead_letters(bus: Bus) -> Callable[[], Awaitable[list[DeadLetter]]]:
    async def read() -> list[DeadLetter]:
        count = (await bus.js.stream_info(DLQ)).state.messages
        stored = [await bus.js.get_msg(DLQ, sequence) for sequence in range(1, count + 1)]
        return [read_dead_letter(message.headers or {}, message.data or b"") for message in stored]

    return read
