"""How a build ended, and the error that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from floe_contracts.errors import Where
from floe_dbt.child_limits import is_out_of_memory
from floe_dbt.errors import DbtDied, DbtOutOfMemory, DbtWarehouseUnreachable
from floe_dbt.transient_failures import is_transient
from floe_executor.core.node_reports import NodeDone
from floe_executor.errors import DbtBuildFailed, DbtRefused

_ENDED_BY_ITSELF: Final = (0, 1, 2)
_MORE_MEMORY: Final = (
    "give the compute a lower memory_limit, so that DuckDB uses its disk, "
    "or the dbt process more by FLOE_EXECUTOR_CHILD_MEMORY"
)
_NOT_THERE: Final = "see whether the warehouse runs, and whether it can be reached from here"


@dataclass(frozen=True, slots=True)
class BuildEnd:
    """What is left of a build.

    Attributes:
        returncode: 0, 1 where nodes failed, 2 where dbt refused; anything else is no outcome.
        failed: the nodes that failed, and the place in the product that is to blame.
        words: the last lines that tell of errors.
    """

    returncode: int
    failed: tuple[tuple[NodeDone, Where | None], ...]
    words: str

    def check(self, *, adapter: str) -> None:
        """Tell how it ended.

        Args:
            adapter: dbt's adapter, whose words for a warehouse that is not there are looked for.

        Raises:
            DbtDied: the process was killed.
            DbtOutOfMemory: nodes failed, or dbt did, for want of memory.
            DbtWarehouseUnreachable: the warehouse did not answer, and nothing else failed.
            DbtBuildFailed: nodes failed.
            DbtRefused: dbt did not come to any node.
        """
        if self.returncode not in _ENDED_BY_ITSELF:
            if is_out_of_memory(self.words):
                raise DbtOutOfMemory(f"dbt was short of memory and broke down: {self.words}", hint=_MORE_MEMORY)
            raise DbtDied(
                f"the build ended with the code {self.returncode} and without an outcome: {self.words}".strip(": ")
            )
        if self.failed:
            self._nodes_failed(adapter)
        if self.returncode and is_transient(self.words, adapter):
            raise DbtWarehouseUnreachable(f"dbt did not come to any node: {self.words}", hint=_NOT_THERE)
        if self.returncode:
            raise DbtRefused(f"the project was not built: {self.words or 'dbt does not say why'}")

    def _nodes_failed(self, adapter: str) -> None:
        messages = [node.message or "" for node, _ in self.failed]
        shown = "\n".join(f"{node.unique_id}: {node.message or 'failed'}" for node, _ in self.failed)
        short = [where for node, where in self.failed if is_out_of_memory(node.message or "")]
        if short:
            raise DbtOutOfMemory(shown, where=short[0], hint=_MORE_MEMORY)
        if all(is_transient(message, adapter) for message in messages):
            raise DbtWarehouseUnreachable(shown, hint=_NOT_THERE)
        raise DbtBuildFailed(
            f"{len(messages)} node{'s' if len(messages) > 1 else ''} failed\n{shown}",
            where=self.failed[0][1],
            hint="mend the model or the data, and run again; nothing was landed",
        )
