"""dbt manifests without what changes from parse to parse, so that the same project gives the same bytes anywhere.

Two parses of one project differ in times and invocation ids; another folder changes absolute paths; partial parsing
changes the order of nodes and of their parents and children.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from floe_contracts.digests import is_simple_json
from floe_contracts.errors import Where
from floe_dbt.errors import DbtManifestInvalid

NORMALISED: Final = "normalised_manifest.json"
"""The file in dbt's target folder that `parse_program` writes."""

SCHEMA_VERSION: Final = "https://schemas.getdbt.com/dbt/manifest/v12.json"

_METADATA: Final = ("adapter_type", "dbt_schema_version", "dbt_version", "project_id", "project_name", "quoting")
"""What of the metadata says something about the project; the rest is about one invocation of dbt."""

_VOLATILE: Final = frozenset({"build_path", "compiled_path", "created_at", "deferred"})
_RESOURCES: Final = (
    "disabled",
    "docs",
    "exposures",
    "functions",
    "groups",
    "macros",
    "metrics",
    "nodes",
    "saved_queries",
    "selectors",
    "semantic_models",
    "sources",
    "unit_tests",
)
_ADJACENCIES: Final = ("child_map", "group_map", "parent_map")
_PARENT_ADAPTERS: Final = {"databricks": "spark", "redshift": "postgres"}
_LARGEST_INTEGER: Final = 2**53 - 1


def load_manifest(path: Path) -> tuple[dict[str, Any], bytes]:
    """The normalised manifest at `path`, and its bytes.

    Raises:
        DbtManifestInvalid: no such file, no JSON, or not the schema version that floe reads.
    """
    try:
        content = path.read_bytes()
        manifest = orjson.loads(content)
        version = manifest["metadata"]["dbt_schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DbtManifestInvalid(f"no dbt manifest: {reason}", where=Where(file=path.name)) from None
    if version != SCHEMA_VERSION:
        raise DbtManifestInvalid(
            f"the manifest's schema is {version}, floe reads {SCHEMA_VERSION}", where=Where(file=path.name)
        )
    return manifest, content


def normalise_manifest(
    manifest: Mapping[str, Any], encoder: type[json.JSONEncoder] = json.JSONEncoder
) -> dict[str, Any]:
    """`manifest` without what depends on time, folder and earlier parses; its ids sorted.

    Times, ids of invocations and target paths are left out; the project's folder becomes `.`, all other paths are
    relative to it already. The macros that come with dbt and its adapters are left out too: the version of dbt stands
    for them, and they are nine tenths of the document. Numbers that canonical JSON cannot hold become text.
    dagster-dbt reads the result like any manifest.

    Args:
        manifest: as read from JSON, or as dbt is about to write it.
        encoder: what writes values that are no JSON, such as a date in somebody's meta.
    """
    metadata = {name: manifest["metadata"].get(name) for name in _METADATA}
    own = packages_of_dbt(str(metadata["adapter_type"]))
    result: dict[str, Any] = {"metadata": _json_of(metadata, encoder)}
    for kind in _RESOURCES:
        resources = manifest.get(kind) or {}
        result[kind] = {
            unique_id: _resource(resource, encoder)
            for unique_id, resource in sorted(resources.items())
            if kind != "macros" or resource["package_name"] not in own
        }
    for kind in _ADJACENCIES:
        adjacent = manifest.get(kind) or {}
        result[kind] = {unique_id: sorted(others) for unique_id, others in sorted(adjacent.items())}
    return result


def packages_of_dbt(adapter: str) -> frozenset[str]:
    """The packages that come with dbt and the adapter of that type."""
    adapters = {adapter, _PARENT_ADAPTERS.get(adapter, adapter)}
    return frozenset({"dbt", *(f"dbt_{name}" for name in adapters)})


def _resource(resource: Any, encoder: type[json.JSONEncoder]) -> Any:
    if isinstance(resource, list):  # `disabled` keeps all versions of a node
        versions = [_resource(version, encoder) for version in resource]
        return sorted(versions, key=lambda version: (version["original_file_path"], version["unique_id"]))
    result = {key: value for key, value in resource.items() if key not in _VOLATILE}
    if "root_path" in result:
        result["root_path"] = "."
    if isinstance(result.get("depends_on"), dict):
        result["depends_on"] = {kind: sorted(filter(None, names)) for kind, names in result["depends_on"].items()}
    return _json_of(result, encoder)


def _json_of(value: Any, encoder: type[json.JSONEncoder]) -> Any:
    """`value` as it would come back from JSON, with numbers that RFC 8785 can hold. Most values are so already."""
    return value if is_simple_json(value) else _plain(json.loads(json.dumps(value, cls=encoder)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return int(value) if value.is_integer() and abs(value) <= _LARGEST_INTEGER else value
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        return str(value)
    return value
