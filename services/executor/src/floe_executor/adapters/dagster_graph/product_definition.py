"""What Dagster has to know of a product to show it: the artifact's graph in one environment.

The document is kept in the Dagster instance itself, so that whatever opens the instance (an executor, the code location
of Dagster's UI) finds every product without a bus, a blob store or a folder in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import Field

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.compiled_product import CompiledPartitions
from floe_contracts.data import Data, FirstMajor
from floe_contracts.nodes import NodeGraph
from floe_contracts.openlineage.naming import Place

_FOLDERS: Final = {"model": "models", "seed": "seeds", "snapshot": "snapshots", "python": "python"}


class ProductDefinition(Data):
    """A product in an environment."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    tenant: str = Field(description="Whom the product belongs to.")
    environment: str = Field(description="Name of the environment.")
    product: str = Field(description="Name of the product.")
    artifact_digest: str = Field(description="The artifact that is meant.")
    description: str = Field(default="", description="What the product is.")
    owner: str = Field(default="", description="Whose it is.")
    compute: str = Field(description="Type of the environment's compute.")
    partitions: CompiledPartitions | None = Field(default=None, description="The parts in which it is built.")
    graph: NodeGraph = Field(description="Its nodes and tests, without their code.")
    groups: dict[str, str] = Field(default={}, description="Group of each node that has one, by id.")
    unit_tests: dict[str, str] = Field(default={}, description="The node that each unit test of dbt tests, by ids.")

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.tenant, self.environment, self.product)


def define_product(
    place: Place,
    *,
    artifact: CompiledArtifacts,
    digest: str,
    environment: CompiledEnvironment,
    graph: NodeGraph,
    manifest: Mapping[str, Any],
) -> ProductDefinition:
    """The definition of an artifact's product in a place; what only the dbt manifest knows is taken from there."""
    shown = NodeGraph(
        project=graph.project,
        nodes=tuple(
            node.model_copy(update={"raw_code": None, "fingerprints": None, "meta": {}}) for node in graph.nodes
        ),
        checks=graph.checks,
    )
    return ProductDefinition(
        tenant=place.tenant,
        environment=place.environment,
        product=place.product,
        artifact_digest=digest,
        description=artifact.product.description,
        owner=artifact.product.owner,
        compute=environment.compute.type,
        partitions=artifact.orchestration.partitions,
        graph=shown,
        groups=_groups(graph, manifest),
        unit_tests=_unit_tests(manifest),
    )


def _groups(graph: NodeGraph, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Dbt's group, else the tier, else the folder."""
    told = manifest.get("nodes", {})
    groups = {}
    for node in graph.nodes:
        if node.resource_type == "source":
            continue
        of_dbt = told.get(node.unique_id, {}).get("config", {}).get("group")
        folders = PurePosixPath(node.path).parts[1:-1]
        inside = folders[0] if folders and node.resource_type == "model" else _FOLDERS[node.resource_type]
        groups[node.unique_id] = of_dbt or node.tier or inside
    return groups


def _unit_tests(manifest: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for unique_id, test in manifest.get("unit_tests", {}).items():
        tested = [one for one in test.get("depends_on", {}).get("nodes", ()) if one.startswith("model.")]
        if tested:
            found[unique_id] = tested[0]
    return found
