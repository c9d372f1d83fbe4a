"""The measures of a cube that aggregate something by themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from floe_semantic.core.rendering.cubes.members import Measure, MeasureType
from floe_semantic.core.rendering.metricflow.elements import Aggregation, SemanticMeasure, SemanticModel, WhereFilters
from floe_semantic.core.rendering.sql.dialects import Dialect
from floe_semantic.core.rendering.sql.expression import Expression, Scope, translate
from floe_semantic.core.rendering.sql.identifiers import cube_name
from floe_semantic.core.rendering.sql.quantiles import Quantile, quantile
from floe_semantic.core.rendering.untranslatable import Untranslatable

_SAME: Final[dict[str, MeasureType]] = {
    "sum": "sum",
    "min": "min",
    "max": "max",
    "average": "avg",
    "count": "count",
    "count_distinct": "count_distinct",
    "sum_boolean": "sum",
}
_QUANTILES: Final = frozenset({"median", "percentile"})
_ALL_ROWS: Final = frozenset({"*", "1"})
_DIMENSION: Final = re.compile(r"\{\{\s*Dimension\(\s*(['\"])(?P<path>[^'\"]*)\1\s*\)\s*\}\}")
_LINKABLE: Final = frozenset({"primary", "unique", "natural"})


def semantic_measure(spec: SemanticMeasure, scope: Scope, source: str) -> Measure:
    """The measure of a semantic model.

    Raises:
        Untranslatable: Cube has no counterpart.
    """
    return aggregated(
        spec, spec.name, scope, (), title=spec.label or "", description=spec.description or "", source=source
    )


def aggregated(
    spec: Aggregation,
    name: str,
    scope: Scope,
    filters: tuple[Expression, ...],
    *,
    title: str,
    description: str,
    source: str,
) -> Measure:
    """`spec` over the rows that pass all `filters`.

    Raises:
        Untranslatable: Cube has no counterpart.
    """
    if spec.non_additive_dimension:
        raise Untranslatable("it is non-additive")
    inner = Expression("1") if spec.agg == "count" and spec.expr in _ALL_ROWS else translate(spec.expr or name, scope)
    kind: MeasureType = "number"
    outer: tuple[str, ...] = ()
    if spec.agg in _QUANTILES:
        # A measure of type number is an aggregate as a whole, so that Cube cannot put a filter inside.
        sql = _quantile(spec, _only_where(inner, filters), scope.dialect)
    elif spec.agg in _SAME:
        kind, outer = _SAME[spec.agg], tuple(condition.sql for condition in filters)
        sql = f"case when {inner.sql} then 1 else 0 end" if spec.agg == "sum_boolean" else inner.sql
    else:
        raise Untranslatable(f"Cube has no aggregation {spec.agg}")
    return Measure(
        name=cube_name(name),
        type=kind,
        columns=inner.columns.union(*(condition.columns for condition in filters)),
        sql=sql,
        filters=outer,
        title=title,
        description=description,
        source=source,
    )


def conditions(where: WhereFilters | None, model: SemanticModel, scope: Scope) -> tuple[Expression, ...]:
    """The conditions of a metric on one semantic model.

    Raises:
        Untranslatable: one speaks of another model, or in another way than `{{ Dimension('entity__name') }}`.
    """
    return tuple(_condition(item.where_sql_template, model, scope) for item in (where.where_filters if where else ()))


def _condition(template: str, model: SemanticModel, scope: Scope) -> Expression:
    names: dict[str, Expression] = {}

    def placeholder(match: re.Match[str]) -> str:
        name = f"floe_placeholder_{len(names)}"
        names[name] = _filtered_dimension(match.group("path"), model, scope)
        return name

    sql = _DIMENSION.sub(placeholder, template)
    if "{{" in sql or "{%" in sql:
        raise Untranslatable(f"a filter other than on a Dimension of its own model: {template.strip()}")
    return translate(sql, replace(scope, names=names))


def _filtered_dimension(path: str, model: SemanticModel, scope: Scope) -> Expression:
    entity, _, name = path.rpartition("__")
    own = {item.name for item in model.entities if item.type in _LINKABLE} | {model.primary_entity}
    if entity not in own:
        raise Untranslatable(f"a filter on another model: Dimension('{path}')")
    spec = next((item for item in model.dimensions if item.name == name), None)
    if spec is None:
        raise Untranslatable(f"a filter on an unknown dimension: {path}")
    return translate(spec.sql, scope)


def _only_where(inner: Expression, filters: tuple[Expression, ...]) -> str:
    if not filters:
        return inner.sql
    return f"case when {' and '.join(f'({condition.sql})' for condition in filters)} then {inner.sql} end"


def _quantile(spec: Aggregation, sql: str, dialect: Dialect) -> str:
    parameters = spec.agg_params
    share = 0.5 if spec.agg == "median" else parameters.percentile if parameters else None
    if share is None or not 0 <= share <= 1:
        raise Untranslatable("a percentile between 0 and 1 is not given")
    how: Quantile = "continuous"
    if parameters is not None and parameters.use_approximate_percentile:
        how = "approximate"
    elif parameters is not None and parameters.use_discrete_percentile:
        how = "discrete"
    return quantile(sql, share, how, dialect)
