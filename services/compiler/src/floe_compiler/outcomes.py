"""What is announced of a submission that could be compiled."""

from __future__ import annotations

from floe_compiler.errors import PlanBaseUnknown
from floe_compiler.planning import Planned
from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.digests import short
from floe_contracts.events import (
    LATEST,
    ArtifactCompiled,
    ArtifactPlanned,
    ArtifactRejected,
    SpecSubmitted,
)
from floe_contracts.governance.reports import EnforcementSummary


def planned_or_compiled(
    submitted: SpecSubmitted,
    artifact: CompiledArtifacts,
    planned: Planned | None,
    enforcement: EnforcementSummary | None,
    *,
    seconds: float,
) -> ArtifactCompiled | ArtifactPlanned:
    """The plan alone for a dry run; else the artifact, with its plan where there is one.

    Raises:
        PlanBaseUnknown: a dry run without a plan; it is never announced as compiled.
    """
    if submitted.dry_run:
        if planned is None:
            raise PlanBaseUnknown("there is nothing to compare the dry run with")
        return ArtifactPlanned(
            tenant=submitted.tenant,
            product=submitted.product,
            submission=submitted.submission,
            source=submitted.source,
            artifact_digest=artifact.digest(),
            plan=planned.plan,
            plan_digest=planned.digest,
            enforcement=enforcement,
            seconds=seconds,
        )
    return ArtifactCompiled(
        tenant=submitted.tenant,
        product=submitted.product,
        submission=submitted.submission,
        source=submitted.source,
        artifact_digest=artifact.digest(),
        artifact=artifact.to_document(),
        seconds=seconds,
        plan=planned.plan if planned else None,
        plan_digest=planned.digest if planned else None,
        enforcement=enforcement,
    )


def outcome_id(submitted: SpecSubmitted, outcome: ArtifactCompiled | ArtifactPlanned | ArtifactRejected) -> str:
    """The id of the event: the same for the same outcome of the same submission; a dry run has ids of its own."""
    if isinstance(outcome, ArtifactRejected):
        # Other sources under the same name may be refused for other reasons.
        result = f"{short(submitted.bundle)}:rejected"
    else:
        result = short(outcome.artifact_digest)
    dry = f":plan:{submitted.against or LATEST}" if submitted.dry_run else ""
    return f"{submitted.product}:{submitted.submission}:{result}{dry}"
