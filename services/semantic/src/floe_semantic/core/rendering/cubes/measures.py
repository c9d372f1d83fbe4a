"""The measures that no semantic model speaks of: the number of rows, and what the model itself declares."""

from __future__ import annotations

from floe_contracts.nodes import DeclaredMeasure
from floe_semantic.core.rendering.cubes.members import Measure
from floe_semantic.core.rendering.sql.expression import Scope, translate
from floe_semantic.core.rendering.sql.identifiers import cube_name


def row_count(key_columns: frozenset[str]) -> Measure:
    """The measure that counts rows; Cube counts by primary key, so the measure depends on it."""
    return Measure("count", "count", key_columns, title="Rows", description="Number of rows.")


def declared_measure(spec: DeclaredMeasure, scope: Scope) -> Measure:
    """A measure of `meta.floe.measures`.

    Raises:
        Untranslatable: its SQL holds something that cannot be carried over.
    """
    inner = translate(spec.sql, scope) if spec.sql is not None else None
    filters = [translate(condition, scope) for condition in spec.filters]
    read = [*filters, *([inner] if inner is not None else [])]
    return Measure(
        name=cube_name(spec.name),
        type=spec.type,
        columns=frozenset().union(*(item.columns for item in read)),
        # Counting nothing in particular, Cube would count keys, and the measure would be as protected as they are.
        sql=inner.sql if inner is not None else "1",
        filters=tuple(item.sql for item in filters),
        title=spec.title,
        description=spec.description,
    )
