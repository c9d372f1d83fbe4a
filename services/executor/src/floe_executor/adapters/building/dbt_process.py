"""One `dbt build` in a child process: its folders, its events as they come, its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

_PARTIAL_PARSE: Final = "partial_parse.msgpack"
_LAST_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class DbtCommand:
    """What to run, and where.

    Attributes:
        executable: stands in for `dbt`.
        environment: all of the child's environment.
        project: folder of dbt_project.yml.
        target: folder for what this invocation writes; new for each.
        parsed: folder that keeps the partial parse between invocations.
    """

    executable: Path
    environment: Mapping[str, str]
    project: Path
    target: Path
    parsed: Path
    arguments: Sequence[str] = ("build",)

    def with_arguments(self, more: Sequence[str]) -> Self:
        """The same with more arguments."""
        return replace(self, arguments=(*self.arguments, *more))


class DbtProcess:
    """A running dbt. `kill` may be called from another thread."""

    def __init__(self, command: DbtCommand) -> None:
        self._command = command
        self._other_lines: list[str] = []
        command.target.mkdir(parents=True, exist_ok=True)
        kept = command.parsed / _PARTIAL_PARSE
        if kept.exists():
            shutil.copyfile(kept, command.target / _PARTIAL_PARSE)
        self._process = subprocess.Popen(  # noqa: S603 -- our own executable, arguments as a list
            [str(command.executable), *command.arguments],
            cwd=command.project,
            env=dict(command.environment)
            | {
                "DBT_LOG_FORMAT": "json",
                "DBT_TARGET_PATH": str(command.target),
                "DBT_LOG_PATH": str(command.target),
                "DBT_PROJECT_DIR": str(command.project),
                "PYTHONUNBUFFERED": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._lock = threading.Lock()

    def events(self) -> Iterator[dict[str, Any]]:
        """Dbt's structured log lines, while it works."""
        assert self._process.stdout is not None  # noqa: S101 -- opened as a pipe above
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                self._remember(line.decode(errors="replace").rstrip())
                continue
            if isinstance(event, dict) and "info" in event:
                if event["info"].get("level") == "error":
                    self._remember(str(event["info"].get("msg", "")).strip())
                yield event

    def wait(self) -> int:
        """Dbt's return code; the partial parse is kept if dbt came to its end by itself."""
        returncode = self._process.wait()
        made = self._command.target / _PARTIAL_PARSE
        if returncode in (0, 1) and made.exists():
            self._command.parsed.mkdir(parents=True, exist_ok=True)
            made.replace(self._command.parsed / _PARTIAL_PARSE)
        return returncode

    def kill(self) -> None:
        """End dbt and everything that it started, now."""
        with self._lock:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """The last lines that tell of errors, or were no structured log."""
        return "\n".join(line for line in self._other_lines if line)

    def _remember(self, line: str) -> None:
        self._other_lines = [*self._other_lines, line][-_LAST_LINES:]
