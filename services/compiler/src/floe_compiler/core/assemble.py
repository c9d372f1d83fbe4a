"""Putting the artifact together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from floe_compiler.core import product
from floe_compiler.errors import ArtifactTooLarge, RowOwnerUnknown
from floe_contracts.artifacts import (
    CompiledArtifacts,
    CompiledEnvironment,
    CompiledRowOwner,
    DbtProject,
    ProductIdentity,
    Serving,
    Sources,
    Tools,
)
from floe_contracts.data_contracts import CompiledDataContract
from floe_contracts.digests import canonical_json
from floe_contracts.errors import Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.nodes import NodeGraph
from floe_contracts.platform_spec import PlatformSpec
from floe_contracts.suggestions import did_you_mean


def check_row_owner(spec: FloeSpec, graph: NodeGraph) -> Iterator[RowOwnerUnknown]:
    """See that the row owner's column exists, when one is declared and something is served."""
    owner = spec.governance.row_owner
    exposed = [node for node in graph.nodes if node.expose]
    if owner is None or not exposed or not spec.consumption.cube.enabled:
        return
    columns = {column.name for node in exposed for column in node.columns}
    if owner.column not in columns:
        yield RowOwnerUnknown(
            f"no exposed model documents a column {owner.column!r}",
            where=Where("floe.yaml", path="governance.rowOwner.column"),
            hint=did_you_mean(owner.column, columns) or "document the column in the model's properties file",
        )


MOST_BYTES: Final = 512 * 1024
"""Of an artifact. The event that carries it also carries its plan and findings, and the bus takes 1 MB."""


def check_size(artifact: CompiledArtifacts) -> None:
    """See that the artifact fits into the event that announces it.

    Raises:
        ArtifactTooLarge: it does not; tells which part of it is the largest.
    """
    size = len(artifact.to_bytes())
    if size <= MOST_BYTES:
        return
    parts = {name: len(canonical_json(part)) for name, part in artifact.to_document().items()}
    largest = max(parts, key=parts.__getitem__)
    raise ArtifactTooLarge(
        f"the artifact has {size} bytes, {MOST_BYTES} at most, {parts[largest]} of them in {largest!r}",
        where=Where("floe.yaml"),
        hint="shorten that part, or divide the product",
    )


def assemble(
    spec: FloeSpec,
    platform: PlatformSpec,
    *,
    bundle: str,
    packages: str | None,
    platform_digest: str,
    tools: Tools,
    environments: Mapping[str, CompiledEnvironment],
    data_contracts: tuple[CompiledDataContract, ...],
) -> CompiledArtifacts:
    """The artifact of a spec whose environments are resolved and parsed."""
    owner = spec.governance.row_owner
    return CompiledArtifacts(
        product=ProductIdentity(
            name=spec.metadata.name,
            version=spec.metadata.version,
            description=spec.metadata.description,
            owner=spec.metadata.owner,
            labels=spec.metadata.labels,
        ),
        sources=Sources(bundle=bundle, platform=platform_digest, packages=packages),
        tools=tools,
        transforms=(DbtProject(path=spec.dbt.path),),
        landing=tuple(sorted(spec.landing.select)),
        serving=Serving(
            cube=spec.consumption.cube.enabled,
            row_owner=CompiledRowOwner(column=owner.column, claim=owner.claim) if owner else None,
            pre_aggregations=product.pre_aggregations(spec),
        ),
        python_transforms=product.python_transforms(spec),
        schedule=product.schedule(spec),
        triggers=product.triggers(spec),
        orchestration=product.orchestration(spec),
        observability=product.observability(spec, platform),
        output_ports=product.output_ports(spec),
        destinations=product.destinations(spec),
        data_contracts=data_contracts,
        environments=dict(environments),
    )
