"""Which nodes are not as they were, which have to be built, and why."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from floe_compiler.core.plan.places import moved_nodes
from floe_compiler.core.plan.view import EnvironmentView
from floe_contracts.nodes import Check, Node, NodeGraph
from floe_contracts.plans import BUILDING, NodeChange, PlanCounts, PlannedNode

LONGEST_PATH: Final = 12
_NEVER_BUILT: Final = frozenset({"ephemeral", "source"})
_RELATION: Final = ("materialized", "database", "schema_name", "identifier", "unique_key", "compute")
_DOCUMENTED: Final = ("description", "owner", "tier", "tags", "expose", "meta")


@dataclass(frozen=True, slots=True)
class ComparedNodes:
    """The nodes of two graphs, side by side.

    Attributes:
        nodes: those that are not unchanged, by unique id.
        tests: ids of changed or new tests that no built node brings along.
        counts: of all nodes.
    """

    nodes: tuple[PlannedNode, ...]
    tests: tuple[str, ...]
    counts: PlanCounts


def compare_nodes(before: EnvironmentView | None, after: EnvironmentView) -> ComparedNodes:
    """What becomes of every node of one environment.

    Args:
        before: the environment as it is; None if there is none yet.
        after: the environment as it would be.
    """
    earlier = {node.unique_id: node for node in before.graph.nodes} if before else {}
    changes = {node.unique_id: () for node in after.graph.nodes} if before is None else _own_changes(before, after)
    roots = [name for name, found in changes.items() if name not in earlier or BUILDING & set(found)]
    paths = _paths(after.graph, roots)
    planned = [*_gone(earlier, after.graph)]
    for node in after.graph.nodes:
        path = paths.get(node.unique_id, ())
        one = _planned(node, changes[node.unique_id], path, new=node.unique_id not in earlier)
        if one is not None:
            planned.append(one)
    built = {node.unique_id for node in planned if node.runs}
    return ComparedNodes(
        nodes=tuple(sorted(planned, key=lambda node: node.unique_id)),
        tests=tuple(sorted(_changed_tests(before, after, built))),
        counts=_counts(planned, len(after.graph.nodes)),
    )


def removed_nodes(before: EnvironmentView) -> ComparedNodes:
    """Every node of an environment that is gone."""
    planned = tuple(_gone({node.unique_id: node for node in before.graph.nodes}, None))
    return ComparedNodes(planned, (), _counts(planned, 0))


def _planned(node: Node, own: tuple[NodeChange, ...], path: tuple[str, ...], *, new: bool) -> PlannedNode | None:
    changes: tuple[NodeChange, ...] = own if len(path) < 2 else (*own, "upstream")
    if not (new or changes):
        return None
    return PlannedNode(
        unique_id=node.unique_id,
        name=node.name,
        resource_type=node.resource_type,
        action="added" if new else "changed",
        changes=() if new else _in_order(changes),
        runs=bool(path) and node.materialized not in _NEVER_BUILT,
        because=path if len(path) > 1 else (),
    )


def _gone(earlier: Mapping[str, Node], graph: NodeGraph | None) -> Iterator[PlannedNode]:
    present = {node.unique_id for node in graph.nodes} if graph else set()
    for unique_id, node in earlier.items():
        if unique_id not in present:
            yield PlannedNode(
                unique_id=unique_id, name=node.name, resource_type=node.resource_type, action="removed", runs=False
            )


def _own_changes(before: EnvironmentView, after: EnvironmentView) -> dict[str, tuple[NodeChange, ...]]:
    """What has changed of each node itself, by unique id; nothing of a new one."""
    earlier = {node.unique_id: node for node in before.graph.nodes}
    moved = moved_nodes(before, after)
    changes: dict[str, tuple[NodeChange, ...]] = {}
    for node in after.graph.nodes:
        was = earlier.get(node.unique_id)
        found = set() if was is None else _differences(was, node)
        if was is not None and (moved(node) or (after.lands(node) and not before.lands(was))):
            found.add("config")
        changes[node.unique_id] = _in_order(found)
    return changes


def _differences(earlier: Node, node: Node) -> set[NodeChange]:
    found = _made_of(earlier, node)
    if earlier.compute != node.compute:
        found.add("config")
    if _tests_differ(earlier.checks, node.checks) or earlier.quality_checks != node.quality_checks:
        found.add("tests")
    if any(getattr(earlier, name) != getattr(node, name) for name in ("owner", "tier", "tags")):
        found.add("metadata")
    if earlier.path != node.path:
        found.add("moved")
    return found


def _made_of(earlier: Node, node: Node) -> set[NodeChange]:
    one, other = earlier.fingerprints, node.fingerprints
    if one is None or other is None:
        return _made_of_without_fingerprints(earlier, node)
    parts: dict[NodeChange, bool] = {
        "sql": one.body != other.body,
        "config": one.config != other.config,
        "contract": one.contract != other.contract,
        "metadata": one.metadata != other.metadata,
    }
    return {change for change, differs in parts.items() if differs}


def _made_of_without_fingerprints(earlier: Node, node: Node) -> set[NodeChange]:
    """What the fields themselves show, where one side was compiled before there were fingerprints."""
    parts: dict[NodeChange, bool] = {
        "sql": _values(earlier, ("raw_code",)) != _values(node, ("raw_code",)),
        "config": _values(earlier, _RELATION) != _values(node, _RELATION),
        "metadata": earlier.columns != node.columns or _values(earlier, _DOCUMENTED) != _values(node, _DOCUMENTED),
    }
    return {change for change, differs in parts.items() if differs}


def _values(node: Node, names: Iterable[str]) -> list[Any]:
    return [getattr(node, name) for name in names]


def _in_order(changes: Iterable[NodeChange]) -> tuple[NodeChange, ...]:
    order: tuple[NodeChange, ...] = ("sql", "config", "contract", "upstream", "tests", "metadata", "moved")
    found = set(changes)
    return tuple(change for change in order if change in found)


def _paths(graph: NodeGraph, roots: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """A shortest path from a root to every node that reads one, directly or not; a root's own path is itself."""
    children: dict[str, list[str]] = {}
    for node in graph.nodes:
        for parent in node.depends_on:
            children.setdefault(parent, []).append(node.unique_id)
    ends: dict[str, tuple[str, ...]] = {root: (root,) for root in sorted(roots)}
    waiting = deque(ends)
    while waiting:
        parent = waiting.popleft()
        for child in sorted(children.get(parent, ())):
            if child not in ends:
                ends[child] = _longer(ends[parent], child)
                waiting.append(child)
    return ends


def _longer(path: tuple[str, ...], child: str) -> tuple[str, ...]:
    """The path with one more step; in the middle of a very long one, steps are left out."""
    return (*path, child) if len(path) < LONGEST_PATH else (path[0], *path[2:], child)


def _tests(checks: Iterable[Check]) -> dict[str, str | None]:
    return {check.unique_id: check.fingerprint for check in checks}


def _tests_differ(before: Iterable[Check], after: Iterable[Check]) -> bool:
    one, other = _tests(before), _tests(after)
    return one.keys() != other.keys() or not all(_same(one[name], other[name]) for name in one)


def _changed_tests(before: EnvironmentView | None, after: EnvironmentView, built: set[str]) -> Iterator[str]:
    earlier = _tests(_all_checks(before.graph)) if before else {}
    readers = {node.unique_id: {node.unique_id} for node in after.graph.nodes}
    for node_id, check in _placed_checks(after.graph):
        if check.unique_id in earlier and _same(earlier[check.unique_id], check.fingerprint):
            continue
        if not built & ({*check.depends_on} | readers.get(node_id, set())):
            yield check.unique_id


def _same(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _all_checks(graph: NodeGraph) -> Iterator[Check]:
    return (check for _, check in _placed_checks(graph))


def _placed_checks(graph: NodeGraph) -> Iterator[tuple[str, Check]]:
    """Every test, with the node that it belongs to or an empty text."""
    for node in graph.nodes:
        for check in node.checks:
            yield node.unique_id, check
    for check in graph.checks:
        yield "", check


def _counts(planned: Iterable[PlannedNode], total: int) -> PlanCounts:
    listed = list(planned)
    actions = Counter(node.action for node in listed)
    downstream = sum(node.changes == ("upstream",) for node in listed)
    return PlanCounts(
        added=actions["added"],
        removed=actions["removed"],
        changed=actions["changed"] - downstream,
        downstream=downstream,
        unchanged=total - actions["added"] - actions["changed"],
        runs=sum(node.runs for node in listed),
    )
