"""The object that `floe run --json` prints."""

from __future__ import annotations

from typing import Any

from floe_cli.follow.progress import Progress, RunEnded
from floe_contracts.events import (
    NodeOutcome,
    RunCancelled,
    RunSeconds,
    RunSuperseded,
    SemanticRendered,
    SemanticSynced,
)


def result_document(progress: Progress, *, tenant: str, environment: str, product: str, total: float) -> dict[str, Any]:
    """What happened, as one JSON object; a part that did not come about is null or empty."""
    outcome = progress.outcome
    compiled = progress.compiled
    nodes: tuple[NodeOutcome, ...] = getattr(outcome, "nodes", ())
    seconds: RunSeconds | None = getattr(outcome, "seconds", None)
    return {
        "tenant": tenant,
        "environment": environment,
        "product": product,
        "source_digest": compiled.artifact["sources"]["bundle"] if compiled else None,
        "artifact_digest": compiled.artifact_digest if compiled else outcome.artifact_digest if outcome else None,
        "run_id": progress.run_id,
        "status": status_of(outcome) if outcome else "rejected",
        "partition": outcome.partition if outcome else None,
        "reason": reason_of(outcome) if outcome else None,
        "nodes": [node.model_dump() for node in nodes],
        "tables": [
            table.model_dump(include={"identifier", "snapshot_id", "rows", "mode"})
            for table in getattr(outcome, "tables", ())
        ],
        "lineage_events": getattr(outcome, "lineage_events", 0),
        "cube_bundle_digest": progress.rendered.bundle_digest
        if isinstance(progress.rendered, SemanticRendered)
        else None,
        "cube_skipped": list(getattr(progress.rendered, "skipped", ())),
        "cube_outcome": progress.cube.outcome if progress.cube else None,
        "cube_serves": _cube_serves(progress),
        "cube_serving": progress.cube.serving if progress.cube else None,
        "problems": [problem.model_dump(exclude_none=True) for problem in _problems(progress)],
        "seconds": {
            "compile": compiled.seconds if compiled else None,
            "run": seconds.run if seconds else None,
            "land": seconds.land if seconds else None,
            "total": round(total, 3),
        },
    }


def status_of(outcome: RunEnded) -> str:
    """completed, failed, cancelled or superseded."""
    return outcome.kind.value.partition(".")[2]


def reason_of(outcome: RunEnded) -> str | None:
    """Why a run ended that somebody or something else ended."""
    if isinstance(outcome, RunCancelled):
        return f"{outcome.requester}: {outcome.reason}"
    return f"the run {outcome.by} took its place" if isinstance(outcome, RunSuperseded) else None


def _cube_serves(progress: Progress) -> bool | None:
    """Whether Cube serves the bundle of the run; None where it has not said."""
    if progress.cube is not None:
        return {"served": True, "refused": False}.get(progress.cube.outcome)
    return isinstance(progress.synced, SemanticSynced) if progress.synced else None


def _problems(progress: Progress) -> tuple[Any, ...]:
    for part in (progress.rejected, progress.outcome, progress.rendered, progress.cube, progress.synced):
        found: tuple[Any, ...] = getattr(part, "problems", ())
        if found:
            return found
    return ()
