"""The tables that a project declares: where they are in the catalog, and what their columns are to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.attached_catalogs import is_attached, is_in_attached
from floe_contracts.nodes import Node, NodeGraph
from floe_contracts.openlineage.naming import Place
from floe_lakehouse.identifiers import Identifier, product_table

_LANDED_FROM: Final = frozenset({"duckdb", "postgres"})
"""Computes whose tables are landed; the others' dbt adapters write where they please."""


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A column that the project declares: its type in the warehouse's own words, if it says one."""

    name: str
    data_type: str | None
    not_null: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTable:
    """A table that the project builds.

    Attributes:
        unique_id: dbt's id of the node.
        levels: where the table is in the catalog.
        relation: its schema and its name in the warehouse.
        compute: the type of the compute that builds it.
        columns: those that are declared.
        partition_by: the partition fields, as in `day(ordered_at)`.
        enforced: whether dbt holds the node to exactly these columns.
        attached: whether dbt writes it into the catalog itself, instead of floe.
    """

    unique_id: str
    levels: Identifier
    relation: tuple[str, str]
    compute: str
    columns: tuple[DeclaredColumn, ...]
    partition_by: tuple[str, ...]
    enforced: bool
    attached: bool

    @property
    def identifier(self) -> str:
        """Namespace and name, dotted."""
        return ".".join(self.levels)

    @property
    def words(self) -> tuple[str, ...]:
        """The types that it declares, in the warehouse's words."""
        return tuple(column.data_type for column in self.columns if column.data_type)

    @property
    def registered(self) -> bool:
        """Whether it is made ready in the catalog ahead of a run: floe lands it, and all of its columns are known."""
        complete = bool(self.columns) and all(column.data_type for column in self.columns)
        return self.enforced and complete and not self.attached


def declared_tables(
    place: Place, artifact: CompiledArtifacts, environment: CompiledEnvironment, graph: NodeGraph
) -> dict[str, DeclaredTable]:
    """The tables of a product that come into the catalog of an environment, by their identifiers."""
    attached = is_attached(environment)
    if environment.compute.type not in _LANDED_FROM:
        return {}
    tables = (
        _declared(place, environment, node, attached)
        for node in graph.nodes
        if (is_in_attached(node) if attached else _lands(node, artifact))
    )
    return {table.identifier: table for table in tables}


def _lands(node: Node, artifact: CompiledArtifacts) -> bool:
    return node.resource_type != "source" and node.materialized in artifact.landing


def _declared(place: Place, environment: CompiledEnvironment, node: Node, attached: bool) -> DeclaredTable:
    return DeclaredTable(
        unique_id=node.unique_id,
        levels=(node.schema_name, node.identifier)
        if attached
        else product_table(place, node.schema_name, node.identifier),
        relation=(node.schema_name, node.identifier),
        compute=environment.compute.type,
        columns=tuple(
            DeclaredColumn(column.name, column.data_type, "not_null" in column.constraints) for column in node.columns
        ),
        partition_by=node.landing.partition_by if node.landing else (),
        enforced=node.contract_enforced,
        attached=attached,
    )
