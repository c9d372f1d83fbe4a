"""The facets of the jobs of a run: the product's, one of each node and test, one of each landing."""

from __future__ import annotations

from posixpath import normpath
from typing import Final

from floe_contracts.artifacts import ProductIdentity
from floe_contracts.events import SourceReference
from floe_contracts.nodes import Exposure, Node
from floe_contracts.openlineage import job_facets
from floe_contracts.openlineage.facet import Facet
from floe_executor.core.lineage.datasets import Datasets
from floe_executor.core.lineage.meta import owner_of
from floe_executor.core.lineage.source_code import location

_LONGEST_CODE: Final = 200_000


class Jobs:
    """Describes the jobs of one run; what is said of one is made once."""

    def __init__(
        self, product: ProductIdentity, project: str, package: str, source: SourceReference | None, datasets: Datasets
    ) -> None:
        """Begin with what all jobs share.

        Args:
            product: whose jobs they are.
            project: folder of the dbt project, from the product's.
            package: the dbt project's name.
            source: where the product's code came from.
            datasets: of the run.
        """
        self._product = product
        self._project = project
        self._package = package
        self._source = source
        self._datasets = datasets
        self._own: dict[str, Facet] = {}
        self._parts: dict[str, dict[str, Facet]] = {}

    def product(self) -> dict[str, Facet]:
        """The facets of the product's own job."""
        if not self._own:
            product = self._product
            self._own = {
                "jobType": job_facets.job_type("PRODUCT", "FLOE"),
                "ownership": job_facets.owners(product.owner),
            }
            if product.description:
                self._own["documentation"] = job_facets.documentation(product.description)
            if product.labels:
                labels = [(key, value, "FLOE") for key, value in sorted(product.labels.items())]
                self._own["tags"] = job_facets.tags(labels)
            if source := location(self._source):
                self._own["sourceCodeLocation"] = source
        return self._own

    def node(self, unique_id: str, compiled: str | None, *, ended: bool) -> dict[str, Facet]:
        """The facets of a node's or a test's job.

        Args:
            unique_id: of the node or test.
            compiled: what was executed, where it is known.
            ended: whether it has ended. Before, a model is a template and no SQL yet.
        """
        node = self._datasets.node(unique_id)
        if unique_id not in self._parts:
            self._parts[unique_id] = self._of_node(unique_id, node) if node else self._of_test(unique_id)
        raw = node.raw_code if node and ended and not node.path.endswith(".py") else None
        code = compiled or raw
        if not code or len(code) > _LONGEST_CODE:
            return self._parts[unique_id]
        dialect = self._datasets.warehouse(node or self._datasets.about(unique_id))
        return self._parts[unique_id] | {"sql": job_facets.sql(code, dialect)}

    def exposure(self, exposure: Exposure) -> dict[str, Facet]:
        """The facets of somebody who reads the tables: a dashboard, a notebook, another application."""
        found = {
            "jobType": job_facets.job_type("EXPOSURE", processing="SERVICE"),
            "tags": job_facets.tags([("exposure", exposure.type, "DBT")]),
        }
        if exposure.owner:
            found["ownership"] = job_facets.owners(exposure.owner)
        if exposure.description:
            found["documentation"] = job_facets.documentation(exposure.description)
        return found

    def landing(self, node: Node | None) -> dict[str, Facet]:
        """The facets of the job that lands a node's table."""
        return {
            "jobType": job_facets.job_type("LANDING", "FLOE"),
            "ownership": job_facets.owners((node and owner_of(node)) or self._product.owner),
        }

    def _of_node(self, unique_id: str, node: Node) -> dict[str, Facet]:
        kind = unique_id.partition(".")[0]
        found = {
            "jobType": job_facets.job_type(kind.upper(), _integration(kind)),
            "ownership": job_facets.owners(owner_of(node) or self._product.owner),
        }
        if node.description:
            found["documentation"] = job_facets.documentation(node.description)
        if node.tags:
            found["tags"] = job_facets.tags((tag, "true", "DBT") for tag in node.tags)
        return found | self._location(unique_id, node.path)

    def _of_test(self, unique_id: str) -> dict[str, Facet]:
        """A test belongs to whom the table belongs that it is about; a quality check stands in floe.yaml."""
        kind = unique_id.partition(".")[0]
        check, about, _ = self._datasets.tested(unique_id)
        owners = {owner_of(node) for node in about}
        found = {
            "jobType": job_facets.job_type("TEST", _integration(kind)),
            "ownership": job_facets.owners((owners.pop() if len(owners) == 1 else None) or self._product.owner),
        }
        return found | self._location(unique_id, check.path if check else None)

    def _location(self, unique_id: str, path: str | None) -> dict[str, Facet]:
        """Where the code is; that of an installed package is not in the product's repository, or not where it says."""
        of_package = not unique_id.startswith("python") and unique_id.split(".")[1] != self._package
        if path is None or of_package:
            return {}
        source = location(self._source, normpath(f"{self._project}/{path}"))
        return {"sourceCodeLocation": source} if source else {}


def _integration(kind: str) -> str:
    return "FLOE" if kind.startswith("python") else "DBT"
