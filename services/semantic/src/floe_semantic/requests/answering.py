"""Answers what is asked of bundles, and offers those that somebody asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from floe_chassis.answers import Asked
from floe_chassis.bus import Bus
from floe_contracts.artifacts import read_artifact
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_requests import (
    BundleFile,
    BundleFiles,
    BundleOffered,
    ListServed,
    ReadBundle,
    RollBackBundle,
    ServedList,
    SyncBundle,
)
from floe_contracts.semantic_states import SemanticState
from floe_contracts.suggestions import meant_or_known
from floe_semantic.adapters.cube_instances import CubeInstances
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.core.rendering.bundles import read_bundle, read_files
from floe_semantic.core.rendering.serving import Rendering, Unrenderable, failed_event, prepare, rendered_event
from floe_semantic.core.sync.naming_bundles import find_bundle
from floe_semantic.core.sync.states import Rendered, not_rendered, wanted_by_request
from floe_semantic.core.sync.status import served_product
from floe_semantic.errors import ProductUnserved
from floe_semantic.sync.telling import OutcomeTeller


class BundleRequests:
    """The answers; tenant and environment are those of the request's subject."""

    def __init__(
        self, bus: Bus, rendering: Rendering, states: SemanticStates, instances: CubeInstances, teller: OutcomeTeller
    ) -> None:
        self._bus = bus
        self._rendering = rendering
        self._states = states
        self._instances = instances
        self._teller = teller

    async def list_served(self, asked: Asked[ListServed]) -> ServedList:
        """What is wanted, offered and served."""
        product = asked.request.product
        states = await self._of_environment(asked.tenant, asked.environment)
        if product is not None:
            states = [self._named(states, product, asked.environment)]
        # One that Cube never was to serve is remembered, and no news.
        states = [state for state in states if state.artifact_digest or state.history]
        instances = await asyncio.gather(*(self._instances.running(state.place) for state in states))
        listed = (served_product(state, running) for state, running in zip(states, instances, strict=True))
        return ServedList(products=tuple(listed))

    async def read_bundle(self, asked: Asked[ReadBundle]) -> BundleFiles:
        """The files of a bundle."""
        state = await self._one(asked.tenant, asked.environment, asked.request.product)
        bundle = find_bundle(state, asked.request.bundle)
        document = await read_bundle(self._rendering.blobs, bundle.bundle_digest)
        return BundleFiles(
            product=state.product,
            bundle_digest=bundle.bundle_digest,
            artifact_digest=bundle.artifact_digest,
            files=tuple(BundleFile(path=path, digest=digest) for path, digest in sorted(document.files.items())),
        )

    async def roll_back(self, asked: Asked[RollBackBundle]) -> BundleOffered:
        """Have Cube serve a former bundle, until it is told to follow the artifacts again."""
        state = await self._one(asked.tenant, asked.environment, asked.request.product)
        former = find_bundle(state, asked.request.to)
        document = await read_bundle(self._rendering.blobs, former.bundle_digest)
        await read_files(self._rendering.blobs, document)  # one that is gone, or a part of it, is not offered
        bundle = Rendered(
            bundle_digest=former.bundle_digest,
            artifact_digest=former.artifact_digest,
            gate=former.gate,
            cause=asked.id,
            reason="rolled_back",
            time=datetime.now(UTC).isoformat(),
            left_out=former.left_out,
        )
        return await self._offer(state, lambda now: wanted_by_request(now, bundle, pinned=True))

    async def sync(self, asked: Asked[SyncBundle]) -> BundleOffered:
        """Render the newest artifact again and offer it to Cube; a rollback ends with it."""
        state = await self._one(asked.tenant, asked.environment, asked.request.product)
        digest, sequence, place = str(state.artifact_digest), state.artifact_sequence, state.place
        artifact = read_artifact(await self._rendering.blobs.get(digest), digest)
        event_id = f"{asked.id}:{place.environment}"
        try:
            stored = await prepare(self._rendering, artifact, place.environment)
        except Unrenderable as error:
            await self._bus.publish(failed_event(place, digest, error.problem), id=f"{event_id}:failed")
            await self._states.change(place, partial(not_rendered, sequence=sequence, problem=error.problem))
            raise error.reason from error
        await self._bus.publish(rendered_event(place, digest, stored), id=event_id)
        bundle = Rendered(
            bundle_digest=stored.digest,
            artifact_digest=digest,
            gate=stored.gate,
            cause=asked.id,
            reason="requested",
            time=datetime.now(UTC).isoformat(),
            left_out=len(stored.bundle.skipped),
        )

        def wanted(now: SemanticState) -> SemanticState | None:
            # An artifact that came meanwhile is newer than what was asked for.
            return wanted_by_request(now, bundle, pinned=False) if now.artifact_sequence == sequence else None

        return await self._offer(state, wanted)

    async def _offer(
        self, before: SemanticState, wanted: Callable[[SemanticState], SemanticState | None]
    ) -> BundleOffered:
        place = before.place
        after = await self._states.change(place, lambda now: None if now is None else wanted(now))
        await self._teller.tell(after)
        if after is None or after.offered is None:
            raise _unserved(place.product, place.environment, [])
        given = before.offered.bundle_digest if before.offered else None
        changed = after.offered.bundle_digest != given
        return BundleOffered(product=place.product, offered=after.offered, changed=changed)

    async def _of_environment(self, tenant: str, environment: str) -> list[SemanticState]:
        await self._states.check()
        return [state for state in self._states.known() if (state.tenant, state.environment) == (tenant, environment)]

    async def _one(self, tenant: str, environment: str, product: str | None) -> SemanticState:
        states = await self._of_environment(tenant, environment)
        live = [state for state in states if state.artifact_digest is not None]
        if not live:
            raise self._nothing_in(tenant, environment)
        if product is None:
            if len(live) != 1:
                names = ", ".join(state.product for state in live)
                raise ProductUnserved(
                    f"{len(live)} products are served in {environment}", hint=f"name the product: {names}"
                )
            return await self._fresh(live[0].place)
        return await self._fresh(self._named(live, product, environment).place)

    def _nothing_in(self, tenant: str, environment: str) -> ProductUnserved:
        known = self._states.known()
        where = {state.environment for state in known if state.tenant == tenant and state.artifact_digest is not None}
        hint = meant_or_known(environment, where) if where else "floe run, or publish a product"
        return ProductUnserved(f"nothing is served in {environment}", hint=hint)

    def _named(self, states: list[SemanticState], product: str, environment: str) -> SemanticState:
        found = next((state for state in states if state.product == product), None)
        if found is None:
            raise _unserved(product, environment, [state.product for state in states])
        return found

    async def _fresh(self, place: Place) -> SemanticState:
        """The state as the bucket has it: people ask for what they have just been told by another replica."""
        state = await self._states.read(place)
        if state is None or state.artifact_digest is None:
            raise _unserved(place.product, place.environment, [])
        return state


def _unserved(product: str, environment: str, known: list[str]) -> ProductUnserved:
    hint = meant_or_known(product, known) if known else "nothing is served there; floe run, or publish a product"
    return ProductUnserved(f"{product} is not served in {environment}", hint=hint)
