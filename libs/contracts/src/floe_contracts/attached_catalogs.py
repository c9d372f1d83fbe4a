"""Catalogs into which dbt writes a product's tables itself, since DuckDB has attached them as a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # dbt's process loads this module for the name alone
    from floe_contracts.artifacts import CompiledEnvironment
    from floe_contracts.nodes import Node

DATABASE: Final = "lake"
"""The name that dbt has such a catalog by, the same in every environment."""
_ATTACHED: Final = frozenset({"nessie", "polaris", "rest"})
"""The kinds of catalogs that DuckDB attaches."""


def is_attached(environment: CompiledEnvironment) -> bool:
    """Whether dbt writes into the environment's catalog itself, which DuckDB has attached."""
    return environment.compute.type == "duckdb" and environment.catalog.type in _ATTACHED


def is_in_attached(node: Node) -> bool:
    """Whether dbt builds a node into the attached catalog; what else a product builds stays in its DuckDB file."""
    return node.resource_type != "source" and node.database == DATABASE
