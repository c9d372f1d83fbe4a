"""Cubes and their members, before they are written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from floe_contracts.nodes import Node
from floe_semantic.core.rendering.sql.expression import Scope

Relationship = Literal["many_to_one", "one_to_one"]
DimensionType = Literal["number", "string", "time", "boolean"]
MeasureType = Literal["avg", "count", "count_distinct", "max", "min", "number", "sum"]


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something to group and filter by; `columns` are those it is computed from, casefolded."""

    name: str
    sql: str
    type: DimensionType
    columns: frozenset[str]
    title: str = ""
    description: str = ""
    primary_key: bool = False


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """The time that a measure runs over: the last `trailing`, or since the `to_date` (month, year, ...) began."""

    trailing: str | None = None
    to_date: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """An aggregate; `columns` are those it is computed from, filters included, casefolded.

    Attributes:
        source: the dbt unique id of the metric or semantic model that it comes from, if any.
    """

    name: str
    type: MeasureType
    columns: frozenset[str]
    sql: str | None = None
    filters: tuple[str, ...] = ()
    rolling_window: RollingWindow | None = None
    title: str = ""
    description: str = ""
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """A way from a cube to the cube `target`.

    Attributes:
        pairs: columns of the cube, each with the one of the target that must equal it.
    """

    target: str
    pairs: tuple[tuple[str, str], ...]
    sql: str
    relationship: Relationship


@dataclass(frozen=True, slots=True)
class Refresh:
    """When a rollup is built again: an interval (`30 minutes`), or a cron expression in a time zone."""

    every: str
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Rollup:
    """Measures of a cube that Cube keeps computed; members are named with their cubes.

    Attributes:
        times: time dimensions, each with the grain that it is cut to.
        external: whether it stands in Cube Store instead of the warehouse.
    """

    name: str
    measures: tuple[str, ...]
    dimensions: tuple[str, ...]
    times: tuple[tuple[str, str], ...]
    refresh: Refresh
    external: bool


@dataclass(frozen=True, slots=True)
class Cube:
    """A served model.

    Attributes:
        scope: how the model's columns are written.
        row_owner: the dimension whose value must equal the caller's claim, if rows have owners.
        data_source: Cube's name of the warehouse that it stands in, if that is not the environment's own.
    """

    name: str
    node: Node
    title: str
    scope: Scope
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    joins: tuple[Join, ...] = ()
    row_owner: str | None = None
    data_source: str | None = None
    rollups: tuple[Rollup, ...] = ()

    @property
    def members(self) -> tuple[Dimension | Measure, ...]:
        """All members."""
        return (*self.dimensions, *self.measures)

    @property
    def key_columns(self) -> frozenset[str]:
        """The columns of the primary key, casefolded; none if there is no primary key."""
        return frozenset(column for item in self.dimensions if item.primary_key for column in item.columns)
