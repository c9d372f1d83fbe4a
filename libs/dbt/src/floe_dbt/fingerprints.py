"""What a node of dbt is made of, in four digests: whoever compares two manifests sees what changed, and how.

Everything comes from the normalised manifest, so that the digests are the same in every folder, after every kind of
parse, and in every environment where nothing differs. Two things are not in it: the variables of dbt_project.yml, and
the data of seeds over one MiB, for which dbt notes a path in place of a checksum. `ProjectFiles` has them.

What dbt's own macros do is told by dbt's version. A macro that is called only while dbt executes, or through a name
that is computed, is not seen; dbt's `state:modified` does not see it either.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from yaml import CSafeLoader

from floe_contracts.nodes import Fingerprints
from floe_dbt.jinja_config import without_config

_DIGITS: Final = 32
_PACKAGES: Final = "dbt_packages"
_NO_BUILD: Final = frozenset(
    {"access", "contract", "docs", "enabled", "freshness", "group", "meta", "static_analysis", "tags"}
)
"""Keys of a node's config that say nothing of its build; `contract` has a digest of its own."""
_ENFORCED: Final = ("data_type", "constraints", "quote")
_DOCUMENTATION: Final = ("access", "config", "deprecation_date", "description", "docs", "freshness", "group")
_DOCUMENTATION_OF_SOURCES: Final = (
    "loaded_at_field",
    "loaded_at_query",
    "loader",
    "meta",
    "source_description",
    "tags",
)
_VARIABLE: Final = re.compile(r"""\bvar\s*\(\s*(?:(['"])(\w+)\1)?""")

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """What the manifest does not say of a project's files.

    Attributes:
        variables: `vars` of dbt_project.yml.
        seeds: digests of the seeds for which dbt notes only a path, by unique id.
    """

    variables: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, str] = field(default_factory=dict)


def read_project_files(manifest: Mapping[str, Any], project_dir: Path) -> ProjectFiles:
    """What a manifest leaves out, from the folder that it was parsed from; dbt has accepted the files before."""
    document = yaml.load((project_dir / "dbt_project.yml").read_bytes(), Loader=CSafeLoader) or {}
    packages = project_dir / _PACKAGES
    project = manifest["metadata"]["project_name"]
    seeds = {}
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "seed" and node["checksum"]["name"] == "path":
            folder = project_dir if node["package_name"] == project else packages / node["package_name"]
            seeds[unique_id] = _digest_of_file(folder / node["original_file_path"])
    return ProjectFiles(document.get("vars") or {}, seeds)


def _digest_of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # a package that stands elsewhere: the name has to do
        return path.name


class Fingerprinter:
    """Takes the fingerprints of the nodes of one manifest; remembers what macros come to."""

    def __init__(self, manifest: Mapping[str, Any], files: ProjectFiles) -> None:
        self._macros: Mapping[str, Resource] = manifest["macros"]
        self._files = files
        self._used: dict[str, frozenset[str]] = {}

    def of_node(self, resource: Resource) -> Fingerprints:
        """The fingerprints of a model, seed, snapshot or source."""
        enforced = bool((resource.get("contract") or {}).get("enforced"))
        return Fingerprints(
            body=self._body(resource),
            config=_digest(_config(resource)),
            contract=_digest(_contract(resource) if enforced else None),
            metadata=_digest(_metadata(resource, enforced=enforced)),
        )

    def of_check(self, resource: Resource) -> str:
        """The fingerprint of a test or unit test."""
        config = _building(resource.get("config") or {})
        own = [resource.get(key) for key in ("test_metadata", "model", "given", "expect", "overrides", "column_name")]
        return _digest([self._body(resource), config, own])

    def _body(self, resource: Resource) -> str:
        code = without_config(resource.get("raw_code") or "").strip()
        macros = sorted(self._closure(resource))
        texts = [self._macros[macro]["macro_sql"] for macro in macros]
        return _digest([code, self._data(resource), macros, texts, self._variables([code, *texts], resource)])

    def _data(self, resource: Resource) -> Any:
        if resource["resource_type"] != "seed":
            return None
        return self._files.seeds.get(resource["unique_id"]) or resource["checksum"]["checksum"]

    def _closure(self, resource: Resource) -> frozenset[str]:
        """The project's and its packages' macros that the node uses, directly or not."""
        called = {macro for macro in (resource.get("depends_on") or {}).get("macros", ()) if macro in self._macros}
        called |= self._materializations.get((resource.get("config") or {}).get("materialized", ""), frozenset())
        return frozenset().union(called, *(self._uses(macro) for macro in called))

    def _uses(self, macro: str) -> frozenset[str]:
        if macro not in self._used:
            found: set[str] = set()
            waiting = [macro]
            while waiting:
                for called in self._macros[waiting.pop()]["depends_on"]["macros"]:
                    if called in self._macros and called not in found:
                        found.add(called)
                        waiting.append(called)
            self._used[macro] = frozenset(found)
        return self._used[macro]

    @cached_property
    def _materializations(self) -> dict[str, frozenset[str]]:
        """Materialisations that the project or a package defines, by name: nodes do not list them as macros."""
        found: dict[str, set[str]] = {}
        for unique_id, macro in self._macros.items():
            if macro["name"].startswith("materialization_"):
                name = macro["name"].removeprefix("materialization_").rpartition("_")[0]
                found.setdefault(name, set()).add(unique_id)
        return {name: frozenset(macros) for name, macros in found.items()}

    def _variables(self, texts: Iterable[str], resource: Resource) -> Any:
        """The variables that the texts ask for, in every scope; all, where a name is computed."""
        variables = self._files.variables
        asked = {match.group(2) for text in texts for match in _VARIABLE.finditer(text)}
        if not variables or not asked:
            return None
        if None in asked:
            return variables
        scopes = [scope for scope in variables.values() if isinstance(scope, Mapping)]
        return {name: [place.get(name) for place in (variables, *scopes)] for name in sorted(filter(None, asked))}


def _building(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in _NO_BUILD}


def _config(resource: Resource) -> Any:
    own = {key: resource.get(key) for key in ("relation_name", "language", "resource_type")}
    if resource["resource_type"] == "source":
        return [own, resource.get("external"), resource.get("quoting")]
    return [own, resource.get("alias"), _building(resource["config"])]


def _contract(resource: Resource) -> Any:
    columns = {name: {key: column.get(key) for key in _ENFORCED} for name, column in resource["columns"].items()}
    return [columns, resource.get("constraints"), (resource.get("contract") or {}).get("alias_types")]


def _metadata(resource: Resource, *, enforced: bool) -> Any:
    config = {key: value for key, value in resource["config"].items() if key in _NO_BUILD and key != "contract"}
    names = _DOCUMENTATION_OF_SOURCES if resource["resource_type"] == "source" else ()
    own = {key: resource.get(key) for key in (*_DOCUMENTATION, "meta", "tags", *names) if key != "config"}
    columns = {
        name: {key: value for key, value in column.items() if not (enforced and key in _ENFORCED)}
        for name, column in resource["columns"].items()
    }
    constraints = None if enforced else resource.get("constraints")
    return [own, config, columns, constraints]


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
