"""A part of a build that one child makes: a phase of dbt, or one of Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from floe_contracts.errors import Where
from floe_executor.adapters.building.dbt_process import DbtProcess
from floe_executor.adapters.building.dbt_reports import ReportReader
from floe_executor.adapters.building.python_process import PythonProcess
from floe_executor.core.node_reports import NodeDone, NodeReport


class BuildPart(Protocol):
    """A child at work. `told` and `wait` are called by one thread, `kill` may be by another."""

    def told(self) -> Iterator[NodeReport | str]:
        """Reports of nodes and lines for the log, while it works."""
        ...

    def wait(self) -> int:
        """How it ended: 0, 1 where nodes failed, 2 where dbt refused; anything else is no outcome."""
        ...

    def kill(self) -> None:
        """End it, and everything that it started."""
        ...

    def failed(self) -> tuple[NodeDone, ...]:
        """The nodes that failed, with why."""
        ...

    def where_of(self, node: NodeDone) -> Where | None:
        """The place in the product that is to blame for a failed node."""
        ...

    def last_words(self) -> str:
        """The last lines that tell of errors."""
        ...


class DbtPart:
    """A dbt process."""

    def __init__(self, process: DbtProcess, reader: ReportReader) -> None:
        self._process = process
        self._reader = reader

    def told(self) -> Iterator[NodeReport | str]:
        for raw in self._process.events():
            yield f"{raw['info'].get('ts', '')[11:19]}  {raw['info'].get('msg', '')}"
            report = self._reader.read(raw)
            if report is not None:
                yield report

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> None:
        self._process.kill()

    def failed(self) -> tuple[NodeDone, ...]:
        return self._reader.failed()

    def where_of(self, node: NodeDone) -> Where | None:
        return self._reader.where_of(node)

    def last_words(self) -> str:
        return self._process.last_words()


class PythonPart:
    """The Python transforms of a phase."""

    def __init__(self, process: PythonProcess) -> None:
        self._process = process

    def told(self) -> Iterator[NodeReport | str]:
        yield from self._process.events()
        words = self._process.last_words()
        if words:
            yield words

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> None:
        self._process.kill()

    def failed(self) -> tuple[NodeDone, ...]:
        return self._process.failed()

    def where_of(self, node: NodeDone) -> Where | None:
        return self._process.where_of(node)

    def last_words(self) -> str:
        return self._process.last_words()
