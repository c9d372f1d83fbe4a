"""What a call of the Iceberg REST API needs in Polaris, and which privileges are enough.

As Polaris' own authorizer has it (`PolarisAuthorizerImpl`, `RbacOperationSemantics`), as far as the calls of floe's
clients go. The privileges that are enough for nearly everything (`*_FULL_METADATA`, `CATALOG_*`) are left out: nothing
of floe is to need them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

Levels: TypeAlias = tuple[str, ...]
Need: TypeAlias = tuple[Levels, str]
"""What a privilege is needed on (nothing: the catalog; else a namespace or a table), and the privilege."""

_LEVELS: Final = "\x1f"
_READS_NAMESPACE: Final = frozenset({"NAMESPACE_READ_PROPERTIES", "NAMESPACE_WRITE_PROPERTIES"})
_READS_TABLE: Final = frozenset(
    {"TABLE_READ_PROPERTIES", "TABLE_READ_DATA", "TABLE_WRITE_PROPERTIES", "TABLE_WRITE_DATA"}
)
_ENOUGH: Final[Mapping[str, frozenset[str]]] = {
    "NAMESPACE_LIST": _READS_NAMESPACE | {"NAMESPACE_LIST", "NAMESPACE_CREATE"},
    "NAMESPACE_READ_PROPERTIES": _READS_NAMESPACE,
    "TABLE_LIST": _READS_TABLE | {"TABLE_LIST", "TABLE_CREATE"},
    "TABLE_READ_DATA": frozenset({"TABLE_READ_DATA", "TABLE_WRITE_DATA"}),
    "TABLE_READ_PROPERTIES": _READS_TABLE,
    "TABLE_WRITE_PROPERTIES": frozenset({"TABLE_WRITE_PROPERTIES", "TABLE_WRITE_DATA"}),
}
"""Which privileges are enough for one; a privilege that is not here is enough for itself alone."""


def is_enough(grants: Iterable[Need], needs: Iterable[Need]) -> bool:
    """Whether what somebody was granted covers what is needed; a grant holds for all that is below it too."""
    given = list(grants)
    return all(
        any(privilege in _ENOUGH.get(need, {need}) and on[: len(above)] == above for above, privilege in given)
        for on, need in needs
    )


def needs(
    method: str, parts: list[str], query: Mapping[str, str], body: Mapping[str, Any], delegated: bool
) -> list[Need]:
    """What a call needs.

    Args:
        method: of HTTP.
        parts: of the path behind `/v1/<prefix>/`, unquoted.
        query: its parameters.
        body: its document.
        delegated: whether it asks for credentials of the storage.

    Raises:
        KeyError: no call of floe's clients is like that.
    """
    if parts[0] == "transactions":
        tables = [change["identifier"] for change in body["table-changes"]]
        return [
            ((*table["namespace"], table["name"]), privilege)
            for table in tables
            for privilege in ("TABLE_WRITE_PROPERTIES", "TABLE_CREATE")
        ]
    if len(parts) == 1:
        parent = query.get("parent", "")
        above = tuple(body.get("namespace", ()))[:-1] or (tuple(parent.split(_LEVELS)) if parent else ())
        return [(above, {"GET": "NAMESPACE_LIST", "POST": "NAMESPACE_CREATE"}[method])]
    levels = tuple(parts[1].split(_LEVELS))
    if parts[2:] == ["tables"]:
        return _OF_TABLES[method](levels, delegated)
    if parts[2:3] == ["tables"]:
        creates = any(requirement["type"] == "assert-create" for requirement in body.get("requirements", ()))
        if parts[4:] == ["metrics"]:
            return [((*levels, parts[3]), "TABLE_READ_DATA")]
        if creates:
            return [(levels, "TABLE_CREATE")]
        return [((*levels, parts[3]), _OF_TABLE[method, delegated and method == "GET"])]
    return [(levels, _OF_NAMESPACE[method, *parts[2:]])]


_OF_NAMESPACE: Final[Mapping[tuple[str, ...], str]] = {
    ("GET",): "NAMESPACE_READ_PROPERTIES",
    ("HEAD",): "NAMESPACE_LIST",
    ("DELETE",): "NAMESPACE_DROP",
    ("POST", "properties"): "NAMESPACE_WRITE_PROPERTIES",
    ("POST", "register"): "TABLE_CREATE",
}
_OF_TABLES: Final[Mapping[str, Callable[[Levels, bool], list[Need]]]] = {
    "GET": lambda levels, delegated: [(levels, "TABLE_LIST")],
    "POST": lambda levels, delegated: [
        (levels, "TABLE_CREATE"),
        *([(levels, "TABLE_WRITE_DATA")] if delegated else []),
    ],
}
_OF_TABLE: Final[Mapping[tuple[str, bool], str]] = {
    ("GET", False): "TABLE_READ_PROPERTIES",
    ("GET", True): "TABLE_READ_DATA",
    ("HEAD", False): "TABLE_LIST",
    ("POST", False): "TABLE_WRITE_PROPERTIES",
    ("DELETE", False): "TABLE_DROP",
}
