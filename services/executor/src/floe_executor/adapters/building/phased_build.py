"""One build: its phases one after another, and what they tell on its way to floe and to Dagster."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from floe_contracts.errors import FloeError
from floe_contracts.nodes import NodeGraph
from floe_dbt.errors import DbtDied
from floe_executor.adapters.building.build_outcome import BuildEnd
from floe_executor.adapters.building.build_parts import BuildPart
from floe_executor.clock import now
from floe_executor.core.node_reports import NodeDone, NodeReport, NodeStatus
from floe_executor.core.phases import Phase, standing

OpenPart = Callable[[Phase], BuildPart]


class PhasedBuild:
    """A build at work.

    It does not wait for Dagster: a thread reads what its children tell, and passes the reports on at once, while
    Dagster takes all from a queue at its own pace. `kill` may be called from any thread.

    Attributes:
        told: reports, and lines for the log; None comes last, once.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        graph: NodeGraph,
        open_part: OpenPart,
        on_report: Callable[[NodeReport], object],
    ) -> None:
        """Prepare; `start` starts.

        Args:
            phases: in their order.
            graph: whose nodes are built.
            open_part: starts the child of a phase.
            on_report: takes each report, in a thread.
        """
        self.told: queue.SimpleQueue[NodeReport | str | None] = queue.SimpleQueue()
        self._phases = phases
        self._graph = graph
        self._open_part = open_part
        self._on_report = on_report
        self._ended: dict[str, NodeStatus] = {}
        self._parts: list[BuildPart] = []
        self._returncode = 0
        self._broken: BaseException | None = None
        self._killed = False
        self._lock = threading.Lock()
        self._working = threading.Thread(target=self._work, name="build", daemon=True)

    @property
    def killed(self) -> bool:
        """Whether somebody ended it."""
        return self._killed

    def start(self) -> None:
        """Start the first phase, unless the build was killed before.

        Raises:
            DbtDied: it was.
        """
        if self._killed:
            raise DbtDied("the build was ended before it began")
        self._working.start()

    def kill(self) -> None:
        """End what works and everything that it started; what has not begun will not."""
        with self._lock:
            self._killed = True
            for part in self._parts:
                part.kill()

    def failure(self) -> str | None:
        """Why it failed, in a few words, once it told None; None if it did not."""
        if self._broken is not None:
            return str(self._broken)
        failed = [node for part in self._parts for node in part.failed()]
        if failed:
            return "\n".join(f"{node.unique_id}: {node.message or 'failed'}" for node in failed)
        return f"it ended with the code {self._returncode}" if self._returncode else None

    def end(self) -> BuildEnd:
        """How it ended; waits for that.

        Raises:
            FloeError: what kept a phase from starting.
        """
        if self._working.ident is not None:
            self._working.join()
        if isinstance(self._broken, FloeError):
            raise self._broken
        failed = [(node, part.where_of(node)) for part in self._parts for node in part.failed()]
        words = self._parts[-1].last_words() if self._parts else ""
        return BuildEnd(self._returncode, tuple(failed), words if self._broken is None else str(self._broken))

    def _work(self) -> None:
        try:
            for phase in self._phases:
                if self._returncode not in (0, 1) or not self._build(phase):
                    break
        except Exception as error:  # noqa: BLE001 -- raised again by `end`
            self._broken, self._returncode = error, 2
        finally:
            self.told.put(None)

    def _build(self, phase: Phase) -> bool:
        """Build a phase; False if the build was killed."""
        left, skipped = standing(self._graph, phase, self._ended) if self._ended else (phase, ())
        for unique_id in skipped:
            self._tell(NodeDone(unique_id, now(), NodeStatus.SKIPPED, 0.0, "something that it is built from failed"))
        if left is None:
            return True
        with self._lock:
            if self._killed:
                self._returncode = self._returncode or -9
                return False
            part = self._open_part(left)
            self._parts.append(part)
        for told in part.told():
            self._tell(told)
        returncode = part.wait()
        self._returncode = returncode or self._returncode
        return True

    def _tell(self, told: NodeReport | str) -> None:
        if not isinstance(told, str):
            if isinstance(told, NodeDone) and len(self._phases) > 1:
                self._ended[told.unique_id] = told.status
            self._on_report(told)
        self.told.put(told)
