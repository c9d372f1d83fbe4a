"""From a compiled artifact to its plan: fetch what was compiled before, compare, store the whole plan."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from floe_compiler.core.plan.build import build_plan, unchanged_plan
from floe_compiler.core.plan.summary import summarised
from floe_compiler.core.plan.view import ArtifactView
from floe_compiler.core.ports import ArtifactHistory, ReadableBlobs
from floe_compiler.errors import PlanBaseUnknown
from floe_contracts.artifacts import CompiledArtifacts, read_artifact
from floe_contracts.digests import canonical_json, is_digest
from floe_contracts.errors import BlobMissing, Permanent
from floe_contracts.events import LATEST, ArtifactCompiled, SpecSubmitted
from floe_contracts.nodes import NodeGraph
from floe_contracts.plans import Plan

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan as events carry it.

    Attributes:
        plan: whole, or a summary where the whole is too long for an event.
        digest: of the whole plan, which is in the blob store.
    """

    plan: Plan
    digest: str


class Planner:
    """Plans what compiled artifacts change. Holds nothing but its adapters."""

    def __init__(self, history: ArtifactHistory, blobs: ReadableBlobs) -> None:
        self._history = history
        self._blobs = blobs

    async def plan(
        self, submitted: SpecSubmitted, artifact: CompiledArtifacts, graphs: Mapping[str, NodeGraph] | None = None
    ) -> Planned | None:
        """What `artifact` changes, against the artifact that the submission names or the last one.

        Args:
            submitted: what was compiled.
            artifact: what it was compiled to.
            graphs: its nodes by environment; read from the blob store where they are not at hand.

        Returns:
            The plan. None where a submission that is more than a dry run cannot be compared, because what was compiled
            before cannot be read any more: that is no reason not to compile.

        Raises:
            Transient: the bus or the blob store does not answer.
            PlanBaseUnknown: a dry run is to be compared with something that is not there, or is of another product.
        """
        digest = artifact.digest()
        try:
            latest = None if _names_one(submitted) else await self._latest(submitted)
            told = _told_before(latest, submitted, digest)
            if told is not None:
                return told
            if latest is not None and latest.plan is not None and latest.artifact_digest == digest:
                return await self._stored(unchanged_plan(latest.plan))
            before = await self._before(submitted, latest)
        except (Permanent, BlobMissing) as error:
            if submitted.dry_run:
                raise _unknown(submitted, error) from error
            _log.warning("compiled without a plan", product=submitted.product, reason=str(error))
            return None
        after = ArtifactView(digest, artifact, graphs or await self._graphs(artifact))
        return await self._stored(await asyncio.to_thread(build_plan, before, after))

    async def _stored(self, plan: Plan) -> Planned:
        # The plan of a large project takes a while to write: not for the event loop.
        content, summary = await asyncio.to_thread(lambda: (plan.to_bytes(), summarised(plan)))
        return Planned(summary, await self._blobs.put(content))

    async def _latest(self, submitted: SpecSubmitted) -> ArtifactCompiled | None:
        return await self._history.latest(submitted.tenant, submitted.product)

    async def _before(self, submitted: SpecSubmitted, latest: ArtifactCompiled | None) -> ArtifactView | None:
        if latest is not None:
            digest, content = latest.artifact_digest, canonical_json(latest.artifact)
        elif _names_one(submitted):
            digest = submitted.against or ""
            if not is_digest(digest):
                raise PlanBaseUnknown(f"{digest!r} is no digest", hint="sha256: and 64 hex digits, or latest")
            content = await self._blobs.get(digest)
        else:
            return None
        artifact = await asyncio.to_thread(read_artifact, content, digest)
        if artifact.product.name != submitted.product:
            raise PlanBaseUnknown(f"{digest} is an artifact of the product {artifact.product.name!r}")
        return ArtifactView(digest, artifact, await self._graphs(artifact))

    async def _graphs(self, artifact: CompiledArtifacts) -> dict[str, NodeGraph]:
        """The nodes of every environment; environments that do not differ share them."""
        digests = {environment.nodes for environment in artifact.environments.values()}
        graphs = {digest: await self._graph(digest) for digest in sorted(digests)}
        return {name: graphs[environment.nodes] for name, environment in artifact.environments.items()}

    async def _graph(self, digest: str) -> NodeGraph:
        content = await self._blobs.get(digest)
        return await asyncio.to_thread(lambda: NodeGraph.read(json.loads(content)))


def _names_one(submitted: SpecSubmitted) -> bool:
    return submitted.against not in (None, LATEST)


def _told_before(latest: ArtifactCompiled | None, submitted: SpecSubmitted, digest: str) -> Planned | None:
    """The plan that this very submission was announced with, when it is delivered again: it must not become another."""
    if latest is None or submitted.dry_run or latest.plan is None or latest.plan_digest is None:
        return None
    same = (latest.submission, latest.artifact_digest) == (submitted.submission, digest)
    return Planned(latest.plan, latest.plan_digest) if same else None


def _unknown(submitted: SpecSubmitted, error: Permanent | BlobMissing) -> PlanBaseUnknown:
    if isinstance(error, PlanBaseUnknown):
        return error
    return PlanBaseUnknown(
        f"{submitted.against or LATEST} cannot be compared with: {error.message}",
        hint="name the digest of an artifact of this product, as floe status shows it",
    )
