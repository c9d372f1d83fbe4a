"""What this executor can build, and where."""

from __future__ import annotations

from typing import Final

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.attached_catalogs import is_attached
from floe_contracts.errors import Where
from floe_executor.core.warehouses import SUPPORTED, is_landed
from floe_executor.errors import ComputeUnsupported, PlaceUnsupported, TransformUnsupported

TRANSFORMED: Final = "duckdb"
"""Where Python transforms build: their children open the DuckDB file."""
_STORAGES: Final = ("local", "s3")
_CATALOGS: Final = ("glue", "hive", "nessie", "polaris", "rest", "sql")
"""Where tables land; the executor's settings say where a local storage and an `sql` catalog beside it are."""

_BRANCH: Final = "main"
"""The branch that Nessie shows where none is asked for."""


def check_support(artifact: CompiledArtifacts, environment: CompiledEnvironment) -> None:
    """See that a run would build everything, where the artifact says, and land it where the artifact says.

    Raises:
        ComputeUnsupported: models build where this executor cannot.
        PlaceUnsupported: the tables would land elsewhere than the artifact says.
        TransformUnsupported: the product has Python transforms, and they cannot build in the environment's compute.
    """
    _check_compute(environment)
    _check_transforms(artifact, environment)
    if not is_landed(environment.compute.type):  # the warehouse itself knows where its tables go
        return
    if is_attached(environment):
        _check_attached(environment)
        return
    storage, catalog = environment.storage, environment.catalog
    _check_place("storage", storage.name, storage.type, _STORAGES)
    _check_place("catalogs", catalog.name, catalog.type, _CATALOGS)
    if catalog.properties.get("access_delegation") == "remote-signing":
        raise PlaceUnsupported(
            f"the catalog {catalog.name!r} signs each request to the storage, and landings write with keys",
            where=Where("platform.yaml", path=f"catalogs.{catalog.name}.accessDelegation"),
            hint="let it be vended-credentials, or none and give the storage credentials",
        )


def _check_transforms(artifact: CompiledArtifacts, environment: CompiledEnvironment) -> None:
    if not artifact.python_transforms:
        return
    names = ", ".join(transform.name for transform in artifact.python_transforms)
    compute, catalog = environment.compute, environment.catalog
    if compute.type != TRANSFORMED:
        raise TransformUnsupported(
            f"the product has Python transforms ({names}), and the environment builds in {compute.name!r}, which is "
            f"{compute.type}; they build in {TRANSFORMED} only",
            where=Where("floe.yaml", path="transforms"),
            hint=f"give the environment a profile whose compute is {TRANSFORMED}, or make them models of the project",
        )
    if is_attached(environment):
        raise TransformUnsupported(
            f"the product has Python transforms ({names}), and DuckDB has the catalog {catalog.name!r} attached; they "
            "build in the DuckDB file, which does not land then",
            where=Where("floe.yaml", path="transforms"),
            hint="give the environment a profile whose catalog is sql, or make them models of the project",
        )


def _check_attached(environment: CompiledEnvironment) -> None:
    """DuckDB writes the files of an attached catalog with the keys that the catalog gives it."""
    storage, catalog = environment.storage, environment.catalog
    if storage.type != "s3":
        raise PlaceUnsupported(
            f"{storage.name!r} is {storage.type}, and the tables of an attached catalog stand in s3 only",
            where=Where("platform.yaml", path=f"storage.{storage.name}"),
            hint="give the environment a profile whose storage is s3",
        )
    if catalog.properties.get("access_delegation", "vended-credentials") != "vended-credentials":
        raise PlaceUnsupported(
            f"the catalog {catalog.name!r} does not vend credentials, and DuckDB opens the storage with no others",
            where=Where("platform.yaml", path=f"catalogs.{catalog.name}.accessDelegation"),
            hint="let it be vended-credentials",
        )
    if catalog.properties.get("branch", _BRANCH) != _BRANCH:
        raise PlaceUnsupported(
            f"the catalog {catalog.name!r} is read and written on a branch, and DuckDB attaches {_BRANCH!r} only",
            where=Where("platform.yaml", path=f"catalogs.{catalog.name}.branch"),
            hint="leave it out, or give the environment a compute that lands",
        )
    if catalog.properties.get("namespace"):
        raise PlaceUnsupported(
            f"all namespaces of the catalog {catalog.name!r} stand below one, and DuckDB makes them at the top only",
            where=Where("platform.yaml", path=f"catalogs.{catalog.name}.namespace"),
            hint="leave it out, or give the environment a compute that lands",
        )


def _check_place(section: str, name: str, kind: str, supported: tuple[str, ...]) -> None:
    if kind not in supported:
        raise PlaceUnsupported(
            f"{name!r} is {kind}, and this executor lands tables in {' and '.join(supported)} only",
            where=Where("platform.yaml", path=f"{section}.{name}"),
            hint=f"give the environment a profile whose {section.removesuffix('s')} is {' or '.join(supported)}",
        )


def _check_compute(environment: CompiledEnvironment) -> None:
    compute = environment.compute
    if compute.type not in SUPPORTED:
        raise ComputeUnsupported(
            f"the environment builds in {compute.name!r}, which is {compute.type}: its tables could neither be read "
            f"from there nor does dbt write them as Iceberg; this executor builds in {', '.join(sorted(SUPPORTED))}",
            where=Where("platform.yaml", path=f"compute.{compute.name}"),
            hint="give the environment a profile with another compute",
        )
    for logical, other in sorted(environment.computes.items()):
        if other.name != compute.name:
            raise ComputeUnsupported(
                f"floe.yaml gives models the compute {logical!r}, which is {other.name!r} here; this executor builds "
                f"all models of a product in one, which is {compute.name!r}",
                where=Where("floe.yaml", path="transforms"),
                hint=f"let {logical!r} stand for {compute.name!r} in this environment of platform.yaml",
            )
