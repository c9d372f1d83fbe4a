"""The runs that had to succeed before another one of the same attempt could begin."""

from __future__ import annotations

from collections.abc import Iterable

from floe_contracts.nodes import Node
from floe_contracts.openlineage import naming, run_facets
from floe_contracts.openlineage.facet import Facet
from floe_contracts.openlineage.naming import Place
from floe_contracts.openlineage.run_facets import RunReference


class Dependencies:
    """Remembers what has succeeded in one attempt; what an earlier one has built is not waited for."""

    def __init__(self, place: Place) -> None:
        self._namespace = naming.job_namespace(place)
        self._succeeded: dict[str, tuple[str, str]] = {}
        self._of: dict[str, dict[str, Facet]] = {}

    def succeeded(self, node: Node, job: str, run: str) -> None:
        """A node has ended well, in the run of that id of the job of that name."""
        self._succeeded[node.unique_id] = (job, run)

    def of(self, job: str, read: Iterable[Node]) -> dict[str, Facet]:
        """The facet of the run of a job, the same from its beginning on; none where no run of this attempt came before.

        Args:
            job: name of the job.
            read: the nodes that it reads.
        """
        if job not in self._of:
            upstream = [
                run_facets.dependency(self._namespace, *self._succeeded[node.unique_id], "IMPLICIT_DEPENDENCY")
                for node in read
                if node.unique_id in self._succeeded
            ]
            self._of[job] = {"jobDependencies": run_facets.job_dependencies(upstream)} if upstream else {}
        return self._of[job]

    def of_cause(self, cause: RunReference) -> Facet:
        """The facet of a run that another product's run led to."""
        namespace = naming.job_namespace(cause.place)
        found = run_facets.dependency(namespace, cause.place.product, cause.run_id, "DIRECT_INVOCATION")
        return run_facets.job_dependencies([found])
