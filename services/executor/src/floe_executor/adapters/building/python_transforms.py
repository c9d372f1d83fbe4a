"""What the children of a phase are told: which table from which relations, and what they may know of the run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from floe_contracts.compiled_product import CompiledPythonTransform
from floe_contracts.nodes import Node, QualityCheck
from floe_contracts.transform_context import TransformContext
from floe_dbt.child_limits import ChildLimits
from floe_dbt.environment import system_environment
from floe_executor.adapters.building.python_process import PlannedTransform, PythonCommand, TransformCheck
from floe_executor.clock import now
from floe_executor.core import partitions
from floe_executor.core.ports import BuildRequest
from floe_executor.core.transform_nodes import check_id, transform_id
from floe_executor.transform_child.job import CheckJob, TransformJob

_NO_LIMITS: Final = ChildLimits()


def python_command(
    request: BuildRequest, names: Sequence[str], *, database: Path, limits: ChildLimits = _NO_LIMITS
) -> PythonCommand:
    """The command for a `PythonProcess`.

    Args:
        request: the build; its graph has the Python transforms.
        names: the transforms of one phase, in their order.
        database: the product's DuckDB file.
        limits: of each child.
    """
    nodes = {node.unique_id: node for node in request.graph.nodes}
    by_name = {transform.name: transform for transform in request.artifact.python_transforms}
    context = _context(request)
    product = request.record.product
    folder = product_folder(request)
    compute = request.environment.compute
    planned = []
    for name in names:
        transform, node = by_name[name], nodes[transform_id(product, name)]
        job = TransformJob(
            name=node.identifier,
            module=transform.module,
            folder=str(folder),
            database=str(database),
            schema=node.schema_name,
            inputs=_inputs(transform, node, nodes),
            checks=tuple(_check(check) for check in transform.quality_checks),
            context=context,
            memory_limit=str(compute.properties["memory_limit"]) if "memory_limit" in compute.properties else None,
            threads=compute.threads,
            memory_bytes=limits.memory_bytes,
            file_bytes=limits.file_bytes,
            open_files=limits.open_files,
        )
        checks = {
            check.name: TransformCheck(
                unique_id=check_id(product, name, check.name), critical=check.severity == "critical"
            )
            for check in transform.quality_checks
        }
        planned.append(
            PlannedTransform(unique_id=node.unique_id, job=job, checks=checks, reads=frozenset(node.depends_on))
        )
    return PythonCommand(transforms=tuple(planned), environment=system_environment(os.environ))


def product_folder(request: BuildRequest) -> Path:
    """The folder of floe.yaml: modules are found from there, and relative paths mean files of the product."""
    depth = len(PurePosixPath(request.artifact.transforms[0].path).parts)
    return request.project.parents[depth - 1] if depth else request.project


def _inputs(transform: CompiledPythonTransform, node: Node, nodes: Mapping[str, Node]) -> dict[str, tuple[str, str]]:
    read = [nodes[unique_id] for unique_id in node.depends_on]
    relations = {each.name: (each.schema_name, each.identifier) for each in read}
    return {name: relations[name] for name in transform.depends_on}


def _check(check: QualityCheck) -> CheckJob:
    values = check.parameters.get("values", ())
    return CheckJob(
        name=check.name,
        type=check.type,
        column=check.column or "",
        values=(values,) if isinstance(values, str) else tuple(values),
    )


def _context(request: BuildRequest) -> TransformContext:
    record = request.record
    key = record.options.partition
    definition = request.artifact.orchestration.partitions
    window = partitions.window(definition, key, now()) if key is not None else None
    return TransformContext(
        run_id=record.run_id,
        attempt=record.attempt,
        tenant=record.tenant,
        environment=record.environment,
        product=record.product,
        partition=key,
        partition_start=window.start if window else None,
        partition_end=window.end if window else None,
        vars=record.options.vars,
    )
