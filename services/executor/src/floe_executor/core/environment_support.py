"""What this executor can build, and where."""

from __future__ import annotations

from typing import Final

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.errors import Where
from floe_executor.errors import ComputeUnsupported, PlaceUnsupported, TransformUnsupported

SUPPORTED: Final = ("duckdb",)
"""Landing reads DuckDB files, so far."""
_STORAGE: Final = "local"
_CATALOG: Final = "sql"
"""The executor's settings say where both are; what platform.yaml says of others is not looked at yet."""


def check_support(artifact: CompiledArtifacts, environment: CompiledEnvironment) -> None:
    """See that a run would build everything, where the artifact says, and land it where the artifact says.

    Raises:
        ComputeUnsupported: models build where this executor cannot.
        PlaceUnsupported: the tables would land elsewhere than the artifact says.
        TransformUnsupported: the product has Python transforms, which this executor would leave out.
    """
    if artifact.python_transforms:
        names = ", ".join(transform.name for transform in artifact.python_transforms)
        raise TransformUnsupported(
            f"the product has Python transforms ({names}), and this executor builds dbt models only",
            where=Where("floe.yaml", path="transforms"),
            hint="make them models of the dbt project",
        )
    _check_compute(environment)
    _check_place("storage", environment.storage.name, environment.storage.type, _STORAGE)
    _check_place("catalogs", environment.catalog.name, environment.catalog.type, _CATALOG)


def _check_place(section: str, name: str, kind: str, supported: str) -> None:
    if kind != supported:
        raise PlaceUnsupported(
            f"{name!r} is {kind}, and this executor lands tables in {supported} only",
            where=Where("platform.yaml", path=f"{section}.{name}"),
            hint=f"give the environment a profile whose {section.removesuffix('s')} is {supported}",
        )


def _check_compute(environment: CompiledEnvironment) -> None:
    compute = environment.compute
    if compute.type not in SUPPORTED or "memory_limit" not in compute.properties:
        raise ComputeUnsupported(
            f"the environment builds in {compute.name!r}, which is {compute.type}; this executor builds in "
            f"{', '.join(SUPPORTED)} only",
            where=Where("platform.yaml", path=f"compute.{compute.name}"),
            hint="give the environment a profile whose compute is duckdb",
        )
    for logical, other in sorted(environment.computes.items()):
        if other.name != compute.name:
            raise ComputeUnsupported(
                f"floe.yaml gives models the compute {logical!r}, which is {other.name!r} here; this executor builds "
                f"all models of a product in one, which is {compute.name!r}",
                where=Where("floe.yaml", path="transforms"),
                hint=f"let {logical!r} stand for {compute.name!r} in this environment of platform.yaml",
            )
