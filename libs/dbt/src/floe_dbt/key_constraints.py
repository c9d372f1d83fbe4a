"""The keys that a dbt model declares as constraints, on the model or on one of its columns.

Source: https://docs.getdbt.com/reference/resource-properties/constraints. The other side of a foreign key is
`ref(...)` or `source(...)` as written until dbt compiles the model, and the name of the relation from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from floe_contracts.nodes import KeyConstraint

_KEYS: Final = ("primary_key", "unique", "foreign_key")
_CALL: Final = re.compile(r"\s*(?P<kind>ref|source)\s*\((?P<arguments>.*)\)\s*", re.DOTALL)
_VERSION: Final = re.compile(r"""\b(?:v|version)\s*=\s*['"]?(?P<number>[\w.]+)""")
_TEXT: Final = re.compile(r"""(?<![\w=])\s*(['"])(.*?)\1""")


def read_keys(resource: Mapping[str, Any], relations: Mapping[str, str]) -> tuple[KeyConstraint, ...]:
    """The primary, unique and foreign keys of a node, those of the model first.

    Args:
        resource: the node in the manifest.
        relations: ids of the project's nodes by the names of their relations.
    """
    return tuple(_keys(resource, relations))


def _keys(resource: Mapping[str, Any], relations: Mapping[str, str]) -> Iterator[KeyConstraint]:
    stated = [(item, item.get("columns") or ()) for item in resource.get("constraints") or ()]
    for column in resource["columns"].values():
        stated += [(item, (column["name"],)) for item in column.get("constraints") or ()]
    for constraint, columns in stated:
        kind = constraint["type"]
        if kind not in _KEYS or not columns:
            continue
        to_node = _target(constraint, resource, relations) if kind == "foreign_key" else None
        to_columns = tuple(constraint.get("to_columns") or ()) if to_node else ()
        yield KeyConstraint(type=kind, columns=tuple(columns), to_node=to_node, to_columns=to_columns)


def _target(constraint: Mapping[str, Any], resource: Mapping[str, Any], relations: Mapping[str, str]) -> str | None:
    stated = constraint.get("to") or ""
    call = _CALL.fullmatch(stated)
    if call is None:
        return relations.get(stated)
    *owner, name = [text for _, text in _TEXT.findall(call["arguments"])] or [""]
    if call["kind"] == "source":
        found = [node for node in sorted(relations.values()) if node.split(".")[2:] == [*owner, name]]
        return found[0] if found else None
    version = _VERSION.search(call["arguments"])
    parents = [node.split(".") for node in sorted(resource.get("depends_on", {}).get("nodes", ()))]
    parents = [node for node in parents if node[2] == name and (not owner or node[1] == owner[0])]
    if version is not None:
        parents = [node for node in parents if node[3:] == [f"v{version['number']}"]]
    return ".".join(parents[0]) if parents else None
