"""Rendering for somebody who wants to look at it: nothing is offered to Cube, and nothing is announced."""

from __future__ import annotations

from floe_chassis.answers import Asked
from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.digests import digest_of
from floe_contracts.semantic_requests import BundleFile, BundleRendered, RenderBundle
from floe_contracts.suggestions import meant_or_known
from floe_semantic.core.rendering.serving import Rendering, Unrenderable, prepare
from floe_semantic.errors import NotServed


async def render_bundle(rendering: Rendering, asked: Asked[RenderBundle]) -> BundleRendered:
    """Render an artifact that the blob store has, for the environment that is asked about.

    Raises:
        NotServed: the artifact has no such environment, or Cube is not to serve it.
        BlobMissing: the artifact or its NodeGraph is not in the store.
        NothingToServe: no model can be served.
        ClaimUnusable: a policy cannot speak of the row owner's claim.
        BundleRefused: Cube's own compiler does not take it.
    """
    digest, environment = asked.request.artifact_digest, asked.environment
    artifact = read_artifact(await rendering.blobs.get(digest), digest)
    _check_served(artifact, environment)
    try:
        stored = await prepare(rendering, artifact, environment)
    except Unrenderable as error:
        raise error.reason from error
    bundle = stored.bundle
    return BundleRendered(
        product=artifact.product.name,
        artifact_digest=digest,
        bundle_digest=stored.digest,
        cubes=bundle.cubes,
        views=bundle.views,
        skipped=bundle.skipped,
        gate=stored.gate,
        files=tuple(BundleFile(path=path, digest=digest_of(text.encode())) for path, text in bundle.files.items()),
    )


def _check_served(artifact: CompiledArtifacts, environment: str) -> None:
    if not artifact.serving.cube:
        raise NotServed(
            f"{artifact.product.name} is not to be served through Cube",
            hint="floe.yaml has consumption.cube.enabled: false",
        )
    if environment not in artifact.environments:
        raise NotServed(
            f"{artifact.product.name} has no environment {environment!r}",
            hint=meant_or_known(environment, artifact.environments),
        )
