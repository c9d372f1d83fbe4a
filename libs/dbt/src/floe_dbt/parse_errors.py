"""What dbt says when it cannot parse a project, as an error with a place and without stack or absolute paths."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from floe_contracts.errors import Where
from floe_dbt.errors import DbtParseFailed

_FAILURE: Final = "MainEncounteredError"
_PREFIX: Final = "Encountered an error:"
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_CLOCK: Final = re.compile(r"^\d\d:\d\d:\d\d\s+")
_ABSOLUTE_PATH: Final = re.compile(r"(?<![\w.:/<])/(?:[\w.@+-]+/)+(?=[\w.@+-])")
_FILE_IN_BRACKETS: Final = re.compile(r"\(((?:[\w.@+ -]+/)*[\w.@+ -]+\.(?:sql|yml|yaml|csv|py|md))(?:, line \d+)?\)")
_FILE: Final = re.compile(
    r"(?:Error reading [\w.-]+: |schema file at |in |encountered in |^)((?:[\w.@+-]+/)*[\w.@+-]+\.ya?ml)"
)
_LINE: Final = re.compile(r"\bline (\d+)")
_ENV_VAR: Final = re.compile(r"(?:Env var required but not provided: |Found )'(\w+)'")
_TEMPLATES: Final = ("*.sql", "*.yml", "*.yaml", "*.py", "*.md")


def parse_failure(lines: Sequence[str], *, folders: Sequence[Path]) -> DbtParseFailed:
    """The error that dbt's output tells of.

    Args:
        lines: dbt's output with structured log lines; plain ones when it failed before its log was set up.
        folders: what paths are told relative to, the project's folder first.
    """
    project_dir = folders[0]
    message = _relative(_failure(lines), folders)
    variable = _ENV_VAR.search(message)
    if variable:
        where = _where_used(variable[1], project_dir)
        hint = "a project sees no environment variables but floe's own; use vars of dbt_project.yml instead"
        return DbtParseFailed(message, where=where, hint=hint)
    return DbtParseFailed(message, where=_where(message, project_dir), hint=_hint(message))


def parse_warnings(lines: Iterable[str], *, folders: Sequence[Path]) -> tuple[str, ...]:
    """What dbt warned of while it parsed a project without errors."""
    events = [event for event in _events(lines) if event["info"].get("level") == "warn"]
    return tuple(_relative(_clean(event["info"]["msg"]), folders) for event in events)


def _relative(message: str, folders: Sequence[Path]) -> str:
    """`message` with paths relative to `folders`, and without the folders of all others."""
    for folder in folders:
        for spelled in (folder, folder.resolve()):
            message = message.replace(f"{spelled}/", "")
    return _ABSOLUTE_PATH.sub("", message)


def _failure(lines: Sequence[str]) -> str:
    told = [_clean(event["info"]["msg"]) for event in _events(lines) if event["info"].get("name") == _FAILURE]
    if told:
        return told[0].removeprefix(_PREFIX).strip()
    plain = [_COLOUR.sub("", line) for line in lines if not line.startswith("{")]
    start = next((number for number, line in enumerate(plain) if _PREFIX in line), None)
    if start is None:
        return "\n".join(plain).strip() or "dbt failed and did not say why"
    following = plain[start + 1 :]
    end = next((number for number, line in enumerate(following) if _CLOCK.match(line)), len(following))
    return "\n".join(line.rstrip() for line in following[:end]).strip()


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("info"), dict):
            yield event


def _clean(message: str) -> str:
    return "\n".join(line.rstrip() for line in _COLOUR.sub("", message).strip().splitlines())


def _where(message: str, project_dir: Path) -> Where | None:
    named = _FILE_IN_BRACKETS.search(message) or _FILE.search(message)
    file = _in_project(named[1], project_dir) if named else None
    if file is None and "dbt_project.yml" not in message and message.startswith("Runtime Error\n  Syntax error"):
        file = "dbt_project.yml"
    if file is None:
        return None
    line = _LINE.search(message)
    return Where(file=file, line=int(line[1]) if line else None)


def _in_project(name: str, project_dir: Path) -> str:
    """`name` from the project's folder; dbt gives some paths from the models' folder only."""
    if (project_dir / name).is_file():
        return name
    found = sorted(path for path in project_dir.rglob(Path(name).name) if str(path).endswith(f"/{name}"))
    return str(found[0].relative_to(project_dir)) if len(found) == 1 else name


def _where_used(variable: str, project_dir: Path) -> Where | None:
    """The first line that asks for an environment variable: dbt does not say which file does.

    A line that asks without a default goes before one that has a default.
    """
    asked = re.compile(rf"env_var\(\s*['\"]{variable}['\"]\s*\)")
    found: Where | None = None
    for pattern in _TEMPLATES:
        for path in sorted(project_dir.rglob(pattern)):
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
                if variable in line and "env_var" in line:
                    where = Where(file=str(path.relative_to(project_dir)), line=number)
                    if asked.search(line):
                        return where
                    found = found or where
    return found


def _hint(message: str) -> str | None:
    if "dbt deps" in message:
        return "commit all of the folder dbt_packages, or none of it and package-lock.yml"
    return None
