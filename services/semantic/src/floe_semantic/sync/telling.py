"""Announces what became of offers: decided in a state, then published, then struck off the state."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from floe_chassis.bus import Bus
from floe_chassis.fault_points import reach
from floe_contracts.cloudevents import Attributes
from floe_contracts.errors import BlobMissing, FloeError, Permanent
from floe_contracts.semantic_states import SemanticState, UntoldOutcome
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.core.cube_bundles import BundleDocument
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.bundles import read_bundle
from floe_semantic.core.sync.outcomes import outcome_event
from floe_semantic.core.sync.states import announced_of

GRACE_SECONDS: Final = 3.0
"""So long whoever decided an outcome has to announce it, before every replica tries; the ids are the same."""
_LOOK_SECONDS: Final = 1.0

_log = structlog.get_logger("floe.semantic")


class OutcomeTeller:
    """Publishes the outcomes that states hold."""

    def __init__(self, bus: Bus, blobs: Blobs, states: SemanticStates) -> None:
        self._bus = bus
        self._blobs = blobs
        self._states = states
        self._seen: dict[str, float] = {}
        self._complaint: str | None = None

    async def tell(self, state: SemanticState | None) -> None:
        """Announce what a state has to tell; what cannot be now is announced later by `run`."""
        if state is None or not state.untold:
            return
        await reach("semantic-decided")
        told: set[str] = set()
        try:
            for untold in state.untold:
                await self._publish(state, untold)
                told.add(untold.id)
        except FloeError as error:
            self._complain(state, error)
        if not told:
            return
        await reach("semantic-told")
        try:
            await self._states.change(state.place, partial(_struck, told=frozenset(told)))
        except FloeError as error:
            self._complain(state, error)

    async def run(self) -> None:
        """Announce what was left over, by a service that was killed or a bus that was away, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for state in self._overdue():
                await self.tell(state)

    def _overdue(self) -> list[SemanticState]:
        now = time.monotonic()
        waiting = {item.id: state for state in self._states.known() for item in state.untold}
        self._seen = {key: self._seen.get(key, now) for key in waiting}
        late = {state.place: state for key, state in waiting.items() if now - self._seen[key] >= GRACE_SECONDS}
        return list(late.values())

    async def _publish(self, state: SemanticState, untold: UntoldOutcome) -> None:
        bundle = untold.bundle
        document = None
        if bundle is not None and untold.outcome == "synced":
            document = await self._document(bundle.bundle_digest)
        cause = None
        if bundle is not None:
            cause = Attributes(id=bundle.cause, source="floe", time=datetime.fromisoformat(bundle.offered_at))
        await self._bus.publish(outcome_event(state.place, untold, document), id=untold.id, cause=cause)

    async def _document(self, digest: str) -> BundleDocument | None:
        try:
            return await read_bundle(self._blobs, digest)
        except (BlobMissing, Permanent) as error:  # that Cube serves it is told nevertheless
            _log.warning("outcome.without_document", bundle=digest, error=str(error))
            return None

    def _complain(self, state: SemanticState, error: FloeError) -> None:
        if (text := str(error)) != self._complaint:  # it is tried each second
            self._complaint = text
            _log.warning("outcome.not_told", place=str(state.place), error=text)


def _struck(state: SemanticState | None, told: frozenset[str]) -> SemanticState | None:
    return None if state is None else announced_of(state, told)
