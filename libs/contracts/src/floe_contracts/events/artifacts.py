"""What became of a submission."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from floe_contracts.events.scopes import Problem, ProductEvent, SourceReference
from floe_contracts.governance.reports import EnforcementSummary
from floe_contracts.plans import Plan
from floe_contracts.subjects import EventKind


class ArtifactCompiled(ProductEvent):
    """A submission was compiled; carries the artifact itself."""

    kind = EventKind.ARTIFACT_COMPILED

    submission: str = Field(description="The submission that was compiled.")
    artifact_digest: str = Field(description="Digest of the artifact.")
    artifact: dict[str, Any] = Field(description="The CompiledArtifacts document; its canonical JSON has the digest.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    seconds: float = Field(description="Time that compiling took.")
    plan: Plan | None = Field(default=None, description="What it changes; a summary, if the whole is too long.")
    plan_digest: str | None = Field(default=None, description="Digest of the whole plan.")
    enforcement: EnforcementSummary | None = Field(default=None, description="What the rules of governance found.")


class ArtifactPlanned(ProductEvent):
    """A dry run was compiled. Nobody builds from it."""

    kind = EventKind.ARTIFACT_PLANNED

    submission: str = Field(description="The submission that was planned.")
    artifact_digest: str = Field(description="Digest that the artifact would have.")
    plan: Plan = Field(description="What it would change; a summary, if the whole is too long.")
    plan_digest: str = Field(description="Digest of the whole plan.")
    enforcement: EnforcementSummary | None = Field(default=None, description="What the rules of governance found.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    seconds: float = Field(description="Time that compiling took.")


class ArtifactRejected(ProductEvent):
    """A submission was refused."""

    kind = EventKind.ARTIFACT_REJECTED

    submission: str = Field(description="The submission that was refused.")
    stage: str = Field(description="The stage of the compiler that refused.")
    problems: tuple[Problem, ...] = Field(description="Why.")
    source: SourceReference | None = Field(default=None, description="Where the submission came from.")
    dry_run: bool = Field(default=False, description="Whether it was only to be planned.")
    enforcement: EnforcementSummary | None = Field(default=None, description="What the rules of governance found.")


class ArtifactRetired(ProductEvent):
    """A product is gone from its repository. What it built stays; nothing more is built of it."""

    kind = EventKind.ARTIFACT_RETIRED

    submission: str = Field(description="The commit that it is gone with; zeros where its ref is gone.")
    reason: str = Field(description="removed, renamed or ref-deleted.")
    artifact_digest: str | None = Field(default=None, description="Digest of the last artifact of the product.")
    source: SourceReference | None = Field(default=None, description="Where it was.")
