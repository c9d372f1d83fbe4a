"""The nodes of a dbt project as the rest of floe sees them: the blob that an artifact names per environment.

It is read from the manifest by the compiler and is all that the catalog, the lineage and the semantic service need to
know about the project; none of them reads dbt's own files.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from floe_contracts.events import Data, FirstMajor

ClassificationName = Literal["public", "internal", "identifier", "pii", "financial"]
Sensitivity = Literal["low", "medium", "high"]


class Classification(Data):
    """What `meta.floe` of a column says about its data."""

    classification: ClassificationName = Field(description="What sort of data it is.")
    pii_type: str | None = Field(default=None, description="What kind of personal data, as the project calls it.")
    sensitivity: Sensitivity = Field(default="medium", description="How much harm its loss would do.")


class Column(Data):
    """A documented column."""

    name: str = Field(description="Name in the relation.")
    data_type: str | None = Field(default=None, description="Type, as the project declares it.")
    description: str = Field(default="", description="Description, as the project says.")
    classification: Classification | None = None
    row_owner: bool = Field(default=False, description="Whether it names the owner of a row.")


class Check(Data):
    """A dbt test on a node."""

    unique_id: str = Field(description="dbt's id of the test.")
    name: str = Field(description="unique, not_null, relationships, ... or the name of a singular test")
    column: str | None = Field(default=None, description="The column that it tests.")
    depends_on: tuple[str, ...] = ()
    to_node: str | None = Field(default=None, description="The other side of a relationships test.")
    to_column: str | None = Field(default=None, description="Its column.")


class Node(Data):
    """A model, seed, snapshot or source."""

    unique_id: str = Field(description="dbt's id.")
    name: str = Field(description="Name in the project.")
    resource_type: Literal["model", "seed", "snapshot", "source"] = Field(description="dbt's kind of node.")
    materialized: str = Field(description="table, view, incremental, seed, snapshot; 'source' for a source")
    database: str = Field(description="Database of the relation.")
    schema_name: str = Field(description="Schema of the relation.")
    identifier: str = Field(description="Name of the relation.")
    path: str = Field(description="The file, from the dbt project's folder.")
    description: str = Field(default="", description="Description, as the project says.")
    owner: str | None = Field(default=None, description="Whom to ask.")
    tier: str | None = Field(default=None, description="Tier, as the project says.")
    tags: tuple[str, ...] = Field(default=(), description="dbt's tags.")
    expose: bool = Field(default=False, description="Whether Cube serves it.")
    depends_on: tuple[str, ...] = Field(default=(), description="Ids of the nodes that it reads.")
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = Field(default=(), description="Columns that name a row.")
    unique_key: tuple[str, ...] = Field(default=(), description="Columns by which an incremental node replaces rows.")
    checks: tuple[Check, ...] = ()
    raw_code: str | None = Field(default=None, description="The code as it stands in the project.")


class Exposure(Data):
    """Who uses the tables."""

    unique_id: str = Field(description="dbt's id.")
    name: str = Field(description="Name in the project.")
    type: str = Field(description="dbt's kind of exposure.")
    owner: str | None = Field(default=None, description="Whom to ask.")
    description: str = Field(default="", description="Description, as the project says.")
    depends_on: tuple[str, ...] = Field(default=(), description="Ids of the nodes that it reads.")


class NodeGraph(Data):
    """All nodes of one environment, sorted by unique id."""

    version: FirstMajor = Field(default="1.0", description="Version of this document's form.")
    project: str = Field(description="Name of the dbt project.")
    nodes: tuple[Node, ...]
    checks: tuple[Check, ...] = Field(description="Tests that belong to no single node.")
    exposures: tuple[Exposure, ...] = ()
    semantic_models: tuple[dict[str, Any], ...] = Field(
        default=(), description="MetricFlow semantic models, as the manifest has them."
    )
    metrics: tuple[dict[str, Any], ...] = Field(default=(), description="MetricFlow metrics, as the manifest has them.")
    saved_queries: tuple[dict[str, Any], ...] = Field(
        default=(), description="MetricFlow saved queries, as the manifest has them."
    )

    def node(self, unique_id: str) -> Node | None:
        """The node of that id, if there is one."""
        return next((node for node in self.nodes if node.unique_id == unique_id), None)
