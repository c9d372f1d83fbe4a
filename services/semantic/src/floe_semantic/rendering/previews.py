"""Rendering for somebody who wants to look at it: nothing is offered to Cube, and nothing is announced."""

from __future__ import annotations

import asyncio
import json

from floe_chassis.answers import Asked
from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.digests import digest_of
from floe_contracts.nodes import NodeGraph
from floe_contracts.semantic_requests import BundleFile, BundleRendered, RenderBundle
from floe_contracts.suggestions import meant_or_known
from floe_semantic.core.ports import Blobs
from floe_semantic.core.rendering.bundles import store_bundle
from floe_semantic.core.rendering.render import render
from floe_semantic.errors import NotServed


async def render_bundle(blobs: Blobs, asked: Asked[RenderBundle]) -> BundleRendered:
    """Render an artifact that the blob store has, for the environment that is asked about.

    Raises:
        NotServed: the artifact has no such environment, or Cube is not to serve it.
        BlobMissing: the artifact or its NodeGraph is not in the store.
        NothingToServe: no model can be served.
        ClaimUnusable: a policy cannot speak of the row owner's claim.
    """
    digest, environment = asked.request.artifact_digest, asked.environment
    artifact = read_artifact(await blobs.get(digest), digest)
    nodes = await blobs.get(_nodes_of(artifact, environment))
    bundle = await asyncio.to_thread(lambda: render(artifact, NodeGraph.read(json.loads(nodes)), environment))
    return BundleRendered(
        product=artifact.product.name,
        artifact_digest=digest,
        bundle_digest=await store_bundle(bundle, blobs),
        cubes=bundle.cubes,
        views=bundle.views,
        skipped=bundle.skipped,
        files=tuple(BundleFile(path=path, digest=digest_of(text.encode())) for path, text in bundle.files.items()),
    )


def _nodes_of(artifact: CompiledArtifacts, environment: str) -> str:
    if not artifact.serving.cube:
        raise NotServed(
            f"{artifact.product.name} is not to be served through Cube",
            hint="floe.yaml has consumption.cube.enabled: false",
        )
    found = artifact.environments.get(environment)
    if found is None:
        raise NotServed(
            f"{artifact.product.name} has no environment {environment!r}",
            hint=meant_or_known(environment, artifact.environments),
        )
    return found.nodes
