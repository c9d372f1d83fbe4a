"""From an artifact and the nodes of one environment to the Cube bundle of that environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from floe_contracts.artifacts import CompiledArtifacts
from floe_contracts.nodes import NodeGraph
from floe_semantic.core.rendering.cubes.cubes import ServedModel, cubes_of
from floe_semantic.core.rendering.cubes.joins import with_joins
from floe_semantic.core.rendering.cubes.members import Cube
from floe_semantic.core.rendering.cubes.views import View, views_of
from floe_semantic.core.rendering.metricflow.semantic_models import semantic_layer
from floe_semantic.core.rendering.policies.access_policies import Rules, column_rules, rules_over
from floe_semantic.core.rendering.policies.row_owner import owner_column
from floe_semantic.core.rendering.sql.identifiers import is_claim
from floe_semantic.core.rendering.untranslatable import Untranslatable
from floe_semantic.core.rendering.writing import block_yaml
from floe_semantic.core.rendering.writing.documents import cube_document, view_document
from floe_semantic.errors import ClaimUnusable, NothingToServe


@dataclass(frozen=True, slots=True)
class Bundle:
    """What Cube reads.

    Attributes:
        files: path -> text, sorted by path.
        cubes: names of the cubes, sorted.
        views: names of the views, sorted.
        skipped: what could not be said in Cube, and why; a sentence each, sorted.
    """

    files: Mapping[str, str]
    cubes: tuple[str, ...]
    views: tuple[str, ...]
    skipped: tuple[str, ...]


def render(artifact: CompiledArtifacts, graph: NodeGraph, environment: str) -> Bundle:
    """Render the bundle of one environment; the same input gives the same bytes.

    Raises:
        NothingToServe: no model is exposed, or none of those that are can be served.
        ClaimUnusable: a policy cannot speak of the row owner's claim.
    """
    row_owner = artifact.serving.row_owner
    if row_owner is not None and not is_claim(row_owner.claim):
        raise ClaimUnusable(
            f"the claim {row_owner.claim!r} cannot stand in a Cube policy",
            hint="names of letters, digits and underscores, joined by dots",
        )
    skipped: list[str] = []
    served = _served(artifact, graph, skipped)
    layer = semantic_layer(graph.semantic_models, served, skipped)
    cubes = with_joins(cubes_of(served, layer, graph.metrics, skipped), layer, skipped)
    policies = artifact.environments[environment].policies
    rules = {
        node_id: column_rules(item.node, policies, keys=cubes[node_id].key_columns, owner=item.owner, skipped=skipped)
        for node_id, item in served.items()
    }
    views = views_of(graph.exposures, cubes, _viewable(cubes, rules, skipped), skipped)
    skipped += [f"{query.get('unique_id')}: Cube has no saved queries" for query in graph.saved_queries]
    files = _files(cubes, views, rules, row_owner.claim if row_owner else None, skipped)
    return Bundle(
        files=dict(sorted(files.items())),
        cubes=tuple(sorted(cube.name for cube in cubes.values())),
        views=tuple(sorted(view.name for view in views)),
        skipped=tuple(sorted(set(skipped))),
    )


def _served(artifact: CompiledArtifacts, graph: NodeGraph, skipped: list[str]) -> dict[str, ServedModel]:
    served: dict[str, ServedModel] = {}
    reasons: list[str] = []
    for node in sorted((node for node in graph.nodes if node.expose), key=lambda item: item.unique_id):
        if node.materialized not in artifact.landing:
            reasons.append(f"{node.unique_id}: not served: {node.materialized}s do not land, so there is no table")
            continue
        try:
            served[node.unique_id] = ServedModel(node, owner_column(node, artifact.serving.row_owner))
        except Untranslatable as reason:
            reasons.append(f"{node.unique_id}: not served: {reason}")
    if not served:
        raise NothingToServe(
            "; ".join(reasons) if reasons else "no model is exposed",
            hint="expose models that land, with meta.floe.expose: true, or switch Cube off in floe.yaml",
        )
    skipped += reasons
    return served


def _viewable(
    cubes: Mapping[str, Cube], rules: Mapping[str, Mapping[str, Rules]], skipped: list[str]
) -> frozenset[str]:
    """The cubes that views may stand on. A restricted key would have to be null there, and counts would be wrong."""
    restricted = {node_id for node_id, cube in cubes.items() if rules_over(cube.key_columns, rules[node_id])}
    skipped += [f"{node_id}: in no view, because its key is restricted" for node_id in restricted]
    return frozenset(cubes) - restricted


def _files(
    cubes: Mapping[str, Cube],
    views: tuple[View, ...],
    rules: Mapping[str, Mapping[str, Rules]],
    claim: str | None,
    skipped: list[str],
) -> dict[str, str]:
    in_views = {part.cube.name for view in views for part in view.included}
    files: dict[str, str] = {}
    for node_id, cube in cubes.items():
        in_view = cube.name in in_views
        document = cube_document(cube, rules[node_id], claim, in_view=in_view)
        files[f"model/cubes/{cube.name}.yml"] = block_yaml.dump(document)
        if in_view and any(rule.action == "restrict" for found in rules[node_id].values() for rule in found):
            skipped.append(f"{node_id}: restricted members are null in the cube instead of absent, for its views' sake")
    for view in views:
        files[f"model/views/{view.name}.yml"] = block_yaml.dump(view_document(view, rules, claim))
    return files
