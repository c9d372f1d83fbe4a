"""What Cube says of the bundle that it was offered, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, Literal, TypeAlias

import structlog
from pydantic import Field, StringConstraints, model_validator

from floe_contracts.data import Data, FirstMajor
from floe_contracts.errors import FloeError
from floe_contracts.events import Problem
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import OfferedBundle, SemanticState
from floe_semantic.adapters.state_bucket import SemanticStates
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.bundles import read_bundle
from floe_semantic.core.sync.comparison import check_members
from floe_semantic.core.sync.outcomes import bounded_problem
from floe_semantic.core.sync.states import refused, served
from floe_semantic.errors import CubeRefused, MembersDiffer, OfferOutdated
from floe_semantic.sync.offers import is_known
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


@dataclass(frozen=True, slots=True)
class Spoken:
    """The offer that a Cube speaks of.

    Attributes:
        digest: of the bundle.
        tag: the ETag that it came with; None where the Cube does not say.
    """

    digest: str
    tag: str | None


class Verdicts:
    """Takes verdicts; one that comes twice changes nothing."""

    def __init__(self, states: SemanticStates, blobs: Blobs, teller: OutcomeTeller, measures: SyncMetrics) -> None:
        self._states = states
        self._blobs = blobs
        self._teller = teller
        self._measures = measures

    async def take(self, place: Place, verdict: Verdict, tag: str | None = None) -> VerdictAnswer:
        """Compare what Cube shows with what was rendered, and note the outcome.

        Args:
            place: whose bundle it is.
            verdict: what Cube says.
            tag: of the offer that it speaks of; None where it does not say, and any offer of that bundle is meant.

        Raises:
            OfferOutdated: Cube is not offered that bundle any more.
            BlobMissing: the bundle's document is not in the store.
            StateChanging: others change the state, again and again.
            Unreachable: the bus or the store does not answer.
        """
        spoken = Spoken(verdict.bundle_digest, tag)
        await self._check_offered(place, spoken)
        problem = await self._problem(verdict)
        after = await self._decide(place, spoken, verdict.instance, problem)
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
            await self._decide(place, Spoken(digest, None), instance, None)
        except FloeError as error:
            _log.warning("cube.not_confirmed", place=str(place), instance=instance, error=str(error))

    async def ended(self, place: Place, offer: Spoken, instance: str) -> None:
        """A Cube ended while it tried an offer, and again when it was started: a refusal that it cannot tell itself.

        Raises:
            OfferOutdated: that is not offered any more.
            StateChanging: others change the state, again and again.
            Unreachable: the bus does not answer.
        """
        error = CubeRefused(
            f"{instance} ended while it compiled this bundle, and again when it was started",
            hint="give it more memory (NODE_OPTIONS=--max-old-space-size=...), then floe semantic sync",
        )
        await self._decide(place, offer, instance, Problem.of(error))
        self._measures.judged(served=False)
        _log.warning("cube.ended", place=str(place), instance=instance, bundle=offer.digest)

    async def _check_offered(self, place: Place, spoken: Spoken) -> None:
        if _is_given(self._states.find(place), spoken):
            return
        if not _is_given(await self._states.read(place), spoken):  # another replica may just have offered it
            raise _outdated(place, spoken.digest)

    async def _problem(self, verdict: Verdict) -> Problem | None:
        if verdict.outcome == "refused":
            error = CubeRefused(verdict.error or "Cube does not say why", hint="what Cube served before stays")
            return bounded_problem(Problem.of(error))
        try:
            check_members(await read_bundle(self._blobs, verdict.bundle_digest), verdict.cubes)
        except MembersDiffer as error:
            return Problem.of(error)
        return None

    async def _decide(
        self, place: Place, spoken: Spoken, instance: str, problem: Problem | None
    ) -> SemanticState | None:
        digest = spoken.digest
        become: Callable[[SemanticState], SemanticState | None]
        if problem is None:
            become = partial(served, digest=digest, instance=instance, time=datetime.now(UTC).isoformat())
        else:
            become = partial(refused, digest=digest, instance=instance, problem=problem)
        given = False

        def change(state: SemanticState | None) -> SemanticState | None:
            nonlocal given
            given = _is_given(state, spoken)
            return become(state) if state is not None and _is_spoken_of(state.offered, spoken) else None

        after = await self._states.change(place, change)
        if not given:
            raise _outdated(place, digest)
        await self._teller.tell(after)
        return after


def _is_given(state: SemanticState | None, spoken: Spoken) -> bool:
    """Whether a Cube may be at it: what is offered, and what serves, which a Cube is given first that has none yet."""
    return state is not None and any(_is_spoken_of(offer, spoken) for offer in (state.offered, state.served))


def _is_spoken_of(offer: OfferedBundle | None, spoken: Spoken) -> bool:
    if offer is None or offer.bundle_digest != spoken.digest:
        return False
    return spoken.tag is None or is_known(spoken.tag, offer)


def _outdated(place: Place, digest: str) -> OfferOutdated:
    return OfferOutdated(f"{place} is not offered {digest} any more", hint="ask for the bundle again")
