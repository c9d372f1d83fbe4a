"""Brings back what Cube is to serve where the states were lost, or there were none yet: FLOE_ARTIFACTS tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, TypeAlias

import structlog
from nats.errors import Error as NatsError

from floe_chassis.bus import Bus
from floe_chassis.handled_artifacts import Announcement, handled_artifacts
from floe_chassis.topology import SEMANTIC
from floe_contracts.artifacts import read_artifact
from floe_contracts.cloudevents import Received
from floe_contracts.digests import canonical_json
from floe_contracts.errors import Permanent, Transient
from floe_contracts.events import ArtifactCompiled, ArtifactRetired
from floe_contracts.live_products import live_environments
from floe_contracts.openlineage.naming import Place
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.core.sync.states import same_origin
from floe_semantic.rendering.handlers import Artifacts

Compiled: TypeAlias = Received[ArtifactCompiled]

_AGAIN_SECONDS: Final = 5.0

_log = structlog.get_logger("floe.semantic")


class Restoring:
    """Renders again what was handled before; what waits in the consumer comes by itself."""

    def __init__(self, bus: Bus, states: SemanticStates, artifacts: Artifacts) -> None:
        self._bus = bus
        self._states = states
        self._artifacts = artifacts

    async def run(self) -> None:
        """Bring back what is live and has no state, or one that was not finished, until it is cancelled.

        At the start, and whenever the bucket was lost. Twice at a time changes nothing.
        """
        while True:
            await self._states.current.wait()
            self._states.lost.clear()
            await self._restored()
            await self._states.lost.wait()

    async def _restored(self) -> None:
        while True:
            try:
                return await self._restore()
            except (Transient, NatsError, OSError, TimeoutError) as error:
                _log.warning("states.not_restored", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _restore(self) -> None:
        missing = [
            item for item in live_at_the_end(await handled_artifacts(self._bus, SEMANTIC)) if self._is_missing(item)
        ]
        # The newest first: an older one finds where it is not live any more, and leaves it.
        for received in sorted(missing, key=lambda item: -(item.sequence or 0)):
            try:
                await self._artifacts.compiled(received)
            except Permanent as error:  # it was a dead letter then, too
                _log.warning("states.not_restored", product=received.event.product, error=str(error))

    def _is_missing(self, received: Compiled) -> bool:
        """Whether the artifact is to be handled again, somewhere where it is live."""
        event = received.event
        artifact = read_artifact(canonical_json(event.artifact), event.artifact_digest)
        for environment in live_environments(artifact, event.source):
            state = self._states.find(Place(event.tenant, environment, event.product))
            if state is None or state.artifact_sequence < (received.sequence or 0) or state.unrendered:
                return True
        return False


def live_at_the_end(announcements: Iterable[Announcement]) -> list[Compiled]:
    """Those artifacts that are live somewhere after all these announcements, in their order."""
    live: dict[tuple[str, str], dict[str, Compiled]] = {}
    for received in announcements:
        event = received.event
        of_product = live.setdefault((event.tenant, event.product), {})
        if isinstance(event, ArtifactRetired):
            of_product.clear()
            continue
        try:
            artifact = read_artifact(canonical_json(event.artifact), event.artifact_digest)
            environments = live_environments(artifact, event.source)
        except Permanent as error:
            _log.warning("states.not_restored", product=event.product, error=str(error))
            continue
        for environment, before in tuple(of_product.items()):
            if same_origin(before.event.source, event.source):
                del of_product[environment]
        compiled = Received(event, received.attributes, received.sequence)
        of_product.update(dict.fromkeys(environments, compiled))
    found = {item.sequence: item for of_product in live.values() for item in of_product.values()}
    return [item for _, item in sorted(found.items(), key=lambda pair: pair[0] or 0)]
