"""The metrics of a project as measures of its cubes, each after those that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Final

from floe_semantic.core.rendering.cubes.members import Measure, RollingWindow
from floe_semantic.core.rendering.metricflow.elements import (
    Aggregation,
    CumulativeParameters,
    Metric,
    MetricInput,
    MetricParameters,
    TimeWindow,
)
from floe_semantic.core.rendering.metricflow.measures import aggregated, conditions
from floe_semantic.core.rendering.metricflow.semantic_models import SemanticLayer
from floe_semantic.core.rendering.sql.expression import Expression, Scope, translate
from floe_semantic.core.rendering.sql.identifiers import cube_name, free_name
from floe_semantic.core.rendering.untranslatable import Untranslatable

_WINDOWS: Final = frozenset({"minute", "hour", "day", "week", "month", "quarter", "year"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the members of one cube go.

    Attributes:
        scope: what the SQL of the cube's model may speak of.
        taken: casefolded names that a member can no longer have; grows with each member.
        measures: the cube's measures by name; grows with each member.
    """

    scope: Scope
    taken: set[str]
    measures: dict[str, Measure]

    def add(self, measure: Measure, suffix: str) -> Measure:
        """Put `measure` in under a free name, which is what is returned."""
        named = replace(measure, name=free_name(measure.name, self.taken, suffix))
        self.taken.add(named.name.casefold())
        self.measures[named.name] = named
        return named

    def describe(self, present: Measure, metric: Measure) -> Measure:
        """Take over what `metric`, which computes the same as `present`, says about itself."""
        described = replace(
            present,
            title=metric.title or present.title,
            description=metric.description or present.description,
            source=metric.source,
        )
        self.measures[present.name] = described
        return described


@dataclass(frozen=True, slots=True)
class _Served:
    node_id: str
    measure: Measure


def add_metrics(
    metrics: Iterable[Metric], layer: SemanticLayer, places: Mapping[str, Place], skipped: list[str]
) -> dict[str, tuple[str, str]]:
    """Add every metric that Cube can serve to the place of its dbt model; the others are told of in `skipped`.

    Args:
        metrics: all metrics of the project.
        layer: the semantic models, their measures already in the places.
        places: by the unique id of the dbt model.
        skipped: is told what cannot be served and what is served under another name.

    Returns:
        The unique id of the dbt model and the name of the measure, by the metric that it serves.
    """
    by_name = {metric.name: metric for metric in metrics}
    served: dict[str, _Served] = {}
    for name in _ordered(by_name, skipped):
        metric = by_name[name]
        try:
            node_id, measure = _measure(metric, layer, places, served)
        except Untranslatable as reason:
            skipped.append(f"{metric.unique_id}: {reason}")
            continue
        place = places[node_id]
        present = place.measures.get(measure.name)
        if present is not None and _same(present, measure):
            served[name] = _Served(node_id, place.describe(present, measure))
            continue
        named = place.add(measure, "_metric")
        served[name] = _Served(node_id, named)
        if named.name != name:
            skipped.append(f"{metric.unique_id}: its name is taken or not legal; served as {named.name}")
    return {name: (found.node_id, found.measure.name) for name, found in served.items()}


def _ordered(metrics: Mapping[str, Metric], skipped: list[str]) -> list[str]:
    graph = {name: [item.name for item in inputs(metric) if item.name in metrics] for name, metric in metrics.items()}
    while True:
        try:
            return list(TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order())
        except CycleError as error:
            circle = sorted(set(error.args[1]))
            skipped.extend(f"{metrics[name].unique_id}: it is made of itself" for name in circle)
            graph = {name: [item for item in needs if item not in circle] for name, needs in graph.items()}
            graph = {name: needs for name, needs in graph.items() if name not in circle}


def inputs(metric: Metric) -> tuple[MetricInput, ...]:
    """The metrics that `metric` is made of."""
    parameters = metric.type_params
    cumulative = parameters.cumulative_type_params
    single = (parameters.numerator, parameters.denominator, cumulative.metric if cumulative else None)
    return (*(item for item in single if item is not None), *(parameters.metrics or ()))


def _measure(
    metric: Metric, layer: SemanticLayer, places: Mapping[str, Place], served: Mapping[str, _Served]
) -> tuple[str, Measure]:
    if metric.type == "simple":
        return _simple(metric, layer, places)
    if metric.type == "cumulative":
        return _cumulative(metric, layer, places, served)
    if metric.type not in {"ratio", "derived"}:
        raise Untranslatable(f"Cube has no counterpart for metrics of type {metric.type}")
    if metric.filter is not None and metric.filter.where_filters:
        raise Untranslatable(f"a filter on a {metric.type} metric")
    needs = inputs(metric)
    found = [_input(item, served) for item in needs]
    node_ids = {item.node_id for item in found}
    if len(node_ids) != 1:
        raise Untranslatable("it is made of metrics of several models" if node_ids else "it is made of no metrics")
    node_id = node_ids.pop()
    members = {
        item.alias or item.name: Expression(f"{{{value.measure.name}}}", value.measure.columns)
        for item, value in zip(needs, found, strict=True)
    }
    expression = _calculation(metric.type_params, members, places[node_id].scope)
    return node_id, Measure(
        name=cube_name(metric.name),
        type="number",
        columns=expression.columns.union(*(value.measure.columns for value in found)),
        sql=expression.sql,
        title=metric.label or "",
        description=metric.description or "",
        source=metric.unique_id,
    )


def _calculation(parameters: MetricParameters, members: Mapping[str, Expression], scope: Scope) -> Expression:
    if parameters.numerator is not None and parameters.denominator is not None:
        top, bottom = (members[item.alias or item.name].sql for item in (parameters.numerator, parameters.denominator))
        return Expression(f"1.0 * {top} / nullif({bottom}, 0)")
    if parameters.expr is None:
        raise Untranslatable("neither numerator and denominator nor an expression is given")
    return translate(parameters.expr, replace(scope, names=members))


def _simple(metric: Metric, layer: SemanticLayer, places: Mapping[str, Place]) -> tuple[str, Measure]:
    parameters = metric.type_params
    aggregation: Aggregation
    for stated in (parameters, parameters.measure):
        if stated is not None and (stated.fill_nulls_with is not None or stated.join_to_timespine):
            raise Untranslatable("Cube does not fill in days without rows")
    if parameters.measure is not None:
        found = layer.measure(parameters.measure.name)
        if found is None:
            raise Untranslatable(f"measure {parameters.measure.name} is not served")
        node_id, model, spec = found
        filters = conditions(parameters.measure.filter, model, places[node_id].scope)
        aggregation, default = spec, spec.name
    elif parameters.metric_aggregation_params is not None:
        named = layer.named(parameters.metric_aggregation_params.semantic_model)
        if named is None:
            raise Untranslatable(f"semantic model {parameters.metric_aggregation_params.semantic_model} is not served")
        node_id, model = named
        filters, aggregation, default = (), parameters.metric_aggregation_params, metric.name
    else:
        raise Untranslatable("it names no measure")
    scope = places[node_id].scope
    filters = (*filters, *conditions(metric.filter, model, scope))
    measure = aggregated(
        aggregation,
        default,
        scope,
        filters,
        title=metric.label or "",
        description=metric.description or "",
        source=metric.unique_id,
    )
    return node_id, replace(measure, name=cube_name(metric.name))


def _cumulative(
    metric: Metric, layer: SemanticLayer, places: Mapping[str, Place], served: Mapping[str, _Served]
) -> tuple[str, Measure]:
    parameters = metric.type_params
    cumulative = parameters.cumulative_type_params or CumulativeParameters()
    if cumulative.metric is not None:
        base = _input(cumulative.metric, served)
        if metric.filter is not None and metric.filter.where_filters:
            raise Untranslatable("a filter on a cumulative metric that is made of a metric")
        node_id, measure = base.node_id, base.measure
    else:
        node_id, measure = _simple(metric, layer, places)
    if measure.type == "number" or measure.rolling_window is not None:
        raise Untranslatable("Cube runs only sums, counts, averages, minima and maxima over a window")
    window = _window(cumulative.window or parameters.window, cumulative.grain_to_date or parameters.grain_to_date)
    return node_id, replace(
        measure,
        name=cube_name(metric.name),
        rolling_window=window,
        title=metric.label or "",
        description=metric.description or "",
        source=metric.unique_id,
    )


def _window(window: TimeWindow | None, to_date: str | None) -> RollingWindow:
    grain = to_date if to_date is not None else window.granularity.rstrip("s") if window is not None else "day"
    if grain not in _WINDOWS:
        raise Untranslatable(f"Cube has no window of {grain}")
    if to_date is not None:
        return RollingWindow(to_date=to_date)
    return RollingWindow(trailing=f"{window.count} {grain}" if window is not None else "unbounded")


def _input(item: MetricInput, served: Mapping[str, _Served]) -> _Served:
    if item.offset_window or item.offset_to_grain:
        raise Untranslatable(f"it compares with another time: {item.name}")
    if item.filter is not None and item.filter.where_filters:
        raise Untranslatable(f"a filter on its input {item.name}")
    if item.name not in served:
        raise Untranslatable(f"metric {item.name} is not served")
    return served[item.name]


def _same(one: Measure, other: Measure) -> bool:
    return (one.type, one.sql, one.filters, one.rolling_window) == (
        other.type,
        other.sql,
        other.filters,
        other.rolling_window,
    )
