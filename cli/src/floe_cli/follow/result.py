"""The object that `floe run --json` prints."""

from __future__ import annotations

from typing import Any

from floe_cli.follow.progress import Progress
from floe_contracts.events import RunCompleted, SemanticRendered


def result_document(progress: Progress, *, tenant: str, environment: str, product: str, total: float) -> dict[str, Any]:
    """What happened, as one JSON object; a part that did not come about is null or empty."""
    outcome = progress.outcome
    compiled = progress.compiled
    status = "completed" if isinstance(outcome, RunCompleted) else "failed" if outcome else "rejected"
    return {
        "tenant": tenant,
        "environment": environment,
        "product": product,
        "source_digest": compiled.artifact["sources"]["bundle"] if compiled else None,
        "artifact_digest": compiled.artifact_digest if compiled else None,
        "run_id": progress.run_id,
        "status": status,
        "nodes": [node.model_dump() for node in outcome.nodes] if outcome else [],
        "tables": [table.model_dump(include={"identifier", "snapshot_id", "rows"}) for table in outcome.tables]
        if outcome
        else [],
        "lineage_events": outcome.lineage_events if outcome else 0,
        "cube_bundle_digest": progress.rendered.bundle_digest
        if isinstance(progress.rendered, SemanticRendered)
        else None,
        "problems": [problem.model_dump(exclude_none=True) for problem in _problems(progress)],
        "seconds": {
            "compile": compiled.seconds if compiled else None,
            "run": outcome.seconds.run if outcome else None,
            "land": outcome.seconds.land if outcome else None,
            "total": round(total, 3),
        },
    }


def _problems(progress: Progress) -> tuple[Any, ...]:
    for part in (progress.rejected, progress.outcome, progress.rendered):
        found: tuple[Any, ...] = getattr(part, "problems", ())
        if found:
            return found
    return ()
