"""dbt profiles, written from a table: one row for each type of compute, one for each of its properties.

A profile holds no secret. A property that is one becomes a placeholder named `DBT_ENV_SECRET_FLOE_*`, which dbt
resolves in profiles and refuses everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from floe_contracts.artifacts import Compute as ResolvedCompute
from floe_contracts.errors import FloeError, Where
from floe_dbt.errors import DbtProfileInvalid, DbtProfileProblem
from floe_dbt.suggestions import did_you_mean

PROFILE: Final = "floe"
"""The name of every generated profile."""

_JINJA: Final = ("{{", "{%", "{#")


@dataclass(frozen=True, slots=True)
class Target:
    """What dbt calls a target: one environment, where its data is, and how much dbt does at the same time.

    Attributes:
        environment: name of the target.
        threads: nodes that dbt builds at the same time.
        database: absolute path of the DuckDB file; its stem becomes the name of the dbt database.
        allowed_directories: absolute folders that DuckDB may read and write beside that file; seeds are read from
            the project's folder, so it has to be one of them.
    """

    environment: str
    threads: int
    database: Path
    allowed_directories: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a compute: its name in platform.yaml, its place in the dbt output (dotted), its type."""

    name: str
    output: str
    kind: type = str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Compute:
    """A type of compute: the properties it takes, and what its dbt output says in any case."""

    properties: tuple[Property, ...]
    output: Callable[[Target], dict[str, Any]]


def _duckdb_output(target: Target) -> dict[str, Any]:
    directories = [str(directory) for directory in target.allowed_directories]
    sandbox = {"module": "floe_dbt.duckdb_sandbox", "config": {"allowed_directories": directories}}
    return {"path": str(target.database), "schema": "main", "plugins": [sandbox]}


COMPUTES: Final[Mapping[str, Compute]] = {
    "duckdb": Compute(
        properties=(Property("memory_limit", "config_options.memory_limit"),),
        output=_duckdb_output,
    ),
}
"""Every type of compute, by the name of its dbt adapter."""


def render_profile(compute: str, properties: Mapping[str, Any], target: Target) -> str:
    """The text of profiles.yml with the profile `floe` and one target, the environment.

    Args:
        compute: the type of compute, a key of `COMPUTES`.
        properties: its properties, from platform.yaml.
        target: the environment and its data.

    Raises:
        DbtProfileInvalid: an unknown type, or properties that it does not take; holds all problems.
        ValueError: a path that is not absolute, or that dbt would take for Jinja.
    """
    for path in (target.database, *target.allowed_directories):
        if not path.is_absolute() or _has_jinja(str(path)):
            raise ValueError(f"not an absolute path without Jinja: {path}")
    row = COMPUTES.get(compute)
    problems = [_unknown_compute(compute)] if row is None else list(_problems(row, properties))
    if row is None or problems:
        raise DbtProfileInvalid(problems)
    output: dict[str, Any] = {"type": compute, "threads": target.threads, **row.output(target)}
    for known in row.properties:
        if known.name in properties:
            _put(output, known.output, properties[known.name])
    document = {PROFILE: {"target": target.environment, "outputs": {target.environment: output}}}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def write_profile(
    folder: Path,
    *,
    environment: str,
    compute: ResolvedCompute,
    database: Path,
    allowed_directories: Sequence[Path],
) -> Path:
    """Write profiles.yml for a compute of an artifact into `folder`, which is made; returns the file.

    Raises:
        DbtProfileInvalid: see `render_profile`.
        ValueError: see `render_profile`.
    """
    properties = compute.model_dump(exclude={"name", "type", "threads"}, exclude_none=True)
    target = Target(environment, compute.threads, database, allowed_directories)
    text = render_profile(compute.type, properties, target)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "profiles.yml"
    file.write_text(text)
    return file


def _unknown_compute(compute: str) -> FloeError:
    hint = did_you_mean(compute, COMPUTES)
    return DbtProfileProblem(f"there is no compute of type {compute!r}", where=Where(path="type"), hint=hint)


def _problems(row: Compute, properties: Mapping[str, Any]) -> Iterator[FloeError]:
    known = {entry.name: entry for entry in row.properties}
    for name, value in properties.items():
        where = Where(path=f"properties.{name}")
        entry = known.get(name)
        if entry is None:
            yield DbtProfileProblem(f"there is no property {name!r}", where=where, hint=did_you_mean(name, known))
        elif type(value) is not entry.kind:
            yield DbtProfileProblem(f"{name} takes {entry.kind.__name__}, not {value!r}", where=where)
        elif isinstance(value, str) and _has_jinja(value):
            yield DbtProfileProblem(f"{name} may not hold Jinja", where=where)
    for name, entry in known.items():
        if entry.required and name not in properties:
            yield DbtProfileProblem(f"{name} is missing", where=Where(path=f"properties.{name}"))


def _has_jinja(text: str) -> bool:
    return any(mark in text for mark in _JINJA)


def _put(output: dict[str, Any], path: str, value: Any) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        output = output.setdefault(folder, {})
    output[name] = value
