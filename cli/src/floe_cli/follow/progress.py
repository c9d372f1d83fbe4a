"""What has happened so far, folded from events. Pure: every event makes the next state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from floe_cli.semantic.run_waiting import CubeAnswer
from floe_contracts.events import (
    ArtifactCompiled,
    ArtifactPlanned,
    ArtifactRejected,
    Event,
    NodeCompleted,
    NodeEnded,
    NodeFailed,
    NodeStarted,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunStarted,
    RunSuperseded,
    SemanticFailed,
    SemanticRendered,
    SemanticSynced,
    SemanticSyncFailed,
    TableCommitted,
)

RunEnded = RunCompleted | RunFailed | RunCancelled | RunSuperseded
"""How a run can end."""
_FAILED: Final = NodeFailed.kind.value.split(".")[1]
_RUNNING: Final = "running"
_ABORTED: Final = "aborted"
"""Of a node whose run ended first; its lineage says the same."""


class StageName(StrEnum):
    """The stages that a person follows, in their order."""

    COMPILE = "compile"
    BUILD = "build"
    LAND = "land"
    LINEAGE = "lineage"
    RENDER = "render"


class StageStatus(StrEnum):
    """How far a stage is."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """A dbt node."""

    unique_id: str
    status: str
    seconds: float = 0.0
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """One run as it is seen from outside."""

    stages: dict[StageName, StageStatus] = field(
        default_factory=lambda: dict.fromkeys(StageName, StageStatus.WAITING) | {StageName.COMPILE: StageStatus.RUNNING}
    )
    compiled: ArtifactCompiled | None = None
    planned: ArtifactPlanned | None = None
    rejected: ArtifactRejected | None = None
    run_id: str | None = None
    attempt: int = 0
    nodes: dict[str, NodeProgress] = field(default_factory=dict)
    landed: tuple[str, ...] = ()
    committed: frozenset[tuple[str, int]] = frozenset()
    """Identifier and snapshot of the tables that the catalog has told of."""
    lineage_events: int = 0
    outcome: RunEnded | None = None
    rendered: SemanticRendered | SemanticFailed | None = None
    synced: SemanticSynced | SemanticSyncFailed | None = None
    """What a Cube has made of the bundle, if one runs."""
    cube: CubeAnswer | None = None
    """The same once it was waited for; None if no Cube asks for it."""

    @classmethod
    def of_run(cls) -> Self:
        """The progress of a run by itself: its artifact was compiled and rendered before."""
        return cls(stages=dict.fromkeys((StageName.BUILD, StageName.LAND, StageName.LINEAGE), StageStatus.WAITING))

    def stage(self, **changes: StageStatus) -> dict[StageName, StageStatus]:
        """The stages with some of them changed."""
        return self.stages | {StageName(name): status for name, status in changes.items()}


def after(progress: Progress, event: Event) -> Progress:
    """The progress after an event that belongs to it."""
    match event:
        case ArtifactCompiled() | ArtifactPlanned() | ArtifactRejected():
            return _answered(progress, event)
        case RunQueued():
            queued = progress.stages[StageName.BUILD] is StageStatus.WAITING
            stages = progress.stage(build=StageStatus.QUEUED) if queued else progress.stages
            return replace(progress, run_id=event.run_id, stages=stages)
        case RunStarted():
            return replace(
                progress,
                run_id=event.run_id,
                attempt=event.attempt,
                stages=progress.stage(build=StageStatus.RUNNING, lineage=StageStatus.RUNNING),
            )
        case NodeStarted():
            return _with_node(progress, NodeProgress(event.unique_id, _RUNNING))
        case NodeEnded():
            status = event.status if isinstance(event, NodeCompleted) else event.kind.value.split(".")[1]
            return _with_node(progress, NodeProgress(event.unique_id, status, event.seconds, event.message))
        case TableCommitted():
            return replace(progress, committed=progress.committed | {(event.identifier, event.snapshot_id)})
        case SemanticRendered() | SemanticFailed() | SemanticSynced() | SemanticSyncFailed():
            return _served(progress, event)
        case RunSuperseded():
            return replace(progress, outcome=event, run_id=event.run_id, stages=_cancelled(progress))
        case RunCompleted() | RunFailed() | RunCancelled():
            return _ended(progress, event)
        case _:
            return progress


def after_lineage(progress: Progress, job: str, event_type: str) -> Progress:
    """The progress after an OpenLineage event of the run.

    Args:
        progress: the progress so far.
        job: name of the event's job.
        event_type: START, COMPLETE, FAIL or ABORT.
    """
    changed = replace(progress, lineage_events=progress.lineage_events + 1)
    _, marker, table = job.partition(".land.")
    if not marker:
        return changed
    new = event_type == "COMPLETE" and table not in progress.landed
    landed = (*progress.landed, table) if new else progress.landed
    stages = progress.stage(build=StageStatus.DONE, land=StageStatus.RUNNING)
    return replace(changed, landed=landed, stages=stages)


def _answered(progress: Progress, event: ArtifactCompiled | ArtifactPlanned | ArtifactRejected) -> Progress:
    if isinstance(event, ArtifactRejected):
        return replace(progress, rejected=event, stages=progress.stage(compile=StageStatus.FAILED))
    stages = progress.stage(compile=StageStatus.DONE)
    if isinstance(event, ArtifactPlanned):
        return replace(progress, planned=event, stages=stages)
    return replace(progress, compiled=event, stages=stages)


def _served(
    progress: Progress, event: SemanticRendered | SemanticFailed | SemanticSynced | SemanticSyncFailed
) -> Progress:
    if isinstance(event, SemanticSynced | SemanticSyncFailed):
        return replace(progress, synced=event)
    status = StageStatus.DONE if isinstance(event, SemanticRendered) else StageStatus.FAILED
    return replace(progress, rendered=event, stages=progress.stage(render=status))


def _with_node(progress: Progress, node: NodeProgress) -> Progress:
    stages = progress.stage(build=StageStatus.FAILED) if node.status == _FAILED else progress.stages
    return replace(progress, nodes=progress.nodes | {node.unique_id: node}, stages=stages)


def _cancelled(progress: Progress) -> dict[StageName, StageStatus]:
    """The stages of a run that ends before they have."""
    own = (StageName.BUILD, StageName.LAND, StageName.LINEAGE)
    unended = (StageStatus.WAITING, StageStatus.QUEUED, StageStatus.RUNNING)
    return {
        name: StageStatus.CANCELLED if name in own and status in unended else status
        for name, status in progress.stages.items()
    }


def _ended(progress: Progress, outcome: RunCompleted | RunFailed | RunCancelled) -> Progress:
    if isinstance(outcome, RunCancelled):
        stages = _cancelled(progress)
    elif isinstance(outcome, RunCompleted):
        stages = progress.stage(build=StageStatus.DONE, land=StageStatus.DONE, lineage=StageStatus.DONE)
    elif outcome.nodes and all(node.status != _FAILED for node in outcome.nodes):
        stages = progress.stage(build=StageStatus.DONE, land=StageStatus.FAILED, lineage=StageStatus.DONE)
    else:
        stages = progress.stage(build=StageStatus.FAILED, lineage=StageStatus.DONE)
    landed = tuple(table.identifier for table in outcome.tables)
    left = {name: replace(node, status=_ABORTED) for name, node in progress.nodes.items() if node.status == _RUNNING}
    nodes = (progress.nodes | left) | {
        node.unique_id: replace(
            progress.nodes.get(node.unique_id, NodeProgress(node.unique_id, node.status)),
            status=node.status,
            seconds=node.seconds,
        )
        for node in outcome.nodes
    }
    return replace(
        progress,
        outcome=outcome,
        run_id=outcome.run_id,
        attempt=outcome.attempt,
        stages=stages,
        landed=landed,
        nodes=nodes,
        lineage_events=outcome.lineage_events,
    )
