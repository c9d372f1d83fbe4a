"""Python transforms as nodes of the dbt project's graph, so that a run builds, lands and tells of both alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from floe_contracts.artifacts import CompiledArtifacts, Compute
from floe_contracts.compiled_product import CompiledPythonTransform
from floe_contracts.errors import Where
from floe_contracts.nodes import Check, Node, NodeGraph, QualityCheck
from floe_dbt.database_names import database_name
from floe_executor.errors import TransformCheckUnknown, TransformInputUnclear

CHECKS: Final = ("not_null", "unique", "accepted_values")
"""What can be checked of a Python transform's table, by the names of dbt's tests."""
PYTHON: Final = "python"
"""The resource type of a Python transform, and how its id begins."""


def transform_id(product: str, name: str) -> str:
    """The id of a Python transform among the nodes of its product."""
    return f"{PYTHON}.{product}.{name}"


def check_id(product: str, transform: str, check: str) -> str:
    """The id of a quality check of a Python transform."""
    return f"{PYTHON}_test.{product}.{transform}.{check}"


def with_transforms(graph: NodeGraph, artifact: CompiledArtifacts, compute: Compute) -> NodeGraph:
    """The graph with a node for each Python transform, and dbt's sources that are such a table reading it.

    What the project documents of such a source is true of the transform's table.

    Args:
        graph: the nodes of the dbt project.
        artifact: whose Python transforms are meant.
        compute: where the environment builds; the tables stand in its main schema.

    Raises:
        TransformInputUnclear: a transform reads something that is not there, or is there twice.
        TransformCheckUnknown: one of its quality checks cannot be made.
    """
    if not artifact.python_transforms:
        return graph
    database, schema = _main_schema(compute, artifact.product.name)
    made = transform_nodes(
        artifact.python_transforms,
        graph,
        product=artifact.product.name,
        project=artifact.transforms[0].path,
        database=database,
        schema=schema,
    )
    tables = {_table(node): node.unique_id for node in made}
    nodes = [_reading(node, tables) if node.resource_type == "source" else node for node in graph.nodes]
    sources = {_table(node): node for node in graph.nodes if node.resource_type == "source"}
    nodes += [_documented(node, sources.get(_table(node))) for node in made]
    return graph.model_copy(update={"nodes": tuple(sorted(nodes, key=lambda node: node.unique_id))})


def transform_nodes(
    transforms: Sequence[CompiledPythonTransform],
    graph: NodeGraph,
    *,
    product: str,
    project: str,
    database: str,
    schema: str,
) -> tuple[Node, ...]:
    """A node for each Python transform.

    Args:
        transforms: all of the product.
        graph: the nodes of its dbt project.
        product: name of the product.
        project: folder of the dbt project, from the product's; a node's file is named from there.
        database: database of the tables.
        schema: schema of the tables.

    Raises:
        TransformInputUnclear: a transform reads something that is not there, or is there twice.
        TransformCheckUnknown: one of its quality checks cannot be made.
    """
    called: dict[str, list[str]] = defaultdict(list)
    for node in graph.nodes:
        if node.resource_type != "source":
            called[node.name].append(node.unique_id)
    for transform in transforms:
        called[transform.name].append(transform_id(product, transform.name))
    up = "../" * len(PurePosixPath(project).parts)
    return tuple(
        Node(
            unique_id=transform_id(product, transform.name),
            name=transform.name,
            resource_type=PYTHON,
            materialized="table",
            database=database,
            schema_name=schema,
            identifier=transform.name,
            path=f"{up}{transform.module.replace('.', '/')}.py",
            tier=transform.tier,
            tags=tuple(sorted(set(transform.tags))),
            depends_on=tuple(sorted(_input(transform.name, name, called) for name in transform.depends_on)),
            checks=tuple(_check(product, transform.name, check) for check in transform.quality_checks),
            compute=transform.compute,
            quality_checks=transform.quality_checks,
        )
        for transform in transforms
    )


def _input(reader: str, name: str, called: Mapping[str, Sequence[str]]) -> str:
    found = called.get(name, ())
    if len(found) != 1:
        what = f"{len(found)} nodes are called so: {', '.join(found)}" if found else "there is none in this environment"
        raise TransformInputUnclear(
            f"the Python transform {reader!r} reads {name!r}, and {what}",
            where=Where("floe.yaml", path="transforms"),
            hint="read a model of that name only" if found else "see whether the model is enabled here",
        )
    return found[0]


def _check(product: str, transform: str, check: QualityCheck) -> Check:
    problem = None
    if check.type not in CHECKS:
        problem = f"is of the type {check.type!r}; of a Python transform floe checks {', '.join(CHECKS)}"
    elif check.column is None:
        problem = "names no column"
    elif check.type == "accepted_values" and not check.parameters.get("values"):
        problem = "accepts no values: give it parameters.values"
    if problem:
        raise TransformCheckUnknown(
            f"the quality check {check.name!r} of the Python transform {transform!r} {problem}",
            where=Where("floe.yaml", path="transforms"),
            hint="mend it, or test the table as a source of the dbt project",
        )
    return Check(
        unique_id=check_id(product, transform, check.name),
        name=check.type,
        column=check.column,
        depends_on=(transform_id(product, transform),),
    )


def _main_schema(compute: Compute, product: str) -> tuple[str, str]:
    """Database and schema where dbt builds what names no schema of its own."""
    if compute.type == "duckdb":
        return database_name(product), "main"
    properties = compute.properties
    database = next((str(properties[name]) for name in ("database", "project", "catalog") if name in properties), "")
    return database, str(properties.get("schema_name") or properties.get("dataset") or "")


def _reading(source: Node, tables: Mapping[tuple[str, str], str]) -> Node:
    transform = tables.get(_table(source))
    return source.model_copy(update={"depends_on": (transform,)}) if transform else source


def _documented(transform: Node, source: Node | None) -> Node:
    if source is None:
        return transform
    told = {"description": source.description, "columns": source.columns, "owner": source.owner, "meta": source.meta}
    return transform.model_copy(update=told)


def _table(node: Node) -> tuple[str, str]:
    """Schema and name as the warehouse compares them."""
    return node.schema_name.casefold(), node.identifier.casefold()
