"""Comparisons of a column with values, as Iceberg filters rows by them.

pyiceberg's classes take their arguments by position and say otherwise to type checkers.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyiceberg.expressions import BooleanExpression, EqualTo, GreaterThanOrEqual, In, LessThan, LessThanOrEqual

Value = int | str
"""A text stands for any type that Iceberg writes as text: a date, a time, a decimal."""


def at_least(column: str, value: Value) -> BooleanExpression:
    """`column >= value`."""
    return GreaterThanOrEqual(column, value)  # type: ignore[misc, call-arg]


def at_most(column: str, value: Value) -> BooleanExpression:
    """`column <= value`."""
    return LessThanOrEqual(column, value)  # type: ignore[misc, call-arg]


def below(column: str, value: Value) -> BooleanExpression:
    """`column < value`."""
    return LessThan(column, value)  # type: ignore[misc, call-arg]


def one_of(column: str, values: Iterable[Value]) -> BooleanExpression:
    """`column in (value, ...)`."""
    distinct = sorted(set(values), key=str)
    if len(distinct) == 1:
        return EqualTo(column, distinct[0])  # type: ignore[misc, call-arg]
    return In(column, distinct)  # type: ignore[misc, call-arg]
