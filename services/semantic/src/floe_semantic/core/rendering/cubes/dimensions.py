"""The dimensions of a cube: the documented columns, the keys, and what semantic models group by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from floe_contracts.nodes import Node
from floe_semantic.core.rendering.cubes.members import Dimension, DimensionType
from floe_semantic.core.rendering.cubes.primary_keys import primary_key
from floe_semantic.core.rendering.metricflow.elements import SemanticDimension, SemanticModel
from floe_semantic.core.rendering.sql.column_types import dimension_type, type_by_name
from floe_semantic.core.rendering.sql.expression import Expression, Scope, translate
from floe_semantic.core.rendering.sql.identifiers import cube_name, free_name
from floe_semantic.core.rendering.untranslatable import Untranslatable

_LISTED: Final = 5


def dimensions_of(
    node: Node,
    models: Sequence[SemanticModel],
    scope: Scope,
    *,
    owner: str | None,
    reserved: Collection[str],
    skipped: list[str],
) -> tuple[Dimension, ...]:
    """The dimensions of `node`'s cube, sorted by name.

    Args:
        node: the dbt model.
        models: its semantic models.
        scope: what their SQL may speak of.
        owner: the row owner column, if rows have owners.
        reserved: casefolded names of cubes and views; a member of that name would be taken for one of them.
        skipped: is told what cannot be served.
    """
    keys = primary_key(node, models, skipped)
    dimensions = _columns(node, keys, owner, scope, reserved, skipped)
    untyped = {column.name.casefold() for column in node.columns if not column.data_type}
    protected = {*keys, *([owner.casefold()] if owner else [])}
    for model in models:
        for spec in model.dimensions:
            try:
                dimension = _semantic(spec, dimensions, scope, protected, reserved)
                if spec.type != "time" and dimension.type == "time" and dimension.columns <= untyped:
                    # Only its name said so.
                    dimension = replace(dimension, type="string")
            except Untranslatable as reason:
                skipped.append(f"{model.unique_id}: dimension {spec.name}: {reason}")
            else:
                dimensions[dimension.name.casefold()] = dimension
    return tuple(sorted(dimensions.values(), key=lambda dimension: dimension.name))


def _columns(
    node: Node, keys: Mapping[str, str], owner: str | None, scope: Scope, reserved: Collection[str], skipped: list[str]
) -> dict[str, Dimension]:
    dimensions: dict[str, Dimension] = {}
    untyped: dict[DimensionType, list[str]] = {"time": [], "string": []}
    # The row owner comes first, so that no other column can take its name in Cube from it.
    for column in sorted(node.columns, key=lambda item: item.name != owner):
        name = free_name(cube_name(column.name), reserved)
        if name.casefold() in dimensions:
            skipped.append(f"{node.unique_id}: column {column.name}: another column has the same name in Cube")
            continue
        kind = dimension_type(column.data_type) if column.data_type else type_by_name(column.name)
        if not column.data_type and kind is not None:
            untyped[kind].append(column.name)
        if kind is None:
            told = f"{node.unique_id}: column {column.name}: Cube has no type for {column.data_type}"
            if column.name != owner and column.name.casefold() not in keys:
                skipped.append(f"{told}; left out")
                continue
            skipped.append(f"{told}; served as text: rows are chosen or counted by it")
        dimensions[name.casefold()] = Dimension(
            name=name,
            sql=scope.column(column.name).sql,
            type=kind or "string",
            columns=frozenset({column.name.casefold()}),
            description=column.description,
            primary_key=column.name.casefold() in keys,
        )
    for kind, names in untyped.items():
        if names:
            served = "times" if kind == "time" else "text"
            skipped.append(f"{node.unique_id}: columns without a data_type, served as {served}: {_listed(names)}")
    documented = {column.name.casefold() for column in node.columns}
    for key, spelled in sorted(keys.items()):
        if key not in documented:
            name = free_name(cube_name(spelled), {*reserved, *dimensions})
            columns = frozenset({key})
            dimensions[name.casefold()] = Dimension(
                name=name, sql=scope.column(spelled).sql, type="string", columns=columns, primary_key=True
            )
    return dimensions


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "") + f" ({len(names)})"


def _semantic(
    spec: SemanticDimension,
    dimensions: Mapping[str, Dimension],
    scope: Scope,
    protected: Collection[str],
    reserved: Collection[str],
) -> Dimension:
    expression = translate(spec.sql, scope)
    title, description = spec.label or "", spec.description or ""
    present = dimensions.get(free_name(cube_name(spec.name), reserved).casefold())
    if present is None:
        return Dimension(
            name=free_name(cube_name(spec.name), reserved),
            sql=expression.sql,
            type="time" if spec.type == "time" else _type_like(expression, dimensions),
            columns=expression.columns,
            title=title,
            description=description,
        )
    if expression.sql != present.sql and present.columns & set(protected):
        raise Untranslatable(
            f"its name is taken by {', '.join(sorted(present.columns))}, which must be served as it is"
        )
    return replace(
        present,
        sql=expression.sql,
        type="time" if spec.type == "time" else _type_like(expression, dimensions),
        columns=expression.columns,
        title=title,
        description=description or present.description,
    )


def _type_like(expression: Expression, dimensions: Mapping[str, Dimension]) -> DimensionType:
    return next((dimension.type for dimension in dimensions.values() if dimension.sql == expression.sql), "string")
