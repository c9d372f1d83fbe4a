"""The cubes of a bundle: one for each served model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from floe_contracts.nodes import Node
from floe_semantic.core.rendering.cubes.dimensions import dimensions_of
from floe_semantic.core.rendering.cubes.measures import declared_measure, row_count
from floe_semantic.core.rendering.cubes.members import Cube
from floe_semantic.core.rendering.metricflow.elements import Metric, SemanticModel
from floe_semantic.core.rendering.metricflow.measures import semantic_measure
from floe_semantic.core.rendering.metricflow.metrics import Place, add_metrics
from floe_semantic.core.rendering.metricflow.semantic_models import SemanticLayer, read_elements
from floe_semantic.core.rendering.sql.dialects import Dialect
from floe_semantic.core.rendering.sql.expression import Scope, relation_key
from floe_semantic.core.rendering.sql.identifiers import cube_name, free_name
from floe_semantic.core.rendering.untranslatable import Untranslatable


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is served.

    Attributes:
        owner: its row owner column as documented, if rows have owners.
        dialect: of the warehouse that Cube asks for its table.
        data_source: Cube's name of that warehouse, if it is not the environment's own.
    """

    node: Node
    owner: str | None
    dialect: Dialect
    data_source: str | None = None


@dataclass(frozen=True, slots=True)
class Cubes:
    """The cubes of a bundle.

    Attributes:
        by_node: by the unique id of their models.
        metrics: the unique id of the model and the name of the measure, by the metric that it serves.
    """

    by_node: Mapping[str, Cube]
    metrics: Mapping[str, tuple[str, str]]


def cubes_of(
    served: Mapping[str, ServedModel], layer: SemanticLayer, metrics: Iterable[dict[str, Any]], skipped: list[str]
) -> Cubes:
    """The cubes, without joins.

    Args:
        served: the models by unique id.
        layer: their semantic models.
        metrics: of the project, as the manifest has them.
        skipped: is told what cannot be served.
    """
    names = _names([item.node for item in served.values()])
    reserved = {name.casefold() for name in names.values()}
    nodes = [item.node for item in served.values()]
    called = {*names.values(), *(node.identifier for node in nodes), *(node.name for node in nodes)}
    relations = frozenset(map(relation_key, called))
    columns = frozenset(column.name.casefold() for node in nodes for column in node.columns)
    cubes: dict[str, Cube] = {}
    places: dict[str, Place] = {}
    for node_id, item in served.items():
        scope = _scope(item, relations, columns)
        cube = _with_dimensions(item, names[node_id], layer.models[node_id], scope, reserved, skipped)
        cubes[node_id] = cube
        places[node_id] = Place(scope, reserved | {one.name.casefold() for one in cube.dimensions}, {})
        _add_declared(places[node_id], item.node, skipped)
        _add_measures(places[node_id], layer.models[node_id], skipped)
    served_by = add_metrics(read_elements(Metric, metrics, skipped), layer, places, skipped)
    for node_id, cube in cubes.items():
        places[node_id].add(row_count(cube.key_columns), "_of_rows")
    whole = {
        node_id: replace(cube, measures=tuple(item for _, item in sorted(places[node_id].measures.items())))
        for node_id, cube in cubes.items()
    }
    return Cubes(whole, served_by)


def _names(nodes: Iterable[Node]) -> dict[str, str]:
    """The model's own name, with its package before it where two models share one."""
    wanted = {node.unique_id: cube_name("_".join(node.unique_id.split(".")[2:]) or node.name) for node in nodes}
    shared = [name.casefold() for name in wanted.values()]
    names: dict[str, str] = {}
    for node_id, name in sorted(wanted.items()):
        full = name if shared.count(name.casefold()) == 1 else cube_name("_".join(node_id.split(".")[1:]))
        names[node_id] = free_name(full, {given.casefold() for given in names.values()})
    return names


def _scope(item: ServedModel, relations: frozenset[str], others: frozenset[str]) -> Scope:
    node = item.node
    return Scope(
        columns={column.name.casefold(): column.name for column in node.columns},
        relations=relations,
        others=others,
        quoted=frozenset(column.name for column in node.columns if column.quoted),
        dialect=item.dialect,
    )


def _with_dimensions(
    item: ServedModel,
    name: str,
    models: Sequence[SemanticModel],
    scope: Scope,
    reserved: set[str],
    skipped: list[str],
) -> Cube:
    node = item.node
    dimensions = dimensions_of(node, models, scope, owner=item.owner, reserved=reserved, skipped=skipped)
    title = next((model.label for model in models if model.label), None) or node.name.replace("_", " ").capitalize()
    row_owner = None
    if item.owner is not None:
        sql = scope.column(item.owner).sql
        # There always is one: nothing takes the name or the place of the row owner's dimension.
        row_owner = next(dimension.name for dimension in dimensions if dimension.sql == sql)
    return Cube(name, node, title, scope, dimensions, (), row_owner=row_owner, data_source=item.data_source)


def _add_declared(place: Place, node: Node, skipped: list[str]) -> None:
    for spec in node.measures:
        try:
            measure = declared_measure(spec, place.scope)
        except Untranslatable as reason:
            skipped.append(f"{node.unique_id}: measure {spec.name}: {reason}")
            continue
        name = place.add(measure, "_measure").name
        if name != spec.name:
            skipped.append(f"{node.unique_id}: measure {spec.name}: its name is taken or not legal; served as {name}")


def _add_measures(place: Place, models: Sequence[SemanticModel], skipped: list[str]) -> None:
    for model in models:
        for spec in model.measures:
            try:
                measure = semantic_measure(spec, place.scope, model.unique_id)
            except Untranslatable as reason:
                skipped.append(f"{model.unique_id}: measure {spec.name}: {reason}")
                continue
            name = place.add(measure, "_measure").name
            if name != spec.name:
                told = f"measure {spec.name}: its name is taken or not legal"
                skipped.append(f"{model.unique_id}: {told}; served as {name}")
