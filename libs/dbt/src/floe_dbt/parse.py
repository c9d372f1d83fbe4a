"""Parsing a dbt project for one environment, without a warehouse."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

from floe_contracts.errors import Where
from floe_dbt.environment import SECRET_PREFIX, dbt_environment
from floe_dbt.errors import DbtDied, DbtParseFailed, DbtProjectMissing, DbtTimedOut
from floe_dbt.garbage import collecting_seldom
from floe_dbt.manifest import NORMALISED, load_manifest
from floe_dbt.parse_errors import parse_failure, parse_warnings
from floe_dbt.profiles import PROFILE
from floe_dbt.warm_dbt import WarmDbt
from floe_dbt.wire import Program

PROJECT_FILE: Final = "dbt_project.yml"

_TARGET: Final = "target"
_PLACEHOLDER: Final = re.compile(rf"{SECRET_PREFIX}\w+")
_DUMMY: Final = "floe-parses-without-secrets"
"""Stands for every secret. dbt blots it out wherever it logs it, so it is no word that a project may use."""
_MOST_OUTPUT_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class ParsedProject:
    """A dbt project as it is in one environment.

    Attributes:
        manifest: the normalised manifest.
        content: the same as canonical JSON.
        warnings: what dbt warned of.
        seconds: how long dbt took.
    """

    manifest: dict[str, Any]
    content: bytes
    warnings: tuple[str, ...]
    seconds: float


def parse_project(
    dbt: WarmDbt,
    project_dir: Path,
    *,
    environment: str,
    profiles_dir: Path,
    state_dir: Path,
    source: Mapping[str, str],
    timeout: float | None = 300.0,
) -> ParsedProject:
    """Parse `project_dir` for one environment.

    Args:
        dbt: runs dbt; started.
        project_dir: folder of dbt_project.yml, absolute; nothing is written into it.
        environment: the dbt target.
        profiles_dir: folder of profiles.yml, absolute. Its secrets get dummies: parsing connects to nothing.
        state_dir: folder for this project and environment, absolute; takes dbt's target folder. The same folder and
            project folder each time make dbt parse only what changed.
        source: where PATH, HOME and the like of dbt's environment come from, usually `os.environ`.
        timeout: seconds after which dbt is killed. That is the project's fault: a loop in a macro or a few aliases in
            YAML take dbt as long as they like, and would do so again.

    Raises:
        DbtProjectMissing: no dbt_project.yml.
        DbtParseFailed: dbt refused the project or took too long, or its nodes depend on each other in a circle.
        DbtDied: the dbt process was killed.
        DbtUnavailable: the fork server does not answer.
        DbtBusy: the fork server is full.
    """
    _require_project(project_dir)
    written = state_dir / _TARGET / NORMALISED
    written.unlink(missing_ok=True)
    dummies = dict.fromkeys(_PLACEHOLDER.findall((profiles_dir / "profiles.yml").read_text()), _DUMMY)
    with tempfile.TemporaryFile() as output:
        try:
            ended = dbt.invoke(
                _arguments(project_dir, state_dir, environment),
                cwd=project_dir,
                environment=dbt_environment(source, profiles_dir=profiles_dir, secrets=dummies),
                output=output,
                timeout=timeout,
                program=Program.PARSE,
            )
        except DbtTimedOut as error:
            raise DbtParseFailed(error.message, hint="look for loops in macros and for nested YAML aliases") from error
        output.seek(0)
        lines = output.read(_MOST_OUTPUT_BYTES).decode(errors="replace").splitlines()
    folders = (project_dir, state_dir, profiles_dir)
    if ended.returncode < 0:
        raise DbtDied(f"dbt parse was killed by signal {-ended.returncode}")
    if ended.returncode != 0:
        raise parse_failure(lines, folders=folders)
    with collecting_seldom():
        manifest, content = load_manifest(written)
    _refuse_undefined_tests(manifest)
    _refuse_circles(manifest)
    return ParsedProject(manifest, content, parse_warnings(lines, folders=folders), ended.seconds)


def _require_project(project_dir: Path) -> None:
    if not (project_dir / PROJECT_FILE).is_file():
        raise DbtProjectMissing(
            f"there is no {PROJECT_FILE}",
            where=Where(file=PROJECT_FILE),
            hint="check the path of the dbt project in floe.yaml",
        )


def _arguments(project_dir: Path, state_dir: Path, environment: str) -> list[str]:
    return [
        *("--log-format", "json", "--log-level-file", "none", "--no-use-colors", "--log-path", str(state_dir)),
        *("parse", "--write-json"),
        *("--project-dir", str(project_dir), "--target-path", str(state_dir / _TARGET)),
        *("--profile", PROFILE, "--target", environment),
    ]


def _refuse_undefined_tests(manifest: Mapping[str, Any]) -> None:
    """`dbt parse` lets a misspelt generic test pass, without its macro; `dbt build` fails on it.

    Raises:
        DbtParseFailed: there is one.
    """
    for test in manifest["nodes"].values():
        if not test.get("test_metadata"):
            continue
        name = test["test_metadata"]["name"]
        if not any(macro.endswith(f".test_{name}") for macro in test["depends_on"]["macros"]):
            place = f"{test.get('attached_node') or test['name']}".split(".", 2)[-1]
            raise DbtParseFailed(
                f"{place}: there is no generic test {name!r}", where=Where(file=test["original_file_path"])
            )


def _refuse_circles(manifest: Mapping[str, Any]) -> None:
    """Only `dbt build` looks for circles; by then the project is long published.

    Raises:
        DbtParseFailed: there is one.
    """
    try:
        TopologicalSorter(manifest["parent_map"]).prepare()
    except CycleError as error:
        circle = error.args[1]
        first = manifest["nodes"].get(circle[0], {})
        names = " -> ".join(unique_id.split(".", 2)[-1] for unique_id in reversed(circle))
        raise DbtParseFailed(
            f"nodes depend on each other in a circle: {names}", where=Where(file=first.get("original_file_path"))
        ) from None
