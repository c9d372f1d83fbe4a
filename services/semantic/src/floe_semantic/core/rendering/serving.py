"""What becomes of a compiled artifact: an event for each environment that is served."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.digests import canonical_json
from floe_contracts.errors import ContractError, Permanent
from floe_contracts.events import ArtifactCompiled, Problem, SemanticFailed, SemanticRendered
from floe_contracts.nodes import NodeGraph
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.bundles import store_bundle
from floe_semantic.core.rendering.render import render


async def serve(compiled: ArtifactCompiled, blobs: Blobs) -> AsyncIterator[SemanticRendered | SemanticFailed]:
    """Render and store the bundle of every environment, in the order of their names; none if Cube is switched off.

    Raises:
        ArtifactCorrupt: the event's artifact does not have the digest that it is announced under.
        ContractError: the artifact or a NodeGraph is of another major or does not fulfil its contract.
        BlobMissing: a NodeGraph is not in the store yet.
        BlobCorrupt: a NodeGraph does not have its digest.
    """
    artifact = read_artifact(canonical_json(compiled.artifact), compiled.artifact_digest)
    if not artifact.serving.cube:
        return
    for environment in sorted(artifact.environments):
        digest = artifact.environments[environment].nodes
        graph = _node_graph(await blobs.get(digest), digest)
        yield await _outcome(compiled, artifact, environment, graph, blobs)


async def _outcome(
    compiled: ArtifactCompiled, artifact: CompiledArtifacts, environment: str, graph: NodeGraph, blobs: Blobs
) -> SemanticRendered | SemanticFailed:
    try:
        bundle = render(artifact, graph, environment)
    except Permanent as error:
        return SemanticFailed(
            tenant=compiled.tenant,
            product=compiled.product,
            environment=environment,
            artifact_digest=compiled.artifact_digest,
            problems=(Problem.of(error),),
        )
    return SemanticRendered(
        tenant=compiled.tenant,
        product=compiled.product,
        environment=environment,
        artifact_digest=compiled.artifact_digest,
        bundle_digest=await store_bundle(bundle, blobs),
        cubes=bundle.cubes,
        views=bundle.views,
        skipped=bundle.skipped,
    )


def _node_graph(content: bytes, digest: str) -> NodeGraph:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ContractError(f"the NodeGraph {digest} is not JSON: {error}") from error
    return NodeGraph.read(document)
