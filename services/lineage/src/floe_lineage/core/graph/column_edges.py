"""Which column is made of which, over all jobs of a tenant."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import lru_cache
from sys import intern
from typing import Final, NamedTuple, TypeAlias

from floe_contracts.lineage_requests import ColumnEdge, node_id
from floe_contracts.lineage_states import ColumnSource, JobState, OutputColumns

Column: TypeAlias = tuple[str, str]
"""Id of a dataset, and its column; an empty column stands for the dataset as a whole."""

WHOLE: Final = ""
_AGGREGATION: Final = "AGGREGATION"


class Edge(NamedTuple):
    """A column is made of another one."""

    source: Column
    target: Column
    direct: bool
    subtype: str | None
    masking: bool

    @property
    def carries(self) -> bool:
        """Whether what the source is, the target is too: a mere count of values says nothing of any of them."""
        return self.direct and not (self.masking and self.subtype == _AGGREGATION)

    def told(self) -> ColumnEdge:
        """The edge as answers have it."""
        return ColumnEdge(
            source=self.source[0],
            source_field=self.source[1],
            target=self.target[0],
            target_field=self.target[1],
            type="DIRECT" if self.direct else "INDIRECT",
            subtype=self.subtype,
            masking=self.masking,
        )


class ColumnEdges:
    """The edges of all jobs, to be followed both ways."""

    def __init__(self) -> None:
        self._of_job: dict[str, frozenset[Edge]] = {}
        # The jobs that make an edge stand with it once, where it begins.
        self._from: dict[Column, dict[Edge, tuple[str, ...]]] = {}
        self._to: dict[Column, dict[Edge, None]] = {}
        self._outputs: dict[str, frozenset[str]] = {}

    def replace(self, job: JobState) -> set[Column]:
        """Take the edges of a job instead of those that it had; the columns whose making has changed by that."""
        identity = job.id
        before = self._of_job.get(identity, frozenset())
        after = frozenset(_edges(job.columns))
        if after:
            self._of_job[identity] = after
        else:
            self._of_job.pop(identity, None)
        whole = (each for each in job.columns if not each.partial)
        self._outputs[identity] = frozenset(node_id("dataset", each.namespace, each.name) for each in whole)
        for edge in before - after:
            self._drop(edge, identity)
        alone = (identity,)  # one for all of the job's edges: there are many, and they stay
        for edge in after - before:
            makers = self._from.setdefault(edge.source, {})
            makers[edge] = (*makers[edge], identity) if edge in makers else alone
            self._to.setdefault(edge.target, {})[edge] = None
        return {edge.target for edge in before ^ after}

    def after(self, column: Column) -> Iterable[Edge]:
        """The edges that begin at a column."""
        return self._from.get(column, ())

    def before(self, column: Column) -> Iterable[Edge]:
        """The edges that end at a column."""
        return self._to.get(column, ())

    def makers(self, edge: Edge) -> tuple[str, ...]:
        """Ids of the jobs that make an edge."""
        return self._from.get(edge.source, {}).get(edge, ())

    def beginning_in(self, datasets: Container[str]) -> list[Column]:
        """The columns of these datasets that others are made of."""
        return [column for column in self._from if column[0] in datasets]

    def of_job(self, job_id: str) -> frozenset[Edge]:
        """The edges of one job."""
        return self._of_job.get(job_id, frozenset())

    def known_outputs(self, job_id: str) -> frozenset[str]:
        """Ids of a job's outputs of which the making of all columns is known."""
        return self._outputs.get(job_id, frozenset())

    def _drop(self, edge: Edge, job_id: str) -> None:
        makers = self._from[edge.source]
        if others := tuple(each for each in makers[edge] if each != job_id):
            makers[edge] = others
            return
        del makers[edge]
        if not makers:
            del self._from[edge.source]
        ending = self._to[edge.target]
        del ending[edge]
        if not ending:
            del self._to[edge.target]


@lru_cache(maxsize=2**16)
def _dataset_id(namespace: str, name: str) -> str:
    """One id for all edges of a dataset: there are many, and they stay."""
    return node_id("dataset", namespace, name)


def _edges(outputs: Iterable[OutputColumns]) -> Iterator[Edge]:
    for output in outputs:
        target = _dataset_id(output.namespace, output.name)
        for column, sources in output.columns.items():
            for source in sources:
                yield _edge(source, (target, intern(column)))
        for source in output.whole:
            yield _edge(source, (target, WHOLE))


def _edge(source: ColumnSource, target: Column) -> Edge:
    begin = (_dataset_id(source.namespace, source.dataset), intern(source.field))
    return Edge(begin, target, source.type == "DIRECT", source.subtype, source.masking)
