"""From an artifact and the nodes of one environment to the Cube bundle of that environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from floe_contracts.artifacts import CompiledArtifacts, CompiledEnvironment
from floe_contracts.nodes import Node, NodeGraph
from floe_semantic.core.rendering.cubes.cubes import ServedModel, cubes_of
from floe_semantic.core.rendering.cubes.joins import with_joins
from floe_semantic.core.rendering.cubes.members import Cube
from floe_semantic.core.rendering.cubes.rollups import with_rollups
from floe_semantic.core.rendering.cubes.views import View, exposed, queried, views_of
from floe_semantic.core.rendering.metricflow.saved_queries import saved_queries
from floe_semantic.core.rendering.metricflow.semantic_models import semantic_layer
from floe_semantic.core.rendering.policies.access_policies import Rules, column_rules, rules_over
from floe_semantic.core.rendering.policies.guarded_joins import with_guarded_joins, without_masks_in_joins
from floe_semantic.core.rendering.policies.row_owner import owner_column
from floe_semantic.core.rendering.shown import Shown, claims, shown
from floe_semantic.core.rendering.sql.dialects import DUCKDB, Dialect, dialect_of
from floe_semantic.core.rendering.sql.identifiers import cube_name, is_claim
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
        shown: what somebody with all roles and claims sees.
        roles: all that the policies name, sorted.
        claims: all that the policies name, with a value each.
    """

    files: Mapping[str, str]
    cubes: tuple[str, ...]
    views: tuple[str, ...]
    skipped: tuple[str, ...]
    shown: Shown
    roles: tuple[str, ...]
    claims: Mapping[str, Any]


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
    served = _served(artifact, graph, artifact.environments[environment], skipped)
    layer = semantic_layer(graph.semantic_models, served, skipped)
    found = cubes_of(served, layer, graph.metrics, skipped)
    cubes = with_joins(found.by_node, layer, skipped)
    policies = artifact.environments[environment].policies
    rules = {
        node_id: column_rules(item.node, policies, keys=cubes[node_id].key_columns, owner=item.owner, skipped=skipped)
        for node_id, item in served.items()
    }
    cubes = with_guarded_joins(cubes, rules, skipped)
    rules = without_masks_in_joins(cubes, rules, skipped)
    queries = saved_queries(graph.saved_queries, layer, cubes, found.metrics, skipped)
    if artifact.serving.pre_aggregations is not None:
        cubes = with_rollups(cubes, queries, rules, artifact.serving.pre_aggregations, skipped)
    wanted = [*map(exposed, graph.exposures), *map(queried, queries)]
    views = views_of(wanted, cubes, _viewable(cubes, rules, skipped), skipped)
    claim = row_owner.claim if row_owner else None
    documents = _documents(cubes, views, rules, claim, skipped)
    return Bundle(
        files={path: block_yaml.dump(document) for path, document in sorted(documents.items())},
        cubes=tuple(sorted(cube.name for cube in cubes.values())),
        views=tuple(sorted(view.name for view in views)),
        skipped=tuple(sorted(set(skipped))),
        shown=shown(documents.values()),
        roles=tuple(sorted({role for policy in policies.values() for role in policy.requires_role})),
        claims=claims(claim),
    )


def _served(
    artifact: CompiledArtifacts, graph: NodeGraph, environment: CompiledEnvironment, skipped: list[str]
) -> dict[str, ServedModel]:
    served: dict[str, ServedModel] = {}
    reasons: list[str] = []
    for node in sorted((node for node in graph.nodes if node.expose), key=lambda item: item.unique_id):
        if node.materialized not in artifact.landing:
            reasons.append(f"{node.unique_id}: not served: {node.materialized}s do not land, so there is no table")
            continue
        try:
            owner = owner_column(node, artifact.serving.row_owner)
        except Untranslatable as reason:
            reasons.append(f"{node.unique_id}: not served: {reason}")
            continue
        dialect, data_source = _warehouse(node, environment)
        served[node.unique_id] = ServedModel(node, owner, dialect, data_source)
    if not served:
        raise NothingToServe(
            "; ".join(reasons) if reasons else "no model is exposed",
            hint="expose models that land, with meta.floe.expose: true, or switch Cube off in floe.yaml",
        )
    skipped += reasons
    return served


def _warehouse(node: Node, environment: CompiledEnvironment) -> tuple[Dialect, str | None]:
    """Where Cube asks for the model's table; locally, that database has the landed tables of every compute."""
    own = dialect_of(environment.compute.type)
    other = environment.computes.get(node.compute) if node.compute is not None else None
    if own is DUCKDB or other is None or node.compute is None:
        return own, None
    return dialect_of(other.type), cube_name(node.compute)


def _viewable(
    cubes: Mapping[str, Cube], rules: Mapping[str, Mapping[str, Rules]], skipped: list[str]
) -> frozenset[str]:
    """The cubes that views may stand on. A restricted key would have to be null there, and counts would be wrong."""
    restricted = {node_id for node_id, cube in cubes.items() if rules_over(cube.key_columns, rules[node_id])}
    skipped += [f"{node_id}: in no view, because its key is restricted" for node_id in restricted]
    return frozenset(cubes) - restricted


def _documents(
    cubes: Mapping[str, Cube],
    views: tuple[View, ...],
    rules: Mapping[str, Mapping[str, Rules]],
    claim: str | None,
    skipped: list[str],
) -> dict[str, dict[str, Any]]:
    in_views = {part.cube.name for view in views for part in view.included}
    documents: dict[str, dict[str, Any]] = {}
    for node_id, cube in cubes.items():
        in_view = cube.name in in_views
        documents[f"model/cubes/{cube.name}.yml"] = cube_document(cube, rules[node_id], claim, in_view=in_view)
        if in_view and any(rule.action == "restrict" for found in rules[node_id].values() for rule in found):
            skipped.append(f"{node_id}: restricted members are null in the cube instead of absent, for its views' sake")
    for view in views:
        documents[f"model/views/{view.name}.yml"] = view_document(view, rules, claim)
    return documents
