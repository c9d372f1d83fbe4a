"""Older minors of CompiledArtifacts, brought to the form that today's code reads.

Each step takes a document of one minor to the next. A step only adds what the older writer took for granted, so that
every service reads one form and none asks for the version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final


def _from_1_0(document: dict[str, Any]) -> dict[str, Any]:
    """1.0 named the one property of its one kind of compute in a field of its own."""
    environments = {
        name: environment | {"compute": _with_properties(environment.get("compute") or {})}
        for name, environment in (document.get("environments") or {}).items()
    }
    return document | {"environments": environments}


def _with_properties(compute: dict[str, Any]) -> dict[str, Any]:
    memory = compute.get("memory_limit")
    return compute | {"properties": {} if memory is None else {"memory_limit": memory}}


_STEPS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {"1.0": _from_1_0}
_NEXT: Final = {"1.0": "1.1"}


def upcast(document: dict[str, Any]) -> dict[str, Any]:
    """The document in today's form; one of a minor that has no step is returned as it is. `version` stays."""
    minor = ".".join(str(document.get("version", "")).split(".")[:2])
    while minor in _STEPS:
        document, minor = _STEPS[minor](document), _NEXT[minor]
    return document
