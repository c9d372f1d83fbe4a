"""The runs that had to succeed before another one of the same attempt could begin."""

from __future__ import annotations

from collections.abc import Iterable

from floe_contracts.nodes import Node
from floe_contracts.openlineage import naming, run_facets
from floe_contracts.openlineage.facet import Facet
from floe_contracts.openlineage.run_facets import RunReference
from floe_contracts.runs import RunRecord


class Dependencies:
    """Remembers what has succeeded in one attempt; what an earlier one has built is not waited for."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._succeeded: dict[str, Facet] = {}
        self._of: dict[str, dict[str, Facet]] = {}

    def succeeded(self, unique_id: str) -> None:
        """A node has ended well."""
        record = self._record
        job = naming.node_job(record.place, unique_id)
        run = naming.node_run_id(record.run_id, record.attempt, job)
        namespace = naming.job_namespace(record.place)
        self._succeeded[unique_id] = run_facets.dependency(namespace, job, run, "IMPLICIT_DEPENDENCY")

    def of(self, job: str, read: Iterable[Node]) -> dict[str, Facet]:
        """The facet of the run of a job, the same from its beginning on; none where no run of this attempt came before.

        Args:
            job: name of the job.
            read: the nodes that it reads.
        """
        if job not in self._of:
            upstream = [self._succeeded[node.unique_id] for node in read if node.unique_id in self._succeeded]
            self._of[job] = {"jobDependencies": run_facets.job_dependencies(upstream)} if upstream else {}
        return self._of[job]

    def of_cause(self, cause: RunReference) -> Facet:
        """The facet of a run that another product's run led to."""
        namespace = naming.job_namespace(cause.place)
        found = run_facets.dependency(namespace, cause.place.product, cause.run_id, "DIRECT_INVOCATION")
        return run_facets.job_dependencies([found])
