"""Whether Cube serves what the newest artifact wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from floe_contracts.events import Problem
from floe_contracts.semantic_requests import ServedProduct, SyncStatus
from floe_contracts.semantic_states import CubeInstance, OfferedBundle, SemanticState
from floe_semantic.errors import CubeRefused, MembersDiffer

_SAID_OF_CUBES: Final = frozenset({CubeRefused.code, MembersDiffer.code})


def sync_status(state: SemanticState, instances: Sequence[CubeInstance]) -> SyncStatus:
    """The status of a product, with the Cubes that run for it; without any, nothing is known to be served."""
    if state.artifact_digest is None:
        return "withdrawn"
    problems = present_problems(state, instances)
    wanted = state.wanted
    answered = wanted is not None and wanted.bundle_digest == _digest(state.served)
    if state.pinned and (answered or not problems):
        return "pinned"
    if problems:
        return "failed"
    if wanted is None or wanted.artifact_digest != state.artifact_digest or not answered:
        return "pending"
    serving = {instance.bundle_digest for instance in instances}
    return "in_sync" if serving == {wanted.bundle_digest} else "pending"


def present_problems(state: SemanticState, instances: Sequence[CubeInstance]) -> tuple[Problem, ...]:
    """The problems of a state, without those that a Cube had which is no longer heard of."""
    running = {instance.instance for instance in instances}
    return tuple(
        problem
        for problem in state.problems
        if problem.path is None or problem.path in running or problem.code not in _SAID_OF_CUBES
    )


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
        problems=present_problems(state, instances),
    )


def _digest(bundle: OfferedBundle | None) -> str | None:
    return bundle.bundle_digest if bundle else None
