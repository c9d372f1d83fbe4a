"""The order in which dbt and Python build one graph: phases of either, each after all that it reads.

dbt orders its own nodes, and knows nothing of Python transforms: it reads their tables as sources. So where both are
built in turn, dbt builds a named part of its project in each of its phases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from floe_contracts.dbt_selection import dbt_selection
from floe_contracts.nodes import NodeGraph
from floe_executor.core.node_reports import NodeStatus
from floe_executor.core.transform_nodes import PYTHON
from floe_executor.errors import TransformCycle


@dataclass(frozen=True, slots=True)
class DbtPhase:
    """A part of the dbt project: the ids of its nodes and tests, or None for whatever the request selects."""

    node_ids: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class PythonPhase:
    """Python transforms by their names, each after those that it reads."""

    names: tuple[str, ...]


Phase = DbtPhase | PythonPhase


def phases(
    graph: NodeGraph, selected: frozenset[str] | None = None, *, transforms: frozenset[str] | None = None
) -> tuple[Phase, ...]:
    """As few phases as can be, in their order.

    Args:
        graph: dbt's nodes, and the Python transforms among them (`transform_nodes.with_transforms`).
        selected: ids of what is built, None for everything. A test that is not named runs where dbt would run it:
            when a node that it tests is built, unless tests are named.
        transforms: ids of the Python transforms that are built, where dbt alone knows what else is; None: as
            `selected` says.

    Raises:
        TransformCycle: something would be built from itself.
    """
    python = {node.unique_id: node.name for node in graph.nodes if node.resource_type == PYTHON}
    built = python.keys() & (selected if selected is not None else python.keys() if transforms is None else transforms)
    if not built:
        return (DbtPhase(None),)
    needs = _needs(graph)
    members = frozenset(_dbt_members(graph, selected) | built)
    order = _ordered(needs, graph)
    plans = [_plan(order, needs, members, python, python_first=first) for first in (False, True)]
    made: list[Phase] = []
    for ids in min(plans, key=len):
        if ids[0] in python:
            made.append(PythonPhase(tuple(python[each] for each in ids)))
        else:
            made.append(DbtPhase(frozenset(ids)))
    if selected is None and isinstance(made[0], DbtPhase) and sum(isinstance(phase, DbtPhase) for phase in made) == 1:
        made[0] = DbtPhase(None)
    return tuple(made)


def dbt_arguments(graph: NodeGraph, phase: DbtPhase, asked: tuple[str, ...]) -> tuple[str, ...]:
    """What `dbt build` gets in a phase: what the request asks for, without what belongs to other phases.

    Args:
        graph: as `phases` takes it.
        phase: one of its phases.
        asked: the arguments of the request: a selection of its own holds in every phase.
    """
    if phase.node_ids is None:
        return asked
    nodes = {node.unique_id for node in graph.nodes if node.resource_type not in {"source", PYTHON}}
    others = (nodes | _tests(graph).keys()) - phase.node_ids
    criteria = dbt_selection(graph, others & nodes, others - nodes)
    return with_values(asked, "--exclude", criteria)


def with_values(arguments: tuple[str, ...], option: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments with more values of an option that takes several."""
    if not values:
        return arguments
    if option not in arguments:
        return (*arguments, option, *values)
    at = arguments.index(option) + 1
    return (*arguments[:at], *values, *arguments[at:])


def standing(graph: NodeGraph, phase: Phase, ended: Mapping[str, NodeStatus]) -> tuple[Phase | None, tuple[str, ...]]:
    """What of a phase can be built after what came before it, and the ids of what is skipped.

    A node is skipped as dbt itself would: something that it is built from failed or was skipped, or a test of only
    such things failed.

    Args:
        graph: as `phases` takes it.
        phase: the phase that comes next.
        ended: how each node and test of the phases before ended, by id.

    Returns:
        The phase as it is to be built, None if nothing of it is left; and the ids of the others, sorted. Those of dbt
        may be more than the request selects, where dbt alone knows what that is.
    """
    blocked = _blocked(graph, ended) if any(_bad(status) for status in ended.values()) else frozenset()
    if isinstance(phase, PythonPhase):
        ids = {node.name: node.unique_id for node in graph.nodes if node.resource_type == PYTHON}
        left = tuple(name for name in phase.names if ids[name] not in blocked)
        skipped = tuple(sorted(ids[name] for name in phase.names if ids[name] in blocked))
        return (PythonPhase(left) if left else None), skipped
    if phase.node_ids is None or not phase.node_ids & blocked:
        return phase, ()
    rest = phase.node_ids - blocked
    return (DbtPhase(rest) if rest else None), tuple(sorted(phase.node_ids & blocked))


def _plan(
    order: tuple[str, ...],
    needs: Mapping[str, tuple[str, ...]],
    members: frozenset[str],
    python: Mapping[str, str],
    *,
    python_first: bool,
) -> list[list[str]]:
    """The members of each phase, when phases of both kinds take turns and each member is built as early as can be."""
    earliest: dict[str, int] = {}
    for unique_id in order:
        turn = max((earliest[need] for need in needs[unique_id]), default=0)
        if unique_id in members and (unique_id in python) != (turn % 2 == (0 if python_first else 1)):
            turn += 1
        earliest[unique_id] = turn
    built: dict[int, list[str]] = {}
    for unique_id in order:
        if unique_id in members:
            built.setdefault(earliest[unique_id], []).append(unique_id)
    return [built[turn] for turn in sorted(built)]


def _needs(graph: NodeGraph) -> dict[str, tuple[str, ...]]:
    """What each node and test reads, by ids of the graph."""
    known = {node.unique_id for node in graph.nodes}
    readers = [(node.unique_id, node.depends_on) for node in graph.nodes]
    readers += [(check.unique_id, check.depends_on) for node in graph.nodes for check in node.checks]
    readers += [(check.unique_id, check.depends_on) for check in graph.checks]
    return {unique_id: tuple(need for need in depends_on if need in known) for unique_id, depends_on in readers}


def _ordered(needs: Mapping[str, tuple[str, ...]], graph: NodeGraph) -> tuple[str, ...]:
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        names = {node.unique_id: node.name for node in graph.nodes if node.resource_type != "source"}
        # graphlib names a node before those that read it; people read it the other way round.
        cycle = [names[unique_id] for unique_id in reversed(error.args[1][1:]) if unique_id in names]
        least = cycle.index(min(cycle))
        cycle = [*cycle[least:], *cycle[: least + 1]]
        raise TransformCycle(
            f"the product's tables are built from themselves: {' reads '.join(cycle)}",
            hint="take one of these out of dependsOn, or out of the dbt model",
        ) from error


def _dbt_members(graph: NodeGraph, selected: frozenset[str] | None) -> set[str]:
    """The ids of what dbt builds or tests; the checks of Python transforms run with these."""
    built = {node.unique_id for node in graph.nodes if node.resource_type not in {"source", PYTHON}}
    tests = _tests(graph)
    if selected is None:
        return built | tests.keys()
    if named := tests.keys() & selected:
        return built & selected | named
    return built & selected | {test for test, tested in tests.items() if not selected.isdisjoint(tested)}


def _tests(graph: NodeGraph) -> dict[str, tuple[str, ...]]:
    """What each test of dbt tests."""
    checks = [*graph.checks, *(check for node in graph.nodes if node.resource_type != PYTHON for check in node.checks)]
    return {check.unique_id: check.depends_on for check in checks}


def _bad(status: NodeStatus) -> bool:
    return status in {NodeStatus.FAILED, NodeStatus.SKIPPED}


def _blocked(graph: NodeGraph, ended: Mapping[str, NodeStatus]) -> frozenset[str]:
    needs = _needs(graph)
    nodes = {node.unique_id for node in graph.nodes}
    bad = {unique_id for unique_id, status in ended.items() if unique_id in nodes and _bad(status)}
    failed_tests = [
        set(needs[unique_id])
        for unique_id, status in ended.items()
        if unique_id in needs and unique_id not in nodes and status is NodeStatus.FAILED
    ]
    ancestors: dict[str, frozenset[str]] = {}
    blocked: set[str] = set()
    for unique_id in _ordered(needs, graph):
        above = frozenset(needs[unique_id]).union(*(ancestors[need] for need in needs[unique_id]))
        ancestors[unique_id] = above
        stopped = any(tested and tested <= above for tested in failed_tests) and unique_id in nodes
        if stopped or not bad.isdisjoint(above) or not blocked.isdisjoint(above):
            blocked.add(unique_id)
    return frozenset(blocked)
