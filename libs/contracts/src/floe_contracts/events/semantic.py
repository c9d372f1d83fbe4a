"""What is served by Cube."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from floe_contracts.events.scopes import EnvironmentEvent, Problem
from floe_contracts.subjects import EventKind

GateOutcome: TypeAlias = Literal["passed", "not_run"]
SyncReason: TypeAlias = Literal["compiled", "rolled_back", "requested"]


class SemanticRendered(EnvironmentEvent):
    """The Cube bundle of an artifact is in the blob store."""

    kind = EventKind.SEMANTIC_RENDERED

    artifact_digest: str = Field(description="Digest of the artifact that was rendered.")
    bundle_digest: str = Field(description="Digest of the Cube bundle.")
    cubes: tuple[str, ...] = Field(description="Names of the cubes in the bundle.")
    views: tuple[str, ...] = Field(description="Names of the views in the bundle.")
    skipped: tuple[str, ...] = Field(description="What could not be said in Cube, and why; one sentence each.")
    gate: GateOutcome = Field(
        default="not_run", description="Whether Cube's own compiler took the bundle, or none was there to ask."
    )
    live: bool = Field(
        default=True,
        description="Whether Cube is to serve that artifact there; a push to another branch is rendered only.",
    )


class SemanticFailed(EnvironmentEvent):
    """The artifact could not be rendered for Cube, or Cube's own compiler refuses what was rendered."""

    kind = EventKind.SEMANTIC_FAILED

    artifact_digest: str = Field(description="Digest of the artifact that could not be rendered.")
    problems: tuple[Problem, ...] = Field(description="Why.")
    live: bool = Field(
        default=True,
        description="Whether Cube is to serve that artifact there; a push to another branch is rendered only.",
    )


class SemanticSynced(EnvironmentEvent):
    """Cube serves the bundle: what its first answer shows is what was rendered."""

    kind = EventKind.SEMANTIC_SYNCED

    artifact_digest: str = Field(description="Digest of the artifact that the bundle was rendered from.")
    bundle_digest: str = Field(description="Digest of the bundle that is served now.")
    previous_bundle_digest: str | None = Field(default=None, description="The bundle that was served before.")
    reason: SyncReason = Field(default="compiled", description="What led to it.")
    cubes: tuple[str, ...] = Field(description="Names of the cubes.")
    views: tuple[str, ...] = Field(description="Names of the views.")
    members: int = Field(description="Dimensions and measures of all of them.")
    policies: int = Field(description="Access policies of all of them.")
    skipped: tuple[str, ...] = Field(default=(), description="What could not be said in Cube, and why.")
    seconds: float = Field(description="From the offer of the bundle to Cube's answer.")


class SemanticSyncFailed(EnvironmentEvent):
    """Cube does not serve the bundle that it was offered; what it served before stays."""

    kind = EventKind.SEMANTIC_SYNC_FAILED

    artifact_digest: str = Field(description="Digest of the artifact that the bundle was rendered from.")
    bundle_digest: str = Field(description="Digest of the bundle that is not served.")
    serving_bundle_digest: str | None = Field(default=None, description="The bundle that stays; None if there is none.")
    problems: tuple[Problem, ...] = Field(description="Why: what Cube said, or what its answer lacks.")


class SemanticWithdrawn(EnvironmentEvent):
    """The product is served no longer: it was retired, or says that Cube is not to serve it."""

    kind = EventKind.SEMANTIC_WITHDRAWN

    bundle_digest: str | None = Field(default=None, description="The bundle that was served; None if none was.")
