"""The ways between cubes: from relationships tests, and from the entities that semantic models share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from floe_contracts.nodes import Node
from floe_semantic.core.rendering.cubes.members import Cube, Join
from floe_semantic.core.rendering.metricflow.semantic_models import SemanticLayer
from floe_semantic.core.rendering.sql.expression import column_reference

_KEYS = frozenset({"primary", "unique"})


@dataclass(frozen=True, slots=True)
class _Link:
    """Column `column` of one model says which row of `target` (its column `to_column`) belongs to it."""

    target: str
    column: str
    to_column: str
    source: str


def with_joins(cubes: Mapping[str, Cube], layer: SemanticLayer, skipped: list[str]) -> dict[str, Cube]:
    """`cubes` (by unique id) with their joins, each sorted by target; what cannot be joined is told of in `skipped`."""
    return {
        node_id: replace(cube, joins=_joins(cube, cubes, layer, skipped)) for node_id, cube in sorted(cubes.items())
    }


def _joins(cube: Cube, cubes: Mapping[str, Cube], layer: SemanticLayer, skipped: list[str]) -> tuple[Join, ...]:
    joins: dict[str, Join] = {}
    links: dict[str, _Link] = {}
    for link in (*_tested(cube.node), *_shared_entities(cube.node.unique_id, layer)):
        target = cubes.get(link.target)
        if target is None or target is cube:
            continue
        reason = _obstacle(cube, target, link, links.get(target.name), layer)
        if reason is not None:
            skipped.append(f"{cube.node.unique_id}: no join to {target.name} by {link.source}: {reason}")
        elif target.name not in joins:
            links[target.name] = link
            own = column_reference(link.column).sql
            other = column_reference(link.to_column).sql.replace("{CUBE}", f"{{{target.name}}}", 1)
            one = cube.key_columns == {link.column.casefold()}
            joins[target.name] = Join(target.name, f"{own} = {other}", "one_to_one" if one else "many_to_one")
    return tuple(joins[name] for name in sorted(joins))


def _obstacle(cube: Cube, target: Cube, link: _Link, present: _Link | None, layer: SemanticLayer) -> str | None:
    for side in (cube, target):
        if not side.key_columns:
            return f"{side.node.unique_id} has no primary key"
    if link.to_column.casefold() not in _unique_columns(target, layer):
        return f"column {link.to_column} is not unique"
    if present is not None and _places(present) != _places(link):
        return f"Cube takes one join between two cubes, and there is one by {present.source}"
    return None


def _places(link: _Link) -> tuple[str, str]:
    return link.column.casefold(), link.to_column.casefold()


def _unique_columns(cube: Cube, layer: SemanticLayer) -> set[str]:
    unique = set(cube.key_columns) if len(cube.key_columns) == 1 else set()
    unique.update(check.column.casefold() for check in cube.node.checks if check.name == "unique" and check.column)
    for model in layer.models.get(cube.node.unique_id, ()):
        unique.update(entity.sql.casefold() for entity in model.entities if entity.type in _KEYS)
    return unique


def _tested(node: Node) -> Iterable[_Link]:
    for check in sorted(node.checks, key=lambda item: item.unique_id):
        if check.name == "relationships" and check.column and check.to_node and check.to_column:
            yield _Link(check.to_node, check.column, check.to_column, check.unique_id)


def _shared_entities(node_id: str, layer: SemanticLayer) -> Iterable[_Link]:
    for model in layer.models.get(node_id, ()):
        for entity in model.entities:
            if entity.type != "foreign" or not entity.sql.isidentifier():
                continue
            for target_id, others in layer.models.items():
                for other in others:
                    for key in other.entities:
                        if key.name == entity.name and key.type in _KEYS and key.sql.isidentifier():
                            source = f"entity {entity.name} of {model.unique_id}"
                            yield _Link(target_id, entity.sql, key.sql, source)
