"""The nodes of a dbt project as the rest of floe sees them: the blob that an artifact names per environment.

It is read from the manifest by the compiler and is all that the catalog, the lineage and the semantic service need to
know about the project; none of them reads dbt's own files.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from floe_contracts.data import Data, FirstMajor

CLASSIFICATION_PATTERN: Final = r"^[a-z][a-z0-9_]{0,62}$"
CLASSIFICATIONS: Final = ("public", "internal", "identifier", "pii", "financial", "high_sensitivity")
"""The names that floe knows; a platform may declare more."""
ClassificationName = Annotated[str, StringConstraints(pattern=CLASSIFICATION_PATTERN)]
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
    constraints: tuple[str, ...] = Field(
        default=(),
        description="Kinds of dbt's constraints on it, as in not_null, where the model enforces its contract.",
    )
    quoted: bool = Field(default=False, description="Whether dbt quotes the name, so that its case counts.")
    tags: tuple[str, ...] = Field(default=(), description="dbt's tags.")


class Check(Data):
    """A dbt test on a node."""

    unique_id: str = Field(description="dbt's id of the test.")
    name: str = Field(description="unique, not_null, relationships, ... or the name of a singular test")
    column: str | None = Field(default=None, description="The column that it tests.")
    depends_on: tuple[str, ...] = ()
    to_node: str | None = Field(default=None, description="The other side of a relationships test.")
    to_column: str | None = Field(default=None, description="Its column.")
    path: str | None = Field(
        default=None, description="The file that it is written in, from the dbt project's folder; None before 1.3."
    )
    fingerprint: str | None = Field(default=None, description="Changes when what it tests, or how, changes.")
    partial: bool = Field(
        default=False,
        description="Whether what it says may be untrue of a row: it looks at some rows only (where, limit), only "
        "warns, bears failures (warn_if, error_if), or is disabled.",
    )


class KeyConstraint(Data):
    """A key that the project declares as a constraint, on a column or on the model; whether enforced or not."""

    type: Literal["primary_key", "unique", "foreign_key"] = Field(description="dbt's kind of constraint.")
    columns: tuple[str, ...] = Field(description="The columns of the node that it is over.")
    to_node: str | None = Field(default=None, description="The node that a foreign key points to.")
    to_columns: tuple[str, ...] = Field(default=(), description="Its columns, in the order of `columns`.")


class Fingerprints(Data):
    """What a node is made of, each part as 32 hex digits; equal parts are built alike under the same version of dbt."""

    body: str = Field(description="Code or data, with the macros and variables that it uses.")
    config: str = Field(description="What else decides how and where it is built.")
    contract: str = Field(description="The columns and types that dbt enforces.")
    metadata: str = Field(description="Documentation, tags and meta: what no build depends on.")


class QualityCheck(Data):
    """Something that must hold of a table's rows, as floe.yaml says."""

    name: str = Field(description="Name of the check, unique within the table.")
    type: str = Field(description="not_null, unique, accepted_values, or the name of a dbt test.")
    column: str | None = Field(default=None, description="The column that it looks at.")
    dimension: str | None = Field(default=None, description="What sort of quality it speaks of.")
    severity: str = Field(description="critical, warning or info")
    parameters: dict[str, str | tuple[str, ...]] = Field(default={}, description="Arguments of the test.")


class NodeLanding(Data):
    """How a node's rows come into its Iceberg table, where the project says more than its materialisation does."""

    mode: Literal["replace", "upsert", "append"] | None = Field(
        default=None,
        description="replace: all rows. upsert: rows of the same unique_key. append: rows beyond the watermark. "
        "None: replace.",
    )
    watermark: str | None = Field(
        default=None, description="Column that only grows; append takes the rows above the largest one landed."
    )
    partition_by: tuple[str, ...] = Field(
        default=(),
        description="Iceberg's partition fields: a column, or year, month, day, hour, bucket[n] or truncate[n] of one, "
        "as in day(ordered_at).",
    )


MeasureAggregation = Literal["count", "count_distinct", "sum", "avg", "min", "max"]


class DeclaredMeasure(Data):
    """A measure that `meta.floe.measures` of a node declares, beside those of MetricFlow."""

    name: str = Field(description="Name, unique within the node.")
    type: MeasureAggregation = Field(description="How values are put together.")
    sql: str | None = Field(default=None, description="What is put together, of one row; None counts rows.")
    title: str = Field(default="", description="How people call it.")
    description: str = Field(default="", description="Description, as the project says.")
    filters: tuple[str, ...] = Field(default=(), description="Conditions in SQL; rows count that fulfil all of them.")


class Node(Data):
    """A model, seed, snapshot, source or Python transform."""

    unique_id: str = Field(description="dbt's id.")
    name: str = Field(description="Name in the project.")
    resource_type: Literal["model", "seed", "snapshot", "source", "python"] = Field(
        description="dbt's kind of node; python for a Python transform."
    )
    materialized: str = Field(description="table, view, incremental, seed, snapshot; 'source' for a source")
    database: str = Field(description="Database of the relation.")
    schema_name: str = Field(description="Schema of the relation.")
    identifier: str = Field(description="Name of the relation.")
    relation_name: str | None = Field(
        default=None, description="The relation, quoted as its warehouse wants it; None before 1.4."
    )
    path: str = Field(description="The file, from the dbt project's folder.")
    patch_path: str | None = Field(default=None, description="The file that documents it, from the same folder.")
    description: str = Field(default="", description="Description, as the project says.")
    owner: str | None = Field(default=None, description="Whom to ask.")
    tier: str | None = Field(default=None, description="Tier, as floe.yaml or the project says.")
    tags: tuple[str, ...] = Field(default=(), description="dbt's tags.")
    meta: dict[str, Any] = Field(default={}, description="dbt's meta, as the project says.")
    expose: bool = Field(default=False, description="Whether Cube serves it.")
    depends_on: tuple[str, ...] = Field(default=(), description="Ids of the nodes that it reads.")
    columns: tuple[Column, ...] = ()
    primary_key: tuple[str, ...] = Field(default=(), description="Columns that name a row.")
    keys: tuple[KeyConstraint, ...] = Field(default=(), description="Keys that the project declares as constraints.")
    unique_key: tuple[str, ...] = Field(default=(), description="Columns by which an incremental node replaces rows.")
    checks: tuple[Check, ...] = ()
    compute: str | None = Field(default=None, description="Logical name of another compute, as floe.yaml says.")
    quality_checks: tuple[QualityCheck, ...] = Field(default=(), description="What must hold of its rows.")
    raw_code: str | None = Field(default=None, description="The code as it stands in the project.")
    contract_enforced: bool = Field(default=False, description="Whether dbt holds it to its columns and their types.")
    fingerprints: Fingerprints | None = Field(default=None, description="None in a graph of version 1.0.")
    landing: NodeLanding | None = Field(default=None, description="How it lands, where meta.floe.landing says so.")
    measures: tuple[DeclaredMeasure, ...] = Field(default=(), description="What meta.floe.measures declares for Cube.")


class Exposure(Data):
    """Who uses the tables."""

    unique_id: str = Field(description="dbt's id.")
    name: str = Field(description="Name in the project.")
    type: str = Field(description="dbt's kind of exposure.")
    label: str | None = Field(default=None, description="How people call it.")
    owner: str | None = Field(default=None, description="Whom to ask.")
    description: str = Field(default="", description="Description, as the project says.")
    depends_on: tuple[str, ...] = Field(default=(), description="Ids of the nodes that it reads.")


class NodeGraph(Data):
    """All nodes of one environment, sorted by unique id."""

    version: FirstMajor = Field(default="1.4", description="Version of this document's form.")
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
