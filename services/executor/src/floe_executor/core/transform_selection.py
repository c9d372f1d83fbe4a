"""Selections of a request where Python transforms are among the nodes: dbt knows nothing of these.

What a request selects is dbt's to understand, in all its grammar. floe reads those items only that are a name or a tag,
with or without `+` at its sides: they may mean transforms, and reach models through them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from floe_contracts.dbt_selection import dbt_selection
from floe_contracts.events import RunOptions
from floe_contracts.nodes import Node, NodeGraph
from floe_executor.core.phases import Phase, phases, with_values
from floe_executor.core.transform_nodes import PYTHON

_ITEM: Final = re.compile(r"(?P<up>\+?)(?P<tag>tag:)?(?P<name>[^\s,:+@*]+)(?P<down>\+?)")


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What a build does: its phases, and what `dbt build` gets in each of them (`phases.dbt_arguments`)."""

    phases: tuple[Phase, ...]
    arguments: tuple[str, ...]


def plan_of(
    graph: NodeGraph, options: RunOptions, *, selected: frozenset[str] | None, arguments: tuple[str, ...]
) -> BuildPlan:
    """The plan of a build.

    Args:
        graph: dbt's nodes, and the Python transforms among them.
        options: what the request selects.
        selected: ids of what is built, where they are known: then the options say nothing more.
        arguments: for dbt, as the request says.

    Raises:
        TransformCycle: something would be built from itself.
    """
    narrowed = selected is None and (options.select or options.exclude)
    if not narrowed or not any(node.resource_type == PYTHON for node in graph.nodes):
        return BuildPlan(phases(graph, selected), arguments)
    everything = {node.unique_id for node in graph.nodes if node.resource_type == PYTHON}
    selected_nodes = _reached(graph, options.select) if options.select else everything
    excluded_nodes = _reached(graph, options.exclude)
    transforms = frozenset(everything & selected_nodes - excluded_nodes)
    widened = arguments
    if options.select:
        widened = with_values(widened, "--select", dbt_selection(graph, selected_nodes - everything, ()))
    widened = with_values(widened, "--exclude", dbt_selection(graph, excluded_nodes - everything, ()))
    return BuildPlan(phases(graph, transforms=transforms), widened)


def _reached(graph: NodeGraph, items: Iterable[str]) -> set[str]:
    """The ids of transforms, and of models beyond them, that the items mean."""
    nodes = {node.unique_id: node for node in graph.nodes}
    parents = {unique_id: set(node.depends_on) & nodes.keys() for unique_id, node in nodes.items()}
    children: dict[str, set[str]] = {unique_id: set() for unique_id in nodes}
    for unique_id, above in parents.items():
        for parent in above:
            children[parent].add(unique_id)
    found: set[str] = set()
    for item in items:
        match = _ITEM.fullmatch(item)
        if match is None:
            continue
        meant = {each for each, node in nodes.items() if _is_meant(node, match["name"], tag=bool(match["tag"]))}
        all_of = set(meant)
        all_of |= _closure(meant, parents) if match["up"] else set()
        all_of |= _closure(meant, children) if match["down"] else set()
        if any(nodes[each].resource_type == PYTHON for each in all_of):
            found |= {each for each in all_of if nodes[each].resource_type != "source"}
    return found


def _is_meant(node: Node, name: str, *, tag: bool) -> bool:
    return name in node.tags if tag else node.name == name and node.resource_type != "source"


def _closure(start: set[str], edges: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = set(start)
    while waiting:
        waiting = set().union(*(edges[each] for each in waiting)) - found
        found |= waiting
    return found
