"""What Cube says of the bundle that it was offered, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, Literal, TypeAlias

import structlog
from pydantic import Field, StringConstraints, model_validator

from floe_contracts.data import Data, FirstMajor
from floe_contracts.errors import FloeError
from floe_contracts.events import Problem
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import SemanticState
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.bundles import read_bundle
from floe_semantic.core.sync.comparison import check_members
from floe_semantic.core.sync.outcomes import bounded_problem
from floe_semantic.core.sync.states import refused, served
from floe_semantic.errors import CubeRefused, MembersDiffer, OfferOutdated
from floe_semantic.sync.sync_metrics import SyncMetrics
from floe_semantic.sync.telling import OutcomeTeller

Outcome: TypeAlias = Literal["served", "refused"]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

_MOST_ERROR: Final = 1_000_000

_log = structlog.get_logger("floe.semantic")


class Verdict(Data):
    """Whether a Cube serves a bundle."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    instance: Name = Field(description="What the Cube calls itself.")
    environment: Name | None = Field(default=None, description="The environment; needed where there are several.")
    product: Name | None = Field(default=None, description="The product; needed where there are several.")
    bundle_digest: Digest = Field(description="The bundle.")
    outcome: Outcome = Field(description="Whether Cube can serve it.")
    error: Annotated[str, StringConstraints(max_length=_MOST_ERROR)] | None = Field(
        default=None, description="What Cube says where it cannot."
    )
    cubes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Cube or view -> members that it shows to every role and claim together."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Verdict:
        if self.outcome == "served" and not self.cubes:
            raise ValueError("a bundle that is served shows cubes")
        return self


class VerdictAnswer(Data):
    """What becomes of a verdict."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    outcome: Outcome = Field(description="Whether the Cube is to serve the bundle from now on.")
    offered: str | None = Field(default=None, description="The bundle that Cube is offered now.")


class Verdicts:
    """Takes verdicts; one that comes twice changes nothing."""

    def __init__(self, states: SemanticStates, blobs: Blobs, teller: OutcomeTeller, measures: SyncMetrics) -> None:
        self._states = states
        self._blobs = blobs
        self._teller = teller
        self._measures = measures

    async def take(self, place: Place, verdict: Verdict) -> VerdictAnswer:
        """Compare what Cube shows with what was rendered, and note the outcome.

        Raises:
            OfferOutdated: Cube is not offered that bundle any more.
            BlobMissing: the bundle's document is not in the store.
            StateChanging: others change the state, again and again.
            Unreachable: the bus or the store does not answer.
        """
        await self._check_offered(place, verdict.bundle_digest)
        problem = await self._problem(verdict)
        after = await self._decide(place, verdict.bundle_digest, verdict.instance, problem)
        self._measures.judged(served=problem is None)
        if problem is not None:
            _log.warning("cube.refused", place=str(place), instance=verdict.instance, problem=problem.message)
        return VerdictAnswer(
            outcome="served" if problem is None else "refused",
            offered=after.offered.bundle_digest if after and after.offered else None,
        )

    async def confirm(self, place: Place, digest: str, instance: str) -> None:
        """A Cube asks while it serves what it is offered: it has proven it, and its verdict may have been lost."""
        try:
            await self._decide(place, digest, instance, None)
        except FloeError as error:
            _log.warning("cube.not_confirmed", place=str(place), instance=instance, error=str(error))

    async def _check_offered(self, place: Place, digest: str) -> None:
        if _is_offered(self._states.find(place), digest):
            return
        if not _is_offered(await self._states.read(place), digest):  # another replica may just have offered it
            raise _outdated(place, digest)

    async def _problem(self, verdict: Verdict) -> Problem | None:
        if verdict.outcome == "refused":
            error = CubeRefused(verdict.error or "Cube does not say why", hint="what Cube served before stays")
            return bounded_problem(Problem.of(error))
        try:
            check_members(await read_bundle(self._blobs, verdict.bundle_digest), verdict.cubes)
        except MembersDiffer as error:
            return Problem.of(error)
        return None

    async def _decide(self, place: Place, digest: str, instance: str, problem: Problem | None) -> SemanticState | None:
        become: Callable[[SemanticState], SemanticState | None]
        if problem is None:
            become = partial(served, digest=digest, instance=instance, time=datetime.now(UTC).isoformat())
        else:
            become = partial(refused, digest=digest, instance=instance, problem=problem)
        offered = False

        def change(state: SemanticState | None) -> SemanticState | None:
            nonlocal offered
            offered = _is_offered(state, digest)
            return become(state) if state is not None and offered else None

        after = await self._states.change(place, change)
        if not offered:
            raise _outdated(place, digest)
        await self._teller.tell(after)
        return after


def _is_offered(state: SemanticState | None, digest: str) -> bool:
    return state is not None and state.offered is not None and state.offered.bundle_digest == digest


def _outdated(place: Place, digest: str) -> OfferOutdated:
    return OfferOutdated(f"{place} is not offered {digest} any more", hint="ask for the bundle again")
