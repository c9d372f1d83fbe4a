"""Whether Cube serves what the newest artifact wants."""

from __future__ import annotations

from collections.abc import Sequence

from floe_contracts.semantic_requests import ServedProduct, SyncStatus
from floe_contracts.semantic_states import CubeInstance, SemanticState


def sync_status(state: SemanticState, instances: Sequence[CubeInstance]) -> SyncStatus:
    """The status of a product, with the Cubes that run for it."""
    if state.artifact_digest is None:
        return "withdrawn"
    if state.pinned:
        return "pinned"
    if state.problems:
        return "failed"
    wanted, served = state.wanted, state.served
    if wanted is None or wanted.artifact_digest != state.artifact_digest:
        return "pending"
    if served is None or served.bundle_digest != wanted.bundle_digest:
        return "pending"
    everywhere = all(instance.bundle_digest == wanted.bundle_digest for instance in instances)
    return "in_sync" if everywhere else "pending"


def served_product(state: SemanticState, instances: Sequence[CubeInstance]) -> ServedProduct:
    """A product as it is told to people."""
    return ServedProduct(
        product=state.product,
        status=sync_status(state, instances),
        artifact_digest=state.artifact_digest,
        wanted=state.wanted,
        offered=state.offered,
        served=state.served,
        history=state.history,
        instances=tuple(instances),
        problems=state.problems,
    )
