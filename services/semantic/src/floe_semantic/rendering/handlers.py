"""What the service does with the events that it reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from floe_chassis.bus import Bus
from floe_contracts.cloudevents import Received
from floe_contracts.events import ArtifactCompiled
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.serving import serve


def on_compiled(bus: Bus, blobs: Blobs) -> Callable[[Received[ArtifactCompiled]], Awaitable[None]]:
    """The handler of `artifacts.compiled`: one event for each environment, named after its cause and environment."""

    async def handle(received: Received[ArtifactCompiled]) -> None:
        cause = received.attributes
        async for event in serve(received.event, blobs):
            await bus.publish(event, id=f"{cause.id}:{event.environment}", cause=cause)

    return handle
