"""What a state becomes: by an artifact, by Cube's answer, by what somebody asks for.

Each function returns the next state, or None where nothing changes: whatever comes twice, or late, does nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from floe_contracts.events import Problem, SourceReference
from floe_contracts.events.semantic import GateOutcome, SyncReason
from floe_contracts.openlineage.naming import Place
from floe_contracts.repositories import full_ref
from floe_contracts.semantic_states import KEPT_BUNDLES, OfferedBundle, SemanticState, UntoldOutcome

MOST_PROBLEMS: Final = 20
"""Problems that a state holds: each Cube that does not serve what others serve adds one."""
MOST_UNTOLD: Final = 20
"""Outcomes that wait to be announced; of more, the oldest is given up: a state has to fit into its bucket."""


@dataclass(frozen=True, slots=True)
class Announced:
    """An artifact that is live in an environment.

    Attributes:
        artifact_digest: its digest.
        sequence: its number in the stream of artifacts.
        source: where it came from.
    """

    artifact_digest: str
    sequence: int
    source: SourceReference | None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A bundle that Cube may be offered.

    Attributes:
        bundle_digest: its digest.
        artifact_digest: the artifact that it was rendered from.
        gate: whether Cube's own compiler took it.
        cause: id of the event or request that led to it.
        reason: what led to it.
        time: now, ISO 8601.
        left_out: how many things could not be said in Cube.
    """

    bundle_digest: str
    artifact_digest: str
    gate: GateOutcome
    cause: str
    reason: SyncReason
    time: str
    left_out: int = 0

    def offer(self) -> OfferedBundle:
        """The bundle, offered now."""
        return OfferedBundle(
            bundle_digest=self.bundle_digest,
            artifact_digest=self.artifact_digest,
            cause=self.cause,
            reason=self.reason,
            offered_at=self.time,
            gate=self.gate,
            left_out=self.left_out,
        )


def announced(before: SemanticState | None, place: Place, artifact: Announced) -> SemanticState | None:
    """The state once an artifact is live, before anything is rendered; a newer one that is known stays."""
    if before is not None and before.artifact_sequence >= artifact.sequence:
        return None
    state = before or SemanticState(tenant=place.tenant, environment=place.environment, product=place.product)
    return state.model_copy(
        update={
            "artifact_digest": artifact.artifact_digest,
            "artifact_sequence": artifact.sequence,
            "source": artifact.source,
            "unrendered": True,
        }
    )


def follows(state: SemanticState | None, sequence: int) -> bool:
    """Whether the artifact of that number is the one that the state is held to."""
    return state is not None and state.artifact_digest is not None and state.artifact_sequence == sequence


def abandoned(state: SemanticState, sequence: int, source: SourceReference | None) -> bool:
    """Whether the ref that once brought the product to this environment has an artifact now that is not for it."""
    if state.artifact_digest is None or state.artifact_sequence >= sequence:
        return False
    return same_origin(state.source, source)


def same_origin(one: SourceReference | None, other: SourceReference | None) -> bool:
    """Whether two artifacts came from the same ref of the same repository, or both from none."""
    return _origin(one) == _origin(other)


def withdrawn(before: SemanticState | None, place: Place, sequence: int, cause: str) -> SemanticState | None:
    """The state once the product is not to be served any more; a newer artifact that is known stays.

    It is remembered of products too that never were: an older event that comes late must not bring them up.
    """
    if before is not None and before.artifact_sequence >= sequence:
        return None
    state = before or SemanticState(tenant=place.tenant, environment=place.environment, product=place.product)
    untold = state.untold
    if state.wanted is not None:
        told = UntoldOutcome(
            id=f"{cause}:{place.environment}:withdrawn",
            outcome="withdrawn",
            other_bundle_digest=state.served.bundle_digest if state.served else None,
        )
        untold = _with_outcome(state, told)
    return state.model_copy(
        update={
            "artifact_digest": None,
            "artifact_sequence": sequence,
            "unrendered": False,
            "wanted": None,
            "offered": None,
            "served": None,
            "pinned": False,
            "problems": (),
            "untold": untold,
        }
    )


def wanted_by_artifact(before: SemanticState | None, sequence: int, bundle: Rendered) -> SemanticState | None:
    """The state once the bundle of its artifact is rendered; where somebody rolled back, it waits."""
    if before is None or not follows(before, sequence):
        return None
    state = before.model_copy(update={"unrendered": False})
    if before.pinned:
        return state if before.unrendered else None
    return _wanted(state, bundle)


def wanted_by_request(before: SemanticState, bundle: Rendered, *, pinned: bool) -> SemanticState | None:
    """The state once somebody asked for a bundle: a former one, to stay there, or the newest artifact's."""
    if before.artifact_digest is None:
        return None
    unrendered = before.unrendered and pinned
    return _wanted(before.model_copy(update={"pinned": pinned, "unrendered": unrendered}), bundle)


def not_rendered(
    before: SemanticState | None, sequence: int, problem: Problem, *, for_good: bool = True
) -> SemanticState | None:
    """The state once its artifact could not be rendered, for good or this time: what Cube serves stays."""
    if before is None or not follows(before, sequence) or (before.pinned and not for_good):
        return None
    after = before.model_copy(update={"problems": (problem,), "unrendered": before.unrendered and not for_good})
    return None if after == before else after


def served(before: SemanticState, digest: str, instance: str, time: str) -> SemanticState | None:
    """The state once a Cube serves the bundle that it was offered."""
    offer = before.offered
    if offer is None or offer.bundle_digest != digest:
        return None
    if before.served is None or before.served.cause != offer.cause:
        return _served(before, offer, time)
    problems = tuple(problem for problem in before.problems if problem.path != instance)
    return None if problems == before.problems else before.model_copy(update={"problems": problems})


def refused(before: SemanticState, digest: str, instance: str, problem: Problem) -> SemanticState | None:
    """The state once a Cube does not take the bundle that it was offered: the last good one is offered again.

    What another Cube serves already stays offered: the one that refuses it is told of.
    """
    offer = before.offered
    if offer is None or offer.bundle_digest != digest:
        return None
    if before.served is not None and before.served.cause == offer.cause:
        others = tuple(item for item in before.problems if item.path != instance)[-(MOST_PROBLEMS - 1) :]
        problems = (*others, problem.model_copy(update={"path": instance}))
        return None if problems == before.problems else before.model_copy(update={"problems": problems})
    told = UntoldOutcome(
        id=f"{_offer_id(before, offer)}:refused",
        outcome="sync_failed",
        bundle=offer,
        other_bundle_digest=before.served.bundle_digest if before.served else None,
        problems=(problem,),
    )
    # A rollback that Cube refuses holds back no newer artifact.
    pinned = before.pinned and before.served is not None and before.served.reason == "rolled_back"
    untold = _with_outcome(before, told)
    back = {"offered": before.served, "pinned": pinned, "problems": (problem,), "untold": untold}
    return before.model_copy(update=back)


def announced_of(before: SemanticState, told: frozenset[str]) -> SemanticState | None:
    """The state once the events of these ids are stored."""
    left = tuple(item for item in before.untold if item.id not in told)
    return None if left == before.untold else before.model_copy(update={"untold": left})


def _wanted(before: SemanticState, bundle: Rendered) -> SemanticState | None:
    if before.wanted is not None and before.wanted.cause == bundle.cause:
        return None
    offer = bundle.offer()
    return before.model_copy(update={"wanted": offer, "offered": offer, "problems": ()})


def _served(before: SemanticState, offer: OfferedBundle, time: str) -> SemanticState:
    now = offer.model_copy(update={"served_at": time})
    former = tuple(item for item in before.history if item.bundle_digest != offer.bundle_digest)
    told = UntoldOutcome(
        id=f"{_offer_id(before, offer)}:synced",
        outcome="synced",
        bundle=now,
        other_bundle_digest=before.served.bundle_digest if before.served else None,
    )
    # An artifact that could not be rendered meanwhile is still not served.
    settled = before.pinned or offer.artifact_digest == before.artifact_digest
    return before.model_copy(
        update={
            "wanted": now if before.wanted is not None and before.wanted.cause == offer.cause else before.wanted,
            "offered": now,
            "served": now,
            "history": (now, *former)[:KEPT_BUNDLES],
            "problems": () if settled else before.problems,
            "untold": _with_outcome(before, told),
        }
    )


def _with_outcome(state: SemanticState, told: UntoldOutcome) -> tuple[UntoldOutcome, ...]:
    return (*state.untold, told)[-MOST_UNTOLD:]


def _offer_id(state: SemanticState, offer: OfferedBundle) -> str:
    return f"{offer.cause}:{state.environment}:{offer.bundle_digest}"


def _origin(source: SourceReference | None) -> tuple[str, str] | None:
    return None if source is None or not source.ref else (source.repository, full_ref(source.ref))
