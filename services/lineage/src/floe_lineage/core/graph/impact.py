"""What a change of a dataset, or of one column of it, reaches.

Where it is known which column is made of which, a change goes on through the columns that are made of what changes.
Where it is not, everything that a job writes may be reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import IntEnum

from floe_contracts.lineage_requests import Impact, ImpactEntry, ReadImpact
from floe_lineage.core.graph.column_edges import WHOLE, Column
from floe_lineage.core.graph.columns_read import known_column, landed_from
from floe_lineage.core.graph.views import seen_node
from floe_lineage.core.graph.walking import MOST_NODES, Seen


class Strength(IntEnum):
    """How surely a change reaches something; what comes after is never reached more surely."""

    UNCERTAIN = 1
    """No columns are known on the way."""
    INDIRECT = 2
    """By a filter, a join or the like."""
    DIRECT = 3
    """Values of it are in there."""


def read_impact(seen: Seen, request: ReadImpact) -> Impact:
    """All that a change reaches, the nearest first.

    Raises:
        NameUnknown: no dataset is called so there.
        NameAmbiguous: several are.
        ColumnUnknown: it has no such column.
    """
    root = seen.dataset(request.dataset)
    # What people call by the name of a landed table is its data, which others read from its relation.
    if request.field is not None:
        column = (root, known_column(seen, seen.graph.datasets[root], request.field))
        begins = [column, *landed_from(seen, column)]
    else:
        begins = [(each, WHOLE) for each in (root, *seen.landed_from(root))]
    reach = _Reach(seen)
    reach.spread(begins)
    reached = reach.distances.keys() - {dataset for dataset, _ in begins}
    order = sorted(reached, key=lambda each: (reach.distances[each], seen_name(seen, each), each))
    return Impact(
        root=root,
        entries=tuple(_entry(seen, reach, each) for each in order[:MOST_NODES]),
        truncated=reach.more or len(order) > MOST_NODES,
    )


def seen_name(seen: Seen, identity: str) -> str:
    """The name of a dataset or job that is known."""
    state = seen.graph.state(identity)
    return state.name if state is not None else ""


class _Reach:
    """What is reached by now, and how surely."""

    def __init__(self, seen: Seen) -> None:
        self.distances: dict[str, int] = {}
        self.jobs: dict[str, Strength] = {}
        self.columns: dict[str, dict[str, Strength]] = {}
        self.more = False
        self._seen = seen
        self._waiting: deque[Column] = deque()

    def spread(self, begins: Iterable[Column]) -> None:
        for dataset, column in begins:
            self.distances[dataset] = 0
            self.columns.setdefault(dataset, {})[column] = Strength.DIRECT
            self._waiting.append((dataset, column))
        while self._waiting:
            dataset, column = self._waiting.popleft()
            strength = self.columns[dataset][column]
            for job in self._seen.after(dataset):
                self._through(job, dataset, column, strength)
            if len(self.distances) > MOST_NODES:
                self.more = True
                return

    def _through(self, job: str, dataset: str, column: str, strength: Strength) -> None:
        graph = self._seen.graph
        known = graph.columns.known_outputs(job)
        outputs = self._seen.after(job)
        unknown = [each for each in outputs if each not in known]
        if unknown or not outputs:
            # Of a job that reads the whole of what changes that is sure, of what it writes it is not.
            self._job(job, dataset, strength if column == WHOLE else Strength.UNCERTAIN)
        for output in unknown:
            self._dataset(job, output, WHOLE, Strength.UNCERTAIN)
        of_job = graph.columns.of_job(job)
        for edge in of_job if column == WHOLE else graph.columns.after((dataset, column)):
            if edge.source[0] != dataset or edge not in of_job:
                continue
            if not graph.shows(edge.target[0], self._seen.environment):
                continue
            arrived = min(strength, Strength.DIRECT if edge.direct else Strength.INDIRECT)
            self._job(job, dataset, arrived)
            self._dataset(job, *edge.target, arrived)

    def _job(self, job: str, dataset: str, strength: Strength) -> None:
        self.distances.setdefault(job, self.distances[dataset] + 1)
        self.jobs[job] = max(strength, self.jobs.get(job, strength))

    def _dataset(self, job: str, dataset: str, column: str, strength: Strength) -> None:
        self.distances.setdefault(dataset, self.distances.get(job, 0) + 1)
        known = self.columns.setdefault(dataset, {})
        if strength > known.get(column, 0):
            known[column] = strength
            self._waiting.append((dataset, column))


def _entry(seen: Seen, reach: _Reach, identity: str) -> ImpactEntry:
    columns = reach.columns.get(identity, {})
    strengths: Iterable[Strength] = columns.values() if columns else [reach.jobs[identity]]
    surest = max(strengths)
    sure = (name for name, strength in columns.items() if name != WHOLE and strength > Strength.UNCERTAIN)
    return ImpactEntry(
        node=seen_node(seen, identity, reach.distances[identity]),
        columns=tuple(sorted(sure)),
        indirect=surest is Strength.INDIRECT,
        certain=surest is not Strength.UNCERTAIN,
    )
