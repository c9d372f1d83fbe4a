"""Putting the artifact together."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from floe_compiler.errors import RowOwnerUnknown
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
from floe_contracts.errors import Where
from floe_contracts.floe_spec import FloeSpec
from floe_contracts.nodes import NodeGraph


def check_row_owner(spec: FloeSpec, graph: NodeGraph) -> None:
    """See that the row owner's column exists, when one is declared and something is served.

    Raises:
        RowOwnerUnknown: no exposed model has it.
    """
    owner = spec.governance.row_owner
    exposed = [node for node in graph.nodes if node.expose]
    if owner is None or not exposed or not spec.consumption.cube.enabled:
        return
    columns = {column.name for node in exposed for column in node.columns}
    if owner.column not in columns:
        close = difflib.get_close_matches(owner.column, sorted(columns), n=1)
        raise RowOwnerUnknown(
            f"no exposed model documents a column {owner.column!r}",
            where=Where("floe.yaml", path="governance.rowOwner.column"),
            hint=f"did you mean {close[0]!r}?" if close else "document the column in the model's properties file",
        )


def assemble(
    spec: FloeSpec,
    *,
    bundle: str,
    platform: str,
    tools: Tools,
    environments: Mapping[str, CompiledEnvironment],
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
        sources=Sources(bundle=bundle, platform=platform),
        tools=tools,
        transforms=(DbtProject(path=spec.dbt.path),),
        landing=tuple(sorted(spec.landing.select)),
        serving=Serving(
            cube=spec.consumption.cube.enabled,
            row_owner=CompiledRowOwner(column=owner.column, claim=owner.claim) if owner else None,
        ),
        environments=dict(environments),
    )
