"""The progress as plain lines: for logs, pipes and terminals that cannot redraw."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from floe_cli.follow.progress import Progress, StageName, StageStatus
from floe_contracts.digests import short
from floe_contracts.events import SemanticRendered, SemanticSynced

_ENDED: Final = frozenset({"success", "warned", "failed", "skipped", "aborted"})


class PlainView:
    """Writes a line for each thing that happened."""

    def __init__(self, write: Callable[[str], None], first: Progress | None = None) -> None:
        """Begin with `first`; left out, with a product that is compiled."""
        self._write = write
        self._started = time.monotonic()
        self._before = first or Progress()

    def __call__(self, progress: Progress) -> None:
        """Write what is new since the last call."""
        before, self._before = self._before, progress
        for stage, status in progress.stages.items():
            if status is not before.stages[stage]:
                self._line(f"{stage:8} {status}{self._detail(progress, stage, status)}")
        for unique_id, node in progress.nodes.items():
            earlier = before.nodes.get(unique_id)
            if node.status in _ENDED and (earlier is None or earlier.status not in _ENDED):
                self._line(f"  {node.status:8} {unique_id} {node.seconds:.2f} s")
        if progress.synced is not None and progress.synced is not before.synced:
            outcome = "served" if isinstance(progress.synced, SemanticSynced) else "refused"
            self._line(f"  {outcome:8} bundle {short(progress.synced.bundle_digest)} by Cube")
        for table in progress.landed[len(before.landed) :]:
            self._line(f"  landed   {table}")

    def _detail(self, progress: Progress, stage: StageName, status: StageStatus) -> str:
        if status is not StageStatus.DONE:
            return ""
        if stage is StageName.COMPILE and progress.compiled:
            return f": artifact {short(progress.compiled.artifact_digest)}"
        if stage is StageName.LINEAGE:
            return f": {progress.lineage_events} events"
        if stage is StageName.RENDER and isinstance(progress.rendered, SemanticRendered):
            return f": bundle {short(progress.rendered.bundle_digest)}"
        return ""

    def _line(self, text: str) -> None:
        self._write(f"{time.monotonic() - self._started:6.2f} s  {text}")
