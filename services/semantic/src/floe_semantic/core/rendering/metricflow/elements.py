"""MetricFlow's semantic models and metrics as a dbt manifest holds them; only the fields that Cube has a use for.

Shapes: `dbt.artifacts.resources.v1.{semantic_model,metric,saved_query}` of dbt-core 1.11 and, where a metric aggregates
by itself, of 1.12. Fields that are not named here are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Sql = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, (int, float)) else value)]


class Element(BaseModel):
    """A part of the manifest."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DependsOn(Element):
    """The nodes that something is made of."""

    nodes: tuple[str, ...] = ()


class WhereFilter(Element):
    """One condition, a Jinja template."""

    where_sql_template: str


class WhereFilters(Element):
    """Conditions that all hold."""

    where_filters: tuple[WhereFilter, ...] = ()


class AggregationParameters(Element):
    """Which percentile, and how it is found."""

    percentile: float | None = None
    use_discrete_percentile: bool = False
    use_approximate_percentile: bool = False


class Entity(Element):
    """A key of a semantic model; `expr` is the column if it has another name."""

    name: str
    type: str
    expr: Sql | None = None

    @property
    def sql(self) -> str:
        """The SQL of the key."""
        return self.expr or self.name


class SemanticDimension(Element):
    """Something to group by."""

    name: str
    type: str
    expr: Sql | None = None
    label: str | None = None
    description: str | None = None

    @property
    def sql(self) -> str:
        """The SQL of the dimension."""
        return self.expr or self.name


class Aggregation(Element):
    """What is aggregated, and how."""

    agg: str
    expr: Sql | None = None
    agg_params: AggregationParameters | None = None
    non_additive_dimension: dict[str, Any] | None = None


class SemanticMeasure(Aggregation):
    """An aggregation with a name."""

    name: str
    label: str | None = None
    description: str | None = None
    agg_time_dimension: str | None = None


class Defaults(Element):
    """What holds for the measures of a semantic model unless they say otherwise."""

    agg_time_dimension: str | None = None


class SemanticModel(Element):
    """A dbt model with its keys, dimensions and measures."""

    unique_id: str
    name: str
    label: str | None = None
    depends_on: DependsOn = DependsOn()
    entities: tuple[Entity, ...] = ()
    dimensions: tuple[SemanticDimension, ...] = ()
    measures: tuple[SemanticMeasure, ...] = ()
    primary_entity: str | None = None
    defaults: Defaults | None = None


class SavedQueryParameters(Element):
    """What a saved query asks for, as the project spells it."""

    metrics: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    where: WhereFilters | None = None


class SavedQuery(Element):
    """Metrics, and what they are grouped by."""

    unique_id: str
    name: str
    label: str | None = None
    description: str | None = None
    query_params: SavedQueryParameters = SavedQueryParameters()


class MeasureInput(Element):
    """The measure that a metric is made of."""

    name: str
    filter: WhereFilters | None = None
    join_to_timespine: bool = False
    fill_nulls_with: float | None = None


class MetricInput(Element):
    """A metric that another one is made of."""

    name: str
    alias: str | None = None
    filter: WhereFilters | None = None
    offset_window: dict[str, Any] | None = None
    offset_to_grain: str | None = None


class TimeWindow(Element):
    """A length of time."""

    count: int
    granularity: str


class CumulativeParameters(Element):
    """Over which time a cumulative metric runs."""

    window: TimeWindow | None = None
    grain_to_date: str | None = None
    metric: MetricInput | None = None


class MetricAggregation(Aggregation):
    """The aggregation of a simple metric that has no measure."""

    semantic_model: str


class MetricParameters(Element):
    """What a metric is made of; which fields count depends on its type."""

    measure: MeasureInput | None = None
    numerator: MetricInput | None = None
    denominator: MetricInput | None = None
    expr: Sql | None = None
    metrics: tuple[MetricInput, ...] | None = None
    window: TimeWindow | None = None
    grain_to_date: str | None = None
    cumulative_type_params: CumulativeParameters | None = None
    metric_aggregation_params: MetricAggregation | None = None
    join_to_timespine: bool | None = None
    fill_nulls_with: float | None = None


class Metric(Element):
    """A metric."""

    unique_id: str
    name: str
    type: str
    label: str | None = None
    description: str | None = None
    filter: WhereFilters | None = None
    type_params: MetricParameters = Field(default=MetricParameters())
