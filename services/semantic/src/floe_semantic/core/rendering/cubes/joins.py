"""The ways between cubes: from relationships tests, foreign keys, and the entities that semantic models share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from floe_contracts.nodes import Node
from floe_semantic.core.rendering.cubes.members import Cube, Join
from floe_semantic.core.rendering.cubes.primary_keys import unique_columns
from floe_semantic.core.rendering.metricflow.semantic_models import KEYS, SemanticLayer


@dataclass(frozen=True, slots=True)
class _Link:
    """Columns of one model that say which row of `target` belongs to it.

    Attributes:
        pairs: columns of the model, each with the one of the target that must equal it.
    """

    target: str
    pairs: tuple[tuple[str, str], ...]
    source: str

    @property
    def places(self) -> frozenset[tuple[str, str]]:
        """The pairs in any order and case."""
        return frozenset((own.casefold(), other.casefold()) for own, other in self.pairs)


def with_joins(cubes: Mapping[str, Cube], layer: SemanticLayer, skipped: list[str]) -> dict[str, Cube]:
    """`cubes` (by unique id) with their joins, each sorted by target; what cannot be joined is told of in `skipped`."""
    return {
        node_id: replace(cube, joins=_joins(cube, cubes, layer, skipped)) for node_id, cube in sorted(cubes.items())
    }


def _joins(cube: Cube, cubes: Mapping[str, Cube], layer: SemanticLayer, skipped: list[str]) -> tuple[Join, ...]:
    joins: dict[str, Join] = {}
    links: dict[str, _Link] = {}
    stated = (*_foreign_keys(cube.node, cubes), *_tested(cube.node), *_shared_entities(cube.node.unique_id, layer))
    for link in stated:
        target = cubes.get(link.target)
        if target is None:
            continue
        reason = _obstacle(cube, target, link, links.get(target.name), layer)
        if reason is not None:
            skipped.append(f"{cube.node.unique_id}: no join to {target.name} by {link.source}: {reason}")
        elif target.name not in joins:
            links[target.name] = link
            one = cube.key_columns == {own for own, _ in link.places}
            joins[target.name] = Join(
                target.name, link.pairs, _condition(cube, target, link), "one_to_one" if one else "many_to_one"
            )
    return tuple(joins[name] for name in sorted(joins))


def _condition(cube: Cube, target: Cube, link: _Link) -> str:
    return " and ".join(
        f"{cube.scope.column(own).sql} = " + target.scope.column(other).sql.replace("{CUBE}", f"{{{target.name}}}", 1)
        for own, other in link.pairs
    )


def _obstacle(cube: Cube, target: Cube, link: _Link, present: _Link | None, layer: SemanticLayer) -> str | None:
    if target is cube:
        return "Cube joins no cube to itself"
    for side in (cube, target):
        if not side.key_columns:
            return f"{side.node.unique_id} has no primary key"
    if cube.data_source != target.data_source:
        return f"{target.node.unique_id} is in another warehouse"
    others = frozenset(other for _, other in link.places)
    if others != target.key_columns and not (len(others) == 1 and others & _unique_columns(target, layer)):
        plural = f"columns {', '.join(sorted(others))} are" if len(others) > 1 else f"column {link.pairs[0][1]} is"
        return f"{plural} not unique"
    if present is not None and present.places != link.places:
        return f"Cube takes one join between two cubes, and there is one by {present.source}"
    return None


def _unique_columns(cube: Cube, layer: SemanticLayer) -> set[str]:
    unique = unique_columns(cube.node)
    for model in layer.models.get(cube.node.unique_id, ()):
        unique.update(entity.sql.casefold() for entity in model.entities if entity.type in KEYS)
    return unique


def _foreign_keys(node: Node, cubes: Mapping[str, Cube]) -> Iterable[_Link]:
    for key in node.keys:
        if key.type != "foreign_key" or key.to_node is None or key.to_node not in cubes:
            continue
        # Left out, the other side is the primary key, as in SQL.
        to_columns = key.to_columns or tuple(sorted(cubes[key.to_node].key_columns))
        if len(to_columns) == len(key.columns):
            pairs = tuple(zip(key.columns, to_columns, strict=True))
            yield _Link(key.to_node, pairs, f"the foreign key {', '.join(key.columns)}")


def _tested(node: Node) -> Iterable[_Link]:
    for check in sorted(node.checks, key=lambda item: item.unique_id):
        if check.name == "relationships" and check.column and check.to_node and check.to_column:
            yield _Link(check.to_node, ((check.column, check.to_column),), check.unique_id)


def _shared_entities(node_id: str, layer: SemanticLayer) -> Iterable[_Link]:
    for model in layer.models.get(node_id, ()):
        for entity in model.entities:
            if entity.type != "foreign" or not entity.sql.isidentifier():
                continue
            for target_id, key in layer.keys(entity.name):
                if key.sql.isidentifier():
                    source = f"entity {entity.name} of {model.unique_id}"
                    yield _Link(target_id, ((entity.sql, key.sql),), source)
