"""What a run needs from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Node, NodeGraph
from floe_contracts.runs import RunRecord
from floe_executor.core.landed_table import Landed
from floe_executor.core.landing_journal import StagedNode
from floe_executor.core.node_reports import NodeReport


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build: all of a project, or what a selection says of it.

    Attributes:
        record: of the run; `options.partition` is the key of the partition that is built.
        project: folder of dbt_project.yml.
        arguments: what `dbt build` gets beside profile and target: selection, full refresh, variables.
        selected: ids of the nodes and tests that are built, where exactly these are; None: as `arguments` say.
    """

    record: RunRecord
    artifact: CompiledArtifacts
    environment: CompiledEnvironment
    graph: NodeGraph
    manifest: Mapping[str, Any]
    project: Path
    arguments: tuple[str, ...] = ()
    selected: frozenset[str] | None = None


class Builder(Protocol):
    """Builds dbt projects."""

    async def build(self, request: BuildRequest, on_report: Callable[[NodeReport], None]) -> None:
        """Build, and tell each report while dbt works, on the event loop.

        Cancelling this ends dbt and all its children.

        Raises:
            DbtBuildFailed: nodes failed.
            DbtRefused: dbt did not begin.
            DbtDied: the process ended without an answer.
        """
        ...

    async def landed(self, request: BuildRequest, tables: Sequence[LandedTable]) -> None:
        """Note what the tables of the build became, for people who look at it; never fails."""
        ...


class Lander(Protocol):
    """Lands the tables of a warehouse file."""

    async def stage(self, request: BuildRequest, nodes: Sequence[Node]) -> tuple[StagedNode, ...]:
        """Write the rows of every node to where its table lives; no table changes yet.

        What was written is removed again if this fails or is cancelled. What an earlier attempt of the run has left is
        removed first.
        """
        ...

    async def switch(
        self, request: BuildRequest, staged: StagedNode, *, token: int, fence: Callable[[], None]
    ) -> Landed:
        """Make the staged rows the table's current snapshot, once, whoever asks how often."""
        ...

    async def discard(self, request: BuildRequest, staged: StagedNode) -> None:
        """Remove staged rows that will not be switched; those that a snapshot holds stay. May be repeated."""
        ...


class LaunchState(StrEnum):
    """What has become of a process that was launched."""

    ABSENT = "absent"
    """None was launched for the attempt, or nothing is known of it any more."""
    ACTIVE = "active"
    """It waits for its machine, or works."""
    ENDED = "ended"
    """It came to its end, or never can begin."""


@dataclass(frozen=True, slots=True)
class Launch:
    """The state of a launched process, and in one sentence why it ended, if that is known."""

    state: LaunchState
    reason: str | None = None


class Launcher(Protocol):
    """Starts a process of its own for each attempt of a run, elsewhere: `python -m floe_executor.run_one <run key>`.

    That process takes the lease of the run's place, makes one attempt and ends. An executor without a launcher works
    on its runs itself.
    """

    async def launch(self, record: RunRecord) -> None:
        """Start the process of the next attempt, `record.attempt + 1`; asked again, it is still one process.

        Raises:
            Transient: it could not be started at the moment.
            Permanent: it can never be.
        """
        ...

    async def state(self, record: RunRecord) -> Launch:
        """What has become of the process of the next attempt, `record.attempt + 1`.

        Raises:
            Transient: nobody answers.
        """
        ...

    async def end(self, record: RunRecord) -> None:
        """End every process of the run and remove what is left of them; none is fine too.

        Raises:
            Transient: nobody answers.
        """
        ...
