"""All that is known of one tenant's datasets and jobs, in memory, with its edges to be followed both ways."""

from __future__ import annotations

from collections.abc import Iterable

from floe_contracts.lineage_requests import ANYWHERE
from floe_contracts.lineage_states import DatasetState, JobState, LineageState
from floe_lineage.core.graph.column_edges import Column, ColumnEdges
from floe_lineage.core.graph.names import NameIndex


class TenantGraph:
    """The datasets and jobs of a tenant.

    Attributes:
        datasets: by their ids.
        jobs: by their ids.
        columns: which column is made of which.
        declared: what columns are said to be.
        dataset_names: finds datasets by their names.
        job_names: finds jobs.
    """

    def __init__(self) -> None:
        self.datasets: dict[str, DatasetState] = {}
        self.jobs: dict[str, JobState] = {}
        self.columns = ColumnEdges()
        self.declared: dict[Column, tuple[str, ...]] = {}
        self.dataset_names = NameIndex()
        self.job_names = NameIndex()
        self._reads: dict[str, tuple[str, ...]] = {}
        self._writes: dict[str, tuple[str, ...]] = {}
        # Dictionaries stand for sets with an order, so that an answer which leaves something out is always the same.
        self._readers: dict[str, dict[str, None]] = {}
        self._writers: dict[str, dict[str, None]] = {}

    def put_dataset(self, state: DatasetState) -> set[Column]:
        """Take what is known of a dataset; its columns that are said to be something else than before."""
        identity = state.id
        known = self.datasets.get(identity)
        self.datasets[identity] = state
        if known is None:
            self.dataset_names.add(identity, state)
        if known is not None and known.declarations == state.declarations:
            return set()
        before = known.declared if known else {}
        after = state.declared
        changed = {(identity, name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        for column in changed:
            if said := after.get(column[1]):
                self.declared[column] = said
            else:
                self.declared.pop(column, None)
        return changed

    def put_job(self, state: JobState) -> set[Column]:
        """Take what is known of a job; the columns that are made of others than before."""
        identity = state.id
        known = self.jobs.get(identity)
        self.jobs[identity] = state
        if known is None:
            self.job_names.add(identity, state)
        if known is None or known.inputs != state.inputs:
            self._reads[identity] = _moved(self._readers, identity, self._reads, (each.id for each in state.inputs))
        if known is None or known.outputs != state.outputs:
            self._writes[identity] = _moved(self._writers, identity, self._writes, (each.id for each in state.outputs))
        if known is not None and known.columns is state.columns:
            return set()
        return self.columns.replace(state)

    def inputs(self, job_id: str) -> tuple[str, ...]:
        """The datasets that a job reads."""
        return self._reads.get(job_id, ())

    def outputs(self, job_id: str) -> tuple[str, ...]:
        """The datasets that a job writes."""
        return self._writes.get(job_id, ())

    def readers(self, dataset_id: str) -> Iterable[str]:
        """The jobs that read a dataset."""
        return self._readers.get(dataset_id, ())

    def writers(self, dataset_id: str) -> Iterable[str]:
        """The jobs that write a dataset."""
        return self._writers.get(dataset_id, ())

    def state(self, identity: str) -> DatasetState | JobState | None:
        """What is known of a dataset or job."""
        return self.datasets.get(identity) or self.jobs.get(identity)

    def shows(self, identity: str, environment: str) -> bool:
        """Whether a dataset or job is one of those that may be seen from an environment."""
        state = self.state(identity)
        return state is not None and is_shown(state, environment)


def is_shown(state: LineageState, environment: str) -> bool:
    """Whether a dataset or job may be seen from an environment: it was told of there, and is not gone."""
    if isinstance(state, DatasetState) and state.dropped:
        return False
    return environment == ANYWHERE or environment in state.environments


def _moved(
    index: dict[str, dict[str, None]], job_id: str, known: dict[str, tuple[str, ...]], datasets: Iterable[str]
) -> tuple[str, ...]:
    """Have the index lead from these datasets to the job, and no longer from those that it knew."""
    for dataset_id in known.get(job_id, ()):
        index[dataset_id].pop(job_id, None)
    now = tuple(datasets)
    for dataset_id in now:
        index.setdefault(dataset_id, {})[job_id] = None
    return now
