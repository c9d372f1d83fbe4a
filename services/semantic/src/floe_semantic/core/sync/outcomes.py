"""The events that tell what became of an offer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from floe_contracts.events import Problem, SemanticSynced, SemanticSyncFailed, SemanticWithdrawn
from floe_contracts.openlineage.naming import Place
from floe_contracts.semantic_states import OfferedBundle, UntoldOutcome
from floe_semantic.core.cube_bundles import BundleDocument

OutcomeEvent = SemanticSynced | SemanticSyncFailed | SemanticWithdrawn

_MOST_BYTES: Final = 200_000
_DOCUMENT_GONE: Final = "what the bundle holds is not known any more: its document is not in the blob store"
MOST_SAID: Final = 4000
"""Characters of a problem: Cube repeats what it could not read, and a state holds several."""


def outcome_event(place: Place, untold: UntoldOutcome, document: BundleDocument | None) -> OutcomeEvent:
    """The event of an outcome.

    Args:
        place: whose it is.
        untold: what is to be told.
        document: of the bundle that it is about; None where it is not in the store any more.
    """
    bundle = untold.bundle
    whose = {"tenant": place.tenant, "environment": place.environment, "product": place.product}
    if bundle is None or untold.outcome == "withdrawn":
        return SemanticWithdrawn(**whose, bundle_digest=untold.other_bundle_digest)
    if untold.outcome == "sync_failed":
        return SemanticSyncFailed(
            **whose,
            artifact_digest=bundle.artifact_digest,
            bundle_digest=bundle.bundle_digest,
            serving_bundle_digest=untold.other_bundle_digest,
            problems=untold.problems,
        )
    if document is None:
        document = BundleDocument(files={}, skipped=(_DOCUMENT_GONE,))
    return SemanticSynced(
        **whose,
        artifact_digest=bundle.artifact_digest,
        bundle_digest=bundle.bundle_digest,
        previous_bundle_digest=untold.other_bundle_digest,
        reason=bundle.reason,
        cubes=bounded(document.cubes),
        views=bounded(document.views),
        members=document.members,
        policies=document.policies,
        skipped=bounded(document.skipped),
        seconds=_seconds(bundle),
    )


def bounded(texts: Iterable[str]) -> tuple[str, ...]:
    """As many of the texts as an event can carry; the last one says how many more there are."""
    told: list[str] = []
    left = _MOST_BYTES
    every = tuple(texts)
    for text in every:
        left -= len(text.encode()) + 4
        if left < 0:
            told.append(f"and {len(every) - len(told)} more")
            break
        told.append(text)
    return tuple(told)


def bounded_problem(problem: Problem) -> Problem:
    """The problem, its message cut where it is too long to be stored."""
    more = len(problem.message) - MOST_SAID
    if more <= 0:
        return problem
    return problem.model_copy(update={"message": f"{problem.message[:MOST_SAID]} ... and {more} more characters"})


def _seconds(bundle: OfferedBundle) -> float:
    if bundle.served_at is None:
        return 0.0
    taken = datetime.fromisoformat(bundle.served_at) - datetime.fromisoformat(bundle.offered_at)
    return max(0.0, round(taken.total_seconds(), 3))
