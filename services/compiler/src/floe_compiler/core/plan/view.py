"""An artifact with everything of it that a plan looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.nodes import Node, NodeGraph


@dataclass(frozen=True, slots=True)
class ArtifactView:
    """An artifact, and its nodes in each environment.

    Attributes:
        digest: of the artifact.
        artifact: the document.
        graphs: by name of the environment; every environment of the artifact has one.
    """

    digest: str
    artifact: CompiledArtifacts
    graphs: Mapping[str, NodeGraph]

    def environment(self, name: str) -> EnvironmentView | None:
        """The artifact in one environment, if it is in it."""
        compiled = self.artifact.environments.get(name)
        return None if compiled is None else EnvironmentView(name, self.artifact, compiled, self.graphs[name])


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """An artifact in one environment."""

    name: str
    artifact: CompiledArtifacts
    compiled: CompiledEnvironment
    graph: NodeGraph

    def landed(self) -> Iterator[Node]:
        """The nodes that become Iceberg tables; the executor lands the same ones."""
        return (node for node in self.graph.nodes if self.lands(node))

    def lands(self, node: Node) -> bool:
        """Whether the node becomes an Iceberg table."""
        return node.resource_type != "source" and node.materialized in self.artifact.landing

    def served(self) -> dict[str, Node]:
        """The models that Cube serves, by unique id."""
        if not self.artifact.serving.cube:
            return {}
        return {node.unique_id: node for node in self.graph.nodes if node.expose}


def relation(node: Node) -> str:
    """Schema and name of a node's relation, as people know the table."""
    return f"{node.schema_name}.{node.identifier}"
