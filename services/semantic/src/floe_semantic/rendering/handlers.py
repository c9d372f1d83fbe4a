"""What the service does with the artifacts that it reads."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from floe_chassis.bus import Bus
from floe_chassis.fault_points import reach
from floe_chassis.stream_reader import read_stream
from floe_chassis.topology import ARTIFACTS
from floe_contracts import subjects
from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.cloudevents import Received, decode
from floe_contracts.digests import canonical_json
from floe_contracts.errors import FloeError, Transient, Unreachable
from floe_contracts.events import ArtifactCompiled, ArtifactRetired, Problem
from floe_contracts.live_products import live_environments
from floe_contracts.openlineage.naming import Place
from floe_contracts.subjects import EventKind
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.core.rendering.serving import Rendering, Unrenderable, failed_event, prepare, rendered_event
from floe_semantic.core.sync.outcomes import bounded_problem
from floe_semantic.core.sync.states import (
    Announced,
    Rendered,
    abandoned,
    announced,
    not_rendered,
    wanted_by_artifact,
    withdrawn,
)
from floe_semantic.sync.telling import OutcomeTeller


class Artifacts:
    """The subscribers of FLOE_ARTIFACTS. An event that comes twice, or late, changes nothing.

    Every environment of an artifact is rendered, so that it is seen early whether it can be; Cube is given what is
    live. Which artifact a product is held to is written before anything is rendered: an older one that comes late,
    or a retirement that comes meanwhile, finds it.
    """

    def __init__(self, bus: Bus, rendering: Rendering, states: SemanticStates, teller: OutcomeTeller) -> None:
        self._bus = bus
        self._rendering = rendering
        self._states = states
        self._teller = teller

    async def compiled(self, received: Received[ArtifactCompiled]) -> None:
        """Render an artifact, and want its bundles where it is live.

        Raises:
            ArtifactCorrupt: the artifact does not have the digest that it is announced under.
            RefInvalid: it was announced for what is no ref.
            ContractError: it is of another major or does not fulfil its contract.
            BlobMissing: a NodeGraph is not in the store yet.
            GateBroken: Cube's compiler gave no answer.
            Unreachable: the bus or the blob store does not answer.
        """
        event = received.event
        artifact = read_artifact(canonical_json(event.artifact), event.artifact_digest)
        live = [Place(event.tenant, name, event.product) for name in live_environments(artifact, event.source)]
        await self._hold(received, artifact, live)
        if not artifact.serving.cube:
            return
        await reach("semantic-held")
        failed: Transient | None = None
        for environment in sorted(artifact.environments):
            place = Place(event.tenant, environment, event.product)
            try:
                await self._render(received, artifact, place, live=place in live)
            except Transient as error:  # the others need not wait for it
                failed = failed or error
        if failed is not None:
            raise failed
        await reach("semantic-wanted")

    async def retired(self, received: Received[ArtifactRetired]) -> None:
        """Have Cube serve the product no more, wherever it did.

        Raises:
            Unreachable: the bus does not answer.
        """
        event = received.event
        for state in await self._states.of_product(event.tenant, event.product):
            await self._withdraw(state.place, received.sequence or 0, received.attributes.id)

    async def _hold(self, received: Received[ArtifactCompiled], artifact: CompiledArtifacts, live: list[Place]) -> None:
        event, sequence, cause = received.event, received.sequence or 0, received.attributes.id
        for state in await self._states.of_product(event.tenant, event.product):
            if state.place not in live and abandoned(state, sequence, event.source):
                await self._withdraw(state.place, sequence, cause)
        for place in live:
            if artifact.serving.cube:
                becomes = partial(
                    announced, place=place, artifact=Announced(event.artifact_digest, sequence, event.source)
                )
                await self._states.change(place, becomes)
            else:
                await self._withdraw(place, sequence, cause)
        if live and (gone := await self._retirement(event.tenant, event.product)) is not None:
            for place in live:
                await self._withdraw(place, gone.sequence or 0, gone.attributes.id)

    async def _retirement(self, tenant: str, product: str) -> Received[Any] | None:
        """The last one of a product: handled by another replica meanwhile, it may have found nothing to withdraw."""
        pattern = subjects.pattern(EventKind.ARTIFACT_RETIRED, tenant=tenant, product=product)
        last: Msg | None = None
        try:
            async for message in read_stream(self._bus.js, ARTIFACTS, pattern):
                last = message
        except (NatsError, OSError, TimeoutError) as error:
            raise Unreachable(f"{pattern} cannot be read: {error or 'no answer'}") from error
        if last is None:
            return None
        return replace(decode(last.subject, last.headers, last.data), sequence=last.metadata.sequence.stream)

    async def _withdraw(self, place: Place, sequence: int, cause: str) -> None:
        after = await self._states.change(place, partial(withdrawn, place=place, sequence=sequence, cause=cause))
        await self._teller.tell(after)

    async def _note(self, place: Place, sequence: int, error: Transient) -> None:
        """Have the state say why nothing is rendered yet: nobody knows whether it is tried again."""
        problem = bounded_problem(Problem.of(error))
        with contextlib.suppress(FloeError):  # what it was raised for goes before
            await self._states.change(place, partial(not_rendered, sequence=sequence, problem=problem, for_good=False))

    async def _render(
        self, received: Received[ArtifactCompiled], artifact: CompiledArtifacts, place: Place, *, live: bool
    ) -> None:
        cause, sequence, digest = received.attributes, received.sequence or 0, received.event.artifact_digest
        event_id = f"{cause.id}:{place.environment}"
        try:
            stored = await prepare(self._rendering, artifact, place.environment)
        except Unrenderable as error:
            event = failed_event(place, digest, error.problem, live=live)
            await self._bus.publish(event, id=f"{event_id}:failed", cause=cause)
            if live:
                await self._states.change(place, partial(not_rendered, sequence=sequence, problem=error.problem))
            return
        except Transient as error:
            if live:
                await self._note(place, sequence, error)
            raise
        await self._bus.publish(rendered_event(place, digest, stored, live=live), id=event_id, cause=cause)
        if not live:
            return
        await reach("semantic-rendered")
        bundle = Rendered(
            bundle_digest=stored.digest,
            artifact_digest=digest,
            gate=stored.gate,
            cause=cause.id,
            reason="compiled",
            time=datetime.now(UTC).isoformat(),
            left_out=len(stored.bundle.skipped),
        )
        after = await self._states.change(place, partial(wanted_by_artifact, sequence=sequence, bundle=bundle))
        await self._teller.tell(after)
