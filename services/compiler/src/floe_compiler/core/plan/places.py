"""Where an environment builds and lands its tables: in another place there are none yet, so all is built anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from floe_compiler.core.plan.view import EnvironmentView
from floe_contracts.artifacts import Compute
from floe_contracts.nodes import Node

_PLACE: Final = ("account", "catalog", "connection", "database", "dataset", "host", "location", "port", "project")
"""What of a compute's properties says where its tables are; the others say how they are built, or by whom."""


def moved_nodes(before: EnvironmentView, after: EnvironmentView) -> Callable[[Node], bool]:
    """Tells whether a node is built or landed elsewhere than before."""
    if _landing(before) != _landing(after) or _place(before.compiled.compute) != _place(after.compiled.compute):
        return lambda node: node.resource_type != "source"
    computes, computes_now = before.compiled.computes, after.compiled.computes
    moved = {
        name for name in computes.keys() & computes_now.keys() if _place(computes[name]) != _place(computes_now[name])
    }
    return lambda node: node.compute in moved


def _place(compute: Compute) -> Any:
    return compute.type, [compute.properties.get(name) for name in _PLACE]


def _landing(view: EnvironmentView) -> Any:
    return [(part.type, part.properties) for part in (view.compiled.storage, view.compiled.catalog)]
