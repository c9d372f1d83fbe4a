"""The progress as a picture that redraws itself, on a terminal."""

from __future__ import annotations

import time
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from floe_cli.follow.progress import NodeProgress, Progress, StageName, StageStatus
from floe_contracts.digests import short
from floe_contracts.events import SemanticRendered, SemanticSynced

_MARKS: Final = {
    StageStatus.WAITING: ("·", "dim"),
    StageStatus.QUEUED: ("·", "cyan"),
    StageStatus.RUNNING: ("▸", "cyan"),
    StageStatus.DONE: ("✓", "green"),
    StageStatus.FAILED: ("✗", "red"),
    StageStatus.CANCELLED: ("○", "yellow"),
}
_TITLES: Final = {
    StageName.COMPILE: "compile   floe.yaml + dbt -> artifact",
    StageName.BUILD: "build     dbt under Dagster on DuckDB",
    StageName.LAND: "land      Iceberg tables",
    StageName.LINEAGE: "lineage   OpenLineage events",
    StageName.RENDER: "render    Cube bundle",
}
_RUNNING_SHOWN: Final = 4


class LiveView:
    """Shows the stages, and the nodes that run at the moment. A context: it redraws until it is left."""

    def __init__(self, console: Console, first: Progress | None = None) -> None:
        """Begin with `first`; left out, with a product that is compiled."""
        self._progress = first or Progress()
        self._started = time.monotonic()
        self._ends: dict[StageName, float] = {}
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._picture)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show the new progress."""
        for stage, status in progress.stages.items():
            if status in (StageStatus.DONE, StageStatus.FAILED, StageStatus.CANCELLED):
                self._ends.setdefault(stage, time.monotonic() - self._started)
        self._progress = progress

    def _picture(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        for stage, status in self._progress.stages.items():
            mark, style = _MARKS[status]
            end = self._ends.get(stage)
            elapsed = time.monotonic() - self._started if status is StageStatus.RUNNING else end
            grid.add_row(
                Text(mark, style=style),
                Text(_TITLES[stage], style="" if status is not StageStatus.WAITING else "dim"),
                Text(self._detail(stage), style="bold" if status is StageStatus.DONE else ""),
                Text(f"{elapsed:5.1f} s" if elapsed is not None else "", style="dim"),
            )
        running = [node for node in self._progress.nodes.values() if node.status == "running"]
        return Group(grid, *(self._node(node) for node in running[:_RUNNING_SHOWN]))

    def _detail(self, stage: StageName) -> str:
        progress = self._progress
        if stage is StageName.COMPILE:
            return f"artifact {short(progress.compiled.artifact_digest)}" if progress.compiled else ""
        if stage is StageName.BUILD:
            ended = sum(node.status != "running" for node in progress.nodes.values())
            again = f", attempt {progress.attempt}" if progress.attempt > 1 else ""
            waiting = "queued" if progress.stages[stage] is StageStatus.QUEUED else ""
            return f"{ended} nodes{again}" if progress.nodes else waiting
        if stage is StageName.LAND:
            return f"{len(progress.landed)} tables" if progress.landed else ""
        if stage is StageName.LINEAGE:
            return f"{progress.lineage_events} events" if progress.lineage_events else ""
        rendered = progress.rendered
        return (
            f"bundle {short(rendered.bundle_digest)}{self._synced()}" if isinstance(rendered, SemanticRendered) else ""
        )

    def _synced(self) -> str:
        synced = self._progress.synced
        if synced is None:
            return ""
        return ", served by Cube" if isinstance(synced, SemanticSynced) else ", refused by Cube"

    def _node(self, node: NodeProgress) -> Text:
        return Text(f"     {node.unique_id}", style="cyan")
