"""What the compiler does with the events it gets."""

from __future__ import annotations

from floe_chassis.bus import Bus
from floe_compiler.compilation import Compiler
from floe_compiler.git.ownership import Ownership
from floe_compiler.outcomes import outcome_id
from floe_contracts.cloudevents import Received
from floe_contracts.events import ArtifactCompiled, SpecSubmitted


class Handlers:
    """The subscribers of the compiler."""

    def __init__(self, compiler: Compiler, bus: Bus, ownership: Ownership) -> None:
        self._compiler = compiler
        self._bus = bus
        self._ownership = ownership

    async def spec_submitted(self, received: Received[SpecSubmitted]) -> None:
        """Compile what was submitted, and tell the outcome."""
        submitted = received.event
        refusal = await self._ownership.refusal(submitted)
        outcome = refusal or await self._compiler.compile(submitted, today=received.attributes.day)
        if isinstance(outcome, ArtifactCompiled):
            outcome = await self._ownership.take(submitted) or outcome
        await self._bus.publish(outcome, id=outcome_id(submitted, outcome), cause=received.attributes)
