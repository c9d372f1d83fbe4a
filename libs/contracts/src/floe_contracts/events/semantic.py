"""What is served by Cube."""

from __future__ import annotations

from pydantic import Field

from floe_contracts.events.scopes import EnvironmentEvent, Problem
from floe_contracts.subjects import EventKind


class SemanticRendered(EnvironmentEvent):
    """The Cube bundle of an artifact is in the blob store."""

    kind = EventKind.SEMANTIC_RENDERED

    artifact_digest: str = Field(description="Digest of the artifact that was rendered.")
    bundle_digest: str = Field(description="Digest of the Cube bundle.")
    cubes: tuple[str, ...] = Field(description="Names of the cubes in the bundle.")
    views: tuple[str, ...] = Field(description="Names of the views in the bundle.")
    skipped: tuple[str, ...] = Field(description="What could not be said in Cube, and why; one sentence each.")


class SemanticFailed(EnvironmentEvent):
    """The artifact could not be rendered for Cube."""

    kind = EventKind.SEMANTIC_FAILED

    artifact_digest: str = Field(description="Digest of the artifact that could not be rendered.")
    problems: tuple[Problem, ...] = Field(description="Why.")
