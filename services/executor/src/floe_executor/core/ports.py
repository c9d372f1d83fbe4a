"""What a run needs from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.events import LandedTable
from floe_contracts.nodes import Node
from floe_contracts.runs import RunRecord
from floe_executor.core.landing_journal import StagedNode
from floe_executor.core.lineage import Columns
from floe_executor.core.node_reports import NodeReport


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One dbt build."""

    record: RunRecord
    artifact: CompiledArtifacts
    environment: CompiledEnvironment
    manifest: Mapping[str, Any]
    project: Path
    """Folder of dbt_project.yml."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A table after its switch, and its columns."""

    table: LandedTable
    columns: Columns


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


class Lander(Protocol):
    """Lands the tables of a warehouse file."""

    async def stage(self, request: BuildRequest, nodes: Sequence[Node]) -> tuple[StagedNode, ...]:
        """Write the rows of every node to where its table lives; no table changes yet."""
        ...

    async def switch(
        self, request: BuildRequest, staged: StagedNode, *, token: int, fence: Callable[[], None]
    ) -> Landed:
        """Make the staged rows the table's current snapshot, once, whoever asks how often."""
        ...
