"""The nodes of a dbt project as the rest of floe sees them: the blob that an artifact names per environment.

It is read from the manifest by the compiler and is all that the catalog, the lineage and the semantic service need to
know about the project; none of them reads dbt's own files.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from floe_contracts.events import Data

ClassificationName = Literal["public", "internal", "identifier", "pii", "financial"]
Sensitivity = Literal["low", "medium", "high"]


class Classification(Data):
    """What `meta.floe` of a column says about its data."""

    classification: ClassificationName
    pii_type: str | None = None
    sensitivity: Sensitivity = "medium"


class Column(Data):
    """A documented column."""

    name: str
    data_type: str | None = None
    description: str = ""
    classification: Classification | None = None
    row_owner: bool = False


class Check(Data):
    """A dbt test on a node."""

    unique_id: str
    name: str = Field(description="unique, not_null, relationships, ... or the name of a singular test")
    column: str | None = None
    depends_on: tuple[str, ...] = ()
    to_node: str | None = Field(default=None, description="The other side of a relationships test.")
    to_column: str | None = None


class Node(Data):
    """A model, seed, snapshot or source."""

    unique_id: str
    name: str
    resource_type: Literal["model", "seed", "snapshot", "source"]
    materialized: str = Field(description="table, view, incremental, seed, snapshot; 'source' for a source")
    database: str
    schema_name: str
    identifier: str
    path: str = Field(description="The file, from the dbt project's folder.")
    description: str = ""
    owner: str | None = None
    tier: str | None = None
    tags: tuple[str, ...] = ()
    expose: bool = False
    depends_on: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = ()
    unique_key: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    raw_code: str | None = None


class Exposure(Data):
    """Who uses the tables."""

    unique_id: str
    name: str
    type: str
    owner: str | None = None
    description: str = ""
    depends_on: tuple[str, ...] = ()


class NodeGraph(Data):
    """All nodes of one environment, sorted by unique id."""

    version: Literal["1.0"] = "1.0"
    project: str
    nodes: tuple[Node, ...]
    checks: tuple[Check, ...] = Field(description="Tests that belong to no single node.")
    exposures: tuple[Exposure, ...] = ()
    semantic_models: tuple[dict[str, Any], ...] = Field(
        default=(), description="MetricFlow semantic models, as the manifest has them."
    )
    metrics: tuple[dict[str, Any], ...] = ()
    saved_queries: tuple[dict[str, Any], ...] = ()

    def node(self, unique_id: str) -> Node | None:
        """The node of that id, if there is one."""
        return next((node for node in self.nodes if node.unique_id == unique_id), None)
