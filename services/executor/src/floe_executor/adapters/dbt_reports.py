"""dbt's log events as reports of nodes, and what they say about a failed build."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from floe_contracts.errors import Where
from floe_dbt.events import NodeExplained, NodeFinished, NodeSkipped, NodeStarted, node_event
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeReport, NodeStatus

_FILE: Final = re.compile(r"\(([^()\s]+\.(?:sql|yml|yaml|csv|py))\)")
_LINE: Final = re.compile(r"^\s*(?:LINE|line) (\d+)", re.MULTILINE)


class ReportReader:
    """Reads the events of one build, in their order."""

    def __init__(self, project: str) -> None:
        """Read the events of the project in the folder `project`, as it is called in the product."""
        self._project = project
        self._failed: dict[str, NodeDone] = {}

    def read(self, raw: Mapping[str, Any]) -> NodeReport | None:
        """The report that an event makes, if it makes one."""
        event = node_event(raw)
        if isinstance(event, NodeStarted):
            return NodeBegan(event.unique_id, event.at)
        if isinstance(event, NodeSkipped):
            return NodeDone(event.unique_id, event.at, NodeStatus.SKIPPED, 0.0, event.message)
        if isinstance(event, NodeFinished):
            status = NodeStatus(event.status.value)
            message = event.message if status in {NodeStatus.FAILED, NodeStatus.WARNED} else None
            done = NodeDone(event.unique_id, event.at, status, event.seconds, message)
            if status is NodeStatus.FAILED:
                self._failed[event.unique_id] = done
            return done
        if isinstance(event, NodeExplained) and event.unique_id in self._failed:
            failed = self._failed[event.unique_id]
            self._failed[event.unique_id] = replace(failed, message=event.text)
        return None

    def failed(self) -> tuple[NodeDone, ...]:
        """The nodes that failed, with dbt's explanations once they came."""
        return tuple(self._failed.values())

    def where_of(self, node: NodeDone) -> Where | None:
        """The file, and the line of its compiled SQL, that dbt names for a failed node."""
        message = node.message or ""
        file, line = _FILE.search(message), _LINE.search(message)
        if file is None:
            return None
        place = f"{self._project}/{file[1]}" if self._project != "." else file[1]
        return Where(place, int(line[1]) if line else None)
