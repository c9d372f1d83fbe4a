"""What dbt's runs call the relations of a product: the names that queries must call them, too."""

from __future__ import annotations

from collections.abc import Mapping

from floe_contracts.artifacts import CompiledEnvironment
from floe_contracts.nodes import Node, NodeGraph
from floe_contracts.openlineage.naming import Place, relation, warehouse_namespace
from floe_semantic.core.queries.uses import Relation


def relations_of(place: Place, environment: CompiledEnvironment, graph: NodeGraph) -> Mapping[str, Relation]:
    """The relations of the nodes that Cube serves, by their unique ids."""
    return {node.unique_id: _relation(place, environment, node) for node in graph.nodes if node.expose}


def _relation(place: Place, environment: CompiledEnvironment, node: Node) -> Relation:
    own = environment.computes.get(node.compute) if node.compute else None
    compute = own or environment.compute
    namespace = warehouse_namespace(place, compute.type, compute.properties)
    return Relation((namespace, relation(node)), {column.name.casefold(): column.name for column in node.columns})
