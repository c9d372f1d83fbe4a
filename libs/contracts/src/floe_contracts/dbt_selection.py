"""What `dbt build --select` takes to build and test exactly these nodes: those of a plan, or those of a retry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from floe_contracts.nodes import Node, NodeGraph


def dbt_selection(graph: NodeGraph, nodes: Iterable[str], tests: Iterable[str]) -> tuple[str, ...]:
    """One criterion for each node and test, by their unique ids.

    A bare name is not enough: dbt takes it for a folder or a package too, and two packages may share it.
    """
    wanted = set(nodes)
    names = Counter(_selector(node) for node in graph.nodes)
    return (*_nodes(graph, wanted, names), *(_test(unique_id) for unique_id in sorted(tests)))


def _nodes(graph: NodeGraph, wanted: set[str], names: Counter[str]) -> Iterator[str]:
    for node in graph.nodes:
        if node.unique_id in wanted:
            selector = _selector(node)
            yield selector if names[selector] == 1 else f"{selector},package:{node.unique_id.split('.')[1]}"


def _selector(node: Node) -> str:
    """Name and file; the version of a versioned model belongs to its name."""
    return f"{node.unique_id.split('.', 2)[2]},file:{PurePosixPath(node.path).name}"


def _test(unique_id: str) -> str:
    kind, _, *names = unique_id.split(".")
    # A generic test's id ends with a hash, a unit test's begins with its model; the name is what dbt selects by.
    return f"{names[-1]},resource_type:unit_test" if kind == "unit_test" else f"{names[0]},resource_type:test"
