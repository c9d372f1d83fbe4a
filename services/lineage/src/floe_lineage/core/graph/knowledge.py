"""All that is known of one tenant: its graph, and what columns are because of others."""

from __future__ import annotations

from collections.abc import Iterable

from floe_contracts.lineage_requests import node_id
from floe_contracts.lineage_states import DatasetState, JobState, LineageState
from floe_contracts.openlineage.enrichment import Derived
from floe_lineage.core.graph.column_edges import Column
from floe_lineage.core.graph.derivations import Derivations
from floe_lineage.core.graph.tenant_graph import TenantGraph


class Knowledge:
    """The graph of a tenant and what follows from it, kept together.

    Attributes:
        graph: datasets, jobs and edges.
        derivations: what columns are because of others.
    """

    def __init__(self) -> None:
        self.graph = TenantGraph()
        self.derivations = Derivations(self.graph)

    def take(self, states: Iterable[LineageState]) -> set[str]:
        """Take records; ids of the jobs of which there may be something new to tell."""
        changed: set[Column] = set()
        touched: set[str] = set()
        for state in states:
            if isinstance(state, DatasetState):
                changed |= self.graph.put_dataset(state)
            elif isinstance(state, JobState):
                touched.add(state.id)
                changed |= self.graph.put_job(state)
        for dataset in self.derivations.recompute(changed) if changed else ():
            touched.update(self.graph.writers(dataset))
        return touched

    def touched_since(self, sequence: int) -> set[str]:
        """Ids of the jobs of which there may be something new to tell by events after that number of the stream."""
        jobs = {identity for identity, job in self.graph.jobs.items() if job.sequence > sequence}
        datasets = {identity for identity, state in self.graph.datasets.items() if state.sequence > sequence}
        for identity in jobs:
            datasets.update(self.graph.outputs(identity))
            if (told := self.graph.jobs[identity].told) is not None:
                datasets.update(node_id("dataset", each.namespace, each.name) for each in told.outputs)
        for dataset in self.derivations.downstream(self.graph.columns.beginning_in(datasets)) | datasets:
            jobs.update(self.graph.writers(dataset))
        return jobs

    def dataset(self, name: tuple[str, str]) -> DatasetState | None:
        """What is known of the dataset of that namespace and name."""
        return self.graph.datasets.get(node_id("dataset", *name))

    def derived(self, name: tuple[str, str]) -> dict[str, tuple[Derived, ...]]:
        """Column of a dataset -> what it is because of others, in the order of their names."""
        identity = node_id("dataset", *name)
        return {field: self._of((identity, field)) for field in sorted(self.derivations.of_dataset(identity))}

    def _of(self, column: Column) -> tuple[Derived, ...]:
        return tuple(
            Derived(classification, reach.masked, self._path(column, classification))
            for classification, reach in sorted(self.derivations.of_column(column).items())
        )

    def _path(self, column: Column, classification: str) -> tuple[tuple[str, str, str], ...]:
        """The path, without datasets that are known by what jobs say of them alone: their records may be gone."""
        return tuple(
            (state.namespace, state.name, field)
            for dataset, field in self.derivations.path(column, classification)
            if (state := self.graph.datasets.get(dataset)) is not None
        )
