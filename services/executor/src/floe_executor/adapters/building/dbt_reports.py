"""dbt's log events as reports of nodes, and what they say about a failed build."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from floe_contracts.errors import Where
from floe_dbt.events import NodeDetailed, NodeExplained, NodeFinished, NodeSkipped, NodeStarted, node_event
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeReport, NodeStatus

_FILE: Final = re.compile(r"\(([^()\s]+\.(?:sql|yml|yaml|csv|py))\)")
_SHOWN_LINE: Final = re.compile(r"^\s*LINE \d+: (.*)$", re.MULTILINE)
_WHOLE: Final = frozenset({"seed", "table"})
"""What is written anew: the rows that the warehouse counted are all that there are."""
_JINJA: Final = re.compile(r"\{[{%#]")


class ReportReader:
    """Reads the events of one build, in their order."""

    def __init__(self, project: str, folder: Path) -> None:
        """Read the events of a project.

        Args:
            project: the project's folder as it is called in the product.
            folder: where it stands on disk.
        """
        self._project = project
        self._folder = folder
        self._failed: dict[str, NodeDone] = {}
        self._details: dict[str, NodeDetailed] = {}

    def read(self, raw: Mapping[str, Any]) -> NodeReport | None:
        """The report that an event makes, if it makes one."""
        event = node_event(raw)
        if isinstance(event, NodeStarted):
            return NodeBegan(event.unique_id, event.at)
        if isinstance(event, NodeSkipped):
            return NodeDone(event.unique_id, event.at, NodeStatus.SKIPPED, 0.0, event.message)
        if isinstance(event, NodeDetailed):
            self._details[event.unique_id] = event
        if isinstance(event, NodeFinished):
            done = _done(event, self._details.pop(event.unique_id, None))
            if done.status is NodeStatus.FAILED:
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
        """The file that dbt names for a failed node, and the line in it that the warehouse complains of."""
        message = node.message or ""
        file, shown = _FILE.search(message), _SHOWN_LINE.search(message)
        if file is None:
            return None
        place = f"{self._project}/{file[1]}" if self._project != "." else file[1]
        return Where(place, self._line(file[1], shown[1]) if shown else None)

    def _line(self, file: str, shown: str) -> int | None:
        """The one line of the file that begins as the shown line of the compiled SQL does."""
        try:
            lines = (self._folder / file).read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        compiled = " ".join(shown.split())
        written = [" ".join(_JINJA.split(line, maxsplit=1)[0].split()) for line in lines]
        found = [number for number, start in enumerate(written, start=1) if start and compiled.startswith(start)]
        return found[0] if len(found) == 1 else None


def _done(event: NodeFinished, details: NodeDetailed | None) -> NodeDone:
    """The end of a node: what dbt's line says, and what a forked dbt has told just before."""
    status = NodeStatus(event.status.value)
    message = event.message if status in {NodeStatus.FAILED, NodeStatus.WARNED} else None
    rows = details.rows if details else None
    if rows is None and event.materialized in _WHOLE:
        rows = event.rows_affected
    return NodeDone(
        event.unique_id,
        event.at,
        status,
        event.seconds,
        message=(details.message if details and status is NodeStatus.FAILED else None) or message,
        rows=rows,
        failures=event.failures,
        columns=details.columns if details else (),
        compiled_code=details.compiled_code if details else None,
        query=details.query if details else None,
    )
