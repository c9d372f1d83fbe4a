"""What a dataset or job is made of, and what is made of it, as far as an answer holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from floe_contracts.lineage_requests import Direction, GraphEdge, LineageGraph, ReadGraph
from floe_contracts.lineage_states import LineageState
from floe_lineage.core.graph.column_edges import Edge
from floe_lineage.core.graph.derivations import Derivations
from floe_lineage.core.graph.facts import LANDING
from floe_lineage.core.graph.names import find_named
from floe_lineage.core.graph.tenant_graph import TenantGraph, is_shown
from floe_lineage.core.graph.views import edges_between, seen_node

MOST_NODES: Final = 500
MOST_EDGES: Final = 2_000
MOST_COLUMN_EDGES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen, and from where.

    Attributes:
        graph: all of a tenant.
        derivations: what its columns are because of others.
        environment: nothing that was never told of there is found, walked through or shown.
    """

    graph: TenantGraph
    derivations: Derivations
    environment: str

    def dataset(self, name: str) -> str:
        """The id of the dataset that is called so; raises what `find_named` raises."""
        graph = self.graph
        return find_named("dataset", name, graph.dataset_names, graph.datasets, self._is_shown)

    def job(self, name: str) -> str:
        """The id of the job that is called so; raises what `find_named` raises."""
        return find_named("job", name, self.graph.job_names, self.graph.jobs, self._is_shown)

    def after(self, identity: str) -> Iterable[str]:
        """What comes after a dataset (its readers) or a job (what it writes)."""
        return self._shown(self.graph.readers(identity) or self.graph.outputs(identity))

    def before(self, identity: str) -> Iterable[str]:
        """What comes before a dataset (its writers) or a job (what it reads)."""
        return self._shown(self.graph.writers(identity) or self.graph.inputs(identity))

    def landed_from(self, dataset_id: str) -> list[str]:
        """The relations that a table was landed from: the same data, whose readers people ask for by its name."""
        writers = self._shown(self.graph.writers(dataset_id))
        landings = (each for each in writers if self.graph.jobs[each].type == LANDING)
        return [relation for landing in landings for relation in self.before(landing)]

    def shows_edge(self, edge: Edge) -> bool:
        """Whether any of the jobs that make a column of another one can be seen."""
        return any(self.graph.shows(job, self.environment) for job in self.graph.columns.makers(edge))

    def _shown(self, found: Iterable[str]) -> list[str]:
        return [each for each in found if self.graph.shows(each, self.environment)]

    def _is_shown(self, state: LineageState) -> bool:
        return is_shown(state, self.environment)


def read_graph(seen: Seen, request: ReadGraph) -> LineageGraph:
    """The part of the graph that is asked for; what is downstream of a landed table begins at its relation, too.

    Raises:
        NameUnknown: nothing is called so there.
        NameAmbiguous: several are.
    """
    is_job = request.job is not None
    root = seen.job(request.job) if request.job is not None else seen.dataset(request.dataset or "")
    farthest = 2 * request.depth - 1 if is_job else 2 * request.depth
    distances, more = walk(seen, root, request.direction, farthest)
    order = sorted(distances, key=lambda each: (distances[each], _name(seen, each), each))
    kept, more = order[:MOST_NODES], more or len(order) > MOST_NODES
    within = set(kept)
    edges = sorted(_edges(seen, within))
    column_edges = sorted(edges_between(seen.graph, within), key=repr) if request.columns else []
    return LineageGraph(
        root=root,
        nodes=tuple(seen_node(seen, each, distances[each], columns=request.columns) for each in kept),
        edges=tuple(GraphEdge(source=source, target=target) for source, target in edges[:MOST_EDGES]),
        column_edges=tuple(edge.told() for edge in column_edges[:MOST_COLUMN_EDGES]),
        truncated=more or len(edges) > MOST_EDGES or len(column_edges) > MOST_COLUMN_EDGES,
    )


def walk(seen: Seen, root: str, direction: Direction, farthest: int) -> tuple[dict[str, int], bool]:
    """Id -> steps from the root, and whether there is more than an answer holds."""
    distances = {root: 0}
    more = False
    for wanted, follow in (("upstream", seen.before), ("downstream", seen.after)):
        if direction in (wanted, "both"):
            reached = _reached([root, *(seen.landed_from(root) if follow == seen.after else ())], follow, farthest)
            more = more or len(reached) > MOST_NODES
            for each, distance in reached.items():
                distances[each] = min(distance, distances.get(each, distance))
    return distances, more


def _reached(roots: Iterable[str], follow: Callable[[str], Iterable[str]], farthest: int) -> dict[str, int]:
    """The nearest ones, one more than an answer holds at most."""
    reached = dict.fromkeys(roots, 0)
    waiting = deque(reached)
    while waiting:
        near = waiting.popleft()
        if reached[near] == farthest:
            break
        for each in follow(near):
            if each not in reached:
                reached[each] = reached[near] + 1
                waiting.append(each)
                if len(reached) > MOST_NODES:
                    return reached
    return reached


def _edges(seen: Seen, within: set[str]) -> Iterable[tuple[str, str]]:
    for identity in within:
        if identity in seen.graph.jobs:
            yield from ((each, identity) for each in seen.graph.inputs(identity) if each in within)
            yield from ((identity, each) for each in seen.graph.outputs(identity) if each in within)


def _name(seen: Seen, identity: str) -> str:
    state = seen.graph.state(identity)
    return state.name if state else ""
