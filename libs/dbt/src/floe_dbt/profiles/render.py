"""The text of profiles.yml for the computes of an environment.

A profile holds no secret: each is a placeholder named `DBT_ENV_SECRET_FLOE_*`, which dbt resolves in profiles and
refuses everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from floe_contracts.artifacts import Compute
from floe_contracts.errors import FloeError, Where
from floe_contracts.placeholders import placeholder
from floe_contracts.plugins.errors import PluginUnknown
from floe_contracts.plugins.registry import TARGETS, load
from floe_contracts.plugins.targets import Kind, Property, Warehouse
from floe_contracts.suggestions import meant_or_known
from floe_dbt.attached_catalog import AttachedCatalog
from floe_dbt.errors import DbtProfileInvalid, DbtProfileProblem

PROFILE: Final = "floe"
"""The name of every generated profile."""

_JINJA: Final = ("{{", "{%", "{#")
_MISSING: Final = object()
_WORDS: Final[Mapping[Kind, str]] = {
    "text": "a text",
    "integer": "a whole number",
    "flag": "true or false",
    "texts": "a list of texts",
    "map": "a map of texts",
}


@dataclass(frozen=True, slots=True)
class WarehouseFile:
    """What a DuckDB compute builds in.

    Attributes:
        database: absolute path of the DuckDB file; its stem becomes the name of the dbt database.
        allowed_directories: absolute folders that DuckDB may read and write beside that file; seeds are read from
            the project's folder, so it has to be one of them.
        attached: a catalog that is attached beside the file.
    """

    database: Path
    allowed_directories: Sequence[Path] = ()
    attached: AttachedCatalog | None = None


def output_name(environment: str, other: str | None = None) -> str:
    """The dbt target of an environment's compute, or of another one that single models have."""
    return environment if other is None else f"{environment}__{other}"


def render_profile(
    environment: str, compute: Compute, file: WarehouseFile, *, others: Mapping[str, Compute] | None = None
) -> str:
    """The text of profiles.yml with the profile `floe`: a target for the environment, and one for each other compute.

    Args:
        environment: name of the default target.
        compute: what the environment builds in.
        file: the DuckDB file, for computes that are DuckDB.
        others: other computes of single models, by logical name.

    Raises:
        DbtProfileInvalid: an unknown type, or properties that it does not take; holds all problems.
        ValueError: a path that is not absolute, or that dbt would take for Jinja.
    """
    for path in (file.database, *file.allowed_directories):
        if not path.is_absolute() or _has_jinja(str(path)):
            raise ValueError(f"not an absolute path without Jinja: {path}")
    computes = {output_name(environment): compute}
    computes |= {output_name(environment, name): other for name, other in sorted((others or {}).items())}
    problems = [problem for each in computes.values() for problem in _problems(each)]
    if problems:
        raise DbtProfileInvalid(problems)
    outputs = {name: _output(each, file) for name, each in computes.items()}
    document = {PROFILE: {"target": environment, "outputs": outputs}}
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def write_profile(
    folder: Path,
    *,
    environment: str,
    compute: Compute,
    database: Path,
    allowed_directories: Sequence[Path],
    others: Mapping[str, Compute] | None = None,
    attached: AttachedCatalog | None = None,
) -> Path:
    """Write profiles.yml for the computes of an environment into `folder`, which is made; returns the file.

    Raises:
        DbtProfileInvalid: see `render_profile`.
        ValueError: see `render_profile`.
    """
    text = render_profile(environment, compute, WarehouseFile(database, allowed_directories, attached), others=others)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "profiles.yml"
    file.write_text(text)
    return file


class _Dumper(yaml.SafeDumper):
    """Writes the same list twice rather than once with an alias."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _output(compute: Compute, file: WarehouseFile) -> dict[str, Any]:
    row = load(TARGETS, compute.type).warehouse
    output: dict[str, Any] = {"type": compute.type, "threads": compute.threads}
    if compute.type == "duckdb":
        output |= _duckdb_output(file)
    mode = row.modes.get(_mode(row, compute))
    for path, value in (mode.constants if mode else {}).items():
        _put(output, path, value)
    for known in _known(row, compute):
        variable = placeholder(compute.name, known.name)
        if variable in compute.secrets:
            _put(output, known.output, f"{{{{ env_var('{variable}') }}}}")
        elif (value := _at(compute.properties, known.name)) is not _MISSING:
            _put(output, known.output, value)
    return output


def _duckdb_output(file: WarehouseFile) -> dict[str, Any]:
    directories = [str(directory) for directory in file.allowed_directories]
    config: dict[str, Any] = {"allowed_directories": directories}
    if file.attached is not None:
        config["catalog"] = file.attached.to_config()
    sandbox = {"module": "floe_dbt.duckdb_sandbox", "config": config}
    return {"path": str(file.database), "schema": "main", "plugins": [sandbox]}


def _problems(compute: Compute) -> Iterator[FloeError]:
    try:
        row = load(TARGETS, compute.type).warehouse
    except PluginUnknown as error:
        yield _problem(compute, "type", f"there is no compute of type {compute.type!r}", error.hint)
        return
    if row.modes and _mode(row, compute) not in row.modes:
        path = f"{row.section}.mode"
        hint = meant_or_known(_mode(row, compute), row.modes)
        yield _problem(compute, path, f"{compute.type} has no such way in: {_mode(row, compute)!r}", hint)
        return
    known = {entry.name: entry for entry in _known(row, compute)}
    for name, value in _leaves(compute.properties, known):
        if name != f"{row.section}.mode":
            yield from _value_problems(compute, known, name, value)
    variables = {placeholder(compute.name, name): name for name in known}
    for variable in compute.secrets:
        if variable not in variables or known[variables[variable]].source == "plain":
            yield _problem(compute, variable, f"{compute.type} has no place for this secret")
    for name, entry in known.items():
        given = placeholder(compute.name, name) in compute.secrets or _at(compute.properties, name) is not _MISSING
        if entry.required and not given:
            yield _problem(compute, name, f"{name} is missing")


def _value_problems(compute: Compute, known: Mapping[str, Property], name: str, value: Any) -> Iterator[FloeError]:
    entry = known.get(name)
    if entry is None:
        yield _problem(compute, name, f"there is no property {name!r}", meant_or_known(name, known))
    elif entry.source == "secret":
        yield _problem(compute, name, f"{name} is a secret, and may only be named")
    elif not _is(value, entry.kind):
        yield _problem(compute, name, f"{name} takes {_WORDS[entry.kind]}, not {value!r}")
    elif any(_has_jinja(text) for text in _texts(value)):
        yield _problem(compute, name, f"{name} may not hold Jinja")


def _problem(compute: Compute, path: str, message: str, hint: str | None = None) -> DbtProfileProblem:
    return DbtProfileProblem(message, where=Where(path=f"compute.{compute.name}.{path}"), hint=hint)


def _mode(row: Warehouse, compute: Compute) -> str:
    found = _at(compute.properties, f"{row.section}.mode")
    return "" if found is _MISSING else str(found)


def _known(row: Warehouse, compute: Compute) -> tuple[Property, ...]:
    mode = row.modes.get(_mode(row, compute))
    return (*(mode.properties if mode else ()), *row.properties)


def _leaves(properties: Mapping[str, Any], known: Mapping[str, Property], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every property by its dotted path; a map that the warehouse takes as it is stays one."""
    for name, value in properties.items():
        dotted = f"{path}{name}"
        if isinstance(value, Mapping) and not (dotted in known and known[dotted].kind == "map"):
            yield from _leaves(value, known, f"{dotted}.")
        else:
            yield dotted, value


def _is(value: Any, kind: Kind) -> bool:
    if kind in ("texts", "map"):
        inner = value.values() if isinstance(value, dict) else value
        return isinstance(value, list if kind == "texts" else dict) and all(isinstance(each, str) for each in inner)
    return type(value) is {"text": str, "integer": int, "flag": bool}[kind]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (*value.keys(), *value.values())
    elif isinstance(value, list):
        yield from value


def _has_jinja(text: str) -> bool:
    return any(mark in text for mark in _JINJA)


def _at(properties: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; `_MISSING` where there is none."""
    value: Any = properties
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _put(output: dict[str, Any], path: str, value: Any) -> None:
    *folders, name = path.split(".")
    for folder in folders:
        output = output.setdefault(folder, {})
    output[name] = value
