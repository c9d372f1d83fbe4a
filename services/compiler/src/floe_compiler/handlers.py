"""What the compiler does with the events it gets."""

from __future__ import annotations

from floe_chassis.bus import Bus
from floe_compiler.compilation import Compiler
from floe_contracts.cloudevents import Received
from floe_contracts.digests import short
from floe_contracts.events import ArtifactCompiled, SpecSubmitted


class Handlers:
    """The subscribers of the compiler."""

    def __init__(self, compiler: Compiler, bus: Bus) -> None:
        self._compiler = compiler
        self._bus = bus

    async def spec_submitted(self, received: Received[SpecSubmitted]) -> None:
        """Compile what was submitted, and tell the outcome."""
        submitted = received.event
        outcome = await self._compiler.compile(submitted)
        result = short(outcome.artifact_digest) if isinstance(outcome, ArtifactCompiled) else "rejected"
        await self._bus.publish(
            outcome, id=f"{submitted.product}:{submitted.submission}:{result}", cause=received.attributes
        )
