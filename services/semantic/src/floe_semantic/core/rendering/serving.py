"""From an artifact to a bundle in the blob store that Cube's own compiler has taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.errors import ContractError, Permanent
from floe_contracts.events import Problem, SemanticFailed, SemanticRendered
from floe_contracts.events.semantic import GateOutcome
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_semantic.core.ports import Blobs, Gate
from floe_semantic.core.rendering.bundles import store_bundle
from floe_semantic.core.rendering.render import Bundle, render
from floe_semantic.core.sync.outcomes import bounded, bounded_problem


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle that may be offered to Cube.

    Attributes:
        bundle: what was rendered.
        digest: under which it is stored.
        gate: whether Cube's compiler took it, or none was there to ask.
    """

    bundle: Bundle
    digest: str
    gate: GateOutcome


@dataclass(frozen=True, slots=True)
class Rendering:
    """What rendering needs from outside.

    Attributes:
        blobs: where NodeGraphs are, and bundles go.
        gate: Cube's compiler; None where there is none to ask.
    """

    blobs: Blobs
    gate: Gate | None


async def prepare(rendering: Rendering, artifact: CompiledArtifacts, environment: str) -> StoredBundle:
    """Render the bundle of one environment, have Cube's compiler take it, and store it.

    Raises:
        BlobMissing: the NodeGraph is not in the store yet.
        Unrenderable: there is no bundle, or no NodeGraph that can be read; says why.
        GateBroken: the compiler gave no answer.
        Unreachable: the store does not answer.
    """
    digest = artifact.environments[environment].nodes
    try:
        content = await rendering.blobs.get(digest)
        # In a thread: a large project takes seconds, and Cube's polls are answered by the same loop.
        bundle = await asyncio.to_thread(lambda: render(artifact, _node_graph(content, digest), environment))
        gate = await _gate(rendering.gate, bundle.files)
    except Permanent as error:
        raise Unrenderable(error) from error
    return StoredBundle(bundle, await store_bundle(bundle, rendering.blobs), gate)


class Unrenderable(Exception):
    """An artifact has no bundle in an environment, and will have none.

    Attributes:
        problem: why.
    """

    def __init__(self, reason: Permanent) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.problem = bounded_problem(Problem.of(reason))


def rendered_event(place: Place, artifact_digest: str, stored: StoredBundle, *, live: bool = True) -> SemanticRendered:
    """The event of a bundle in the blob store."""
    return SemanticRendered(
        tenant=place.tenant,
        product=place.product,
        environment=place.environment,
        artifact_digest=artifact_digest,
        bundle_digest=stored.digest,
        cubes=bounded(stored.bundle.cubes),
        views=bounded(stored.bundle.views),
        skipped=bounded(stored.bundle.skipped),
        gate=stored.gate,
        live=live,
    )


def failed_event(place: Place, artifact_digest: str, problem: Problem, *, live: bool = True) -> SemanticFailed:
    """The event of an artifact without a bundle."""
    return SemanticFailed(
        tenant=place.tenant,
        product=place.product,
        environment=place.environment,
        artifact_digest=artifact_digest,
        problems=(problem,),
        live=live,
    )


async def _gate(gate: Gate | None, files: Mapping[str, str]) -> GateOutcome:
    if gate is None:
        return "not_run"
    await gate.check(files)
    return "passed"


def _node_graph(content: bytes, digest: str) -> NodeGraph:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ContractError(f"the NodeGraph {digest} is not JSON: {error}") from error
    return NodeGraph.read(document)
