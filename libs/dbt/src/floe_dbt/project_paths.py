"""The folders that dbt_project.yml names: they stay inside of the project.

dbt takes any path there, also an absolute one, and reads what it finds into the manifest. A submission is somebody
else's document, and next to it lie those of others. So the files are read before dbt sees them: event by event,
without building their values and without recursion.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import yaml

from floe_contracts.errors import DocumentInvalid, FloeError, Where
from floe_dbt.errors import DbtPathRefused
from floe_dbt.packages import install_folder
from floe_dbt.parse import PROJECT_FILE

MOST_BYTES: Final = 1 << 20
MOST_NESTED: Final = 100
_ENDINGS: Final = ("-paths", "-install-path")
_JINJA: Final = ("{{", "{%", "{#")
_MERGE: Final = "<<"


def check_paths(project_dir: Path) -> None:
    """See that neither the project nor a package in it reads files from elsewhere.

    A file that is no YAML is left to dbt, which says more about it.

    Raises:
        DocumentInvalid: with every path that leads out of its project, or that only dbt could tell.
    """
    problems = list(_problems(project_dir, PROJECT_FILE))
    if not problems:
        packages = project_dir / install_folder(project_dir)
        for file in sorted(packages.glob(f"*/{PROJECT_FILE}")):
            problems += _problems(project_dir, file.relative_to(project_dir).as_posix())
    if problems:
        raise DocumentInvalid(problems)


def _problems(project_dir: Path, file: str) -> Iterator[FloeError]:
    path = project_dir / file
    if not path.is_file():
        return
    if path.stat().st_size > MOST_BYTES:
        yield DbtPathRefused(f"the file is over {MOST_BYTES // 1024} kB", where=Where(file))
        return
    try:
        yield from _refused(path.read_text(errors="replace"), file)
    except yaml.YAMLError:
        return


def _refused(text: str, file: str) -> Iterator[FloeError]:
    for key, event, depth in _values(text):
        mark = event.start_mark
        where = Where(file, mark.line + 1, mark.column + 1, path=key) if mark else Where(file, path=key)
        if depth > MOST_NESTED:
            yield DbtPathRefused(f"nested deeper than {MOST_NESTED} levels", where=where)
            return
        if key == _MERGE:
            hint = "write the keys out"
            yield DbtPathRefused("a merge key at the top of the file could hide a path", where=where, hint=hint)
        elif not key.replace("_", "-").endswith(_ENDINGS):
            continue
        elif isinstance(event, yaml.AliasEvent):
            yield DbtPathRefused("an alias in place of a path", where=where, hint="write the path out")
        elif isinstance(event, yaml.ScalarEvent) and (reason := _reason(event.value)):
            hint = "name folders of the project, as in models"
            yield DbtPathRefused(f"{event.value[:200]!a} {reason}", where=where, hint=hint)


def _reason(path: str) -> str | None:
    if any(mark in path for mark in _JINJA):
        return "is Jinja, and may be another path elsewhere"
    parts = PurePosixPath(path)
    return "leads out of the project" if parts.is_absolute() or ".." in parts.parts else None


def _values(text: str) -> Iterator[tuple[str, yaml.NodeEvent, int]]:
    """Key at the top of the document, an event of what stands under it, and how deep that is."""
    key: str | None = None
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            ended = depth == 1
        elif isinstance(event, yaml.NodeEvent):
            if depth > 0 and key is not None:
                yield key, event, depth
            starts = isinstance(event, yaml.CollectionStartEvent)
            ended = depth == 1 and not starts
            if starts:
                depth += 1
        else:
            continue
        if ended and key is None:
            key = event.value if isinstance(event, yaml.ScalarEvent) else ""
        elif ended:
            key = None
