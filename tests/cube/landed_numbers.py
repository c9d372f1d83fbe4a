"""What Cube must answer, computed from the landed tables without Cube, its model, or `serve.duckdb`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb

from floe_lakehouse.catalogs import open_catalog
from floe_lakehouse.snapshots import list_tables

_DIGITS: Final = 12
"""Significant digits to which fractions agree: sums of floating point numbers depend on their order."""

MEASURES: Final[Mapping[str, str]] = {
    "customer_lifetime_value.count": "count(*)",
    "dim_customers.count": "count(*)",
    "dim_customers.customer_count": "count(customer_id)",
    "dim_customers.total_customers": "count(customer_id)",
    "dim_products.count": "count(*)",
    "fct_daily_revenue.count": "count(*)",
    "fct_orders.count": "count(*)",
    "fct_orders.order_count": "count(order_id)",
    "fct_orders.total_orders": "count(order_id)",
    "fct_orders.buyer_count": "count(DISTINCT customer_id)",
    "fct_orders.active_customers": "count(DISTINCT customer_id)",
    "fct_orders.cancelled_orders": "count(order_id) FILTER (status = 'cancelled')",
    "fct_orders.cancellation_rate": "count(order_id) FILTER (status = 'cancelled') / count(order_id)",
    "fct_orders.gross_revenue": "sum(order_total) FILTER (status <> 'cancelled')",
    "fct_orders.order_total_sum": "sum(order_total)",
    "fct_orders.order_total_average": "avg(order_total)",
    "fct_orders.average_order_value": "avg(order_total)",
    "fct_orders.items_sum": "sum(items)",
    "fct_orders.units_sold": "sum(items)",
    "fct_orders.net_sum": "sum(net_amount)",
    "fct_orders.net_revenue": "sum(net_amount)",
    "fct_orders.refunded_sum": "sum(refunded_amount)",
    "fct_orders.refunds": "sum(refunded_amount)",
    "fct_orders.revenue_before_refunds": "sum(net_amount) + sum(refunded_amount)",
    "fct_orders.revenue_per_customer": "sum(net_amount) / count(DISTINCT customer_id)",
}
"""Of the example: its dbt project says what each of them is."""
OVER_TIME: Final[Mapping[str, str]] = {
    "fct_orders.net_revenue_7_days": "later.order_date BETWEEN day - INTERVAL 6 DAY AND day",
    "fct_orders.net_revenue_month_to_date": "later.order_date BETWEEN date_trunc('month', day) AND day",
}
"""Sums of `net_amount` up to each day."""
JOINS: Final = {
    ("customer_lifetime_value", "dim_customers"): "customer_id",
    ("fct_orders", "dim_customers"): "customer_id",
}
"""Columns by which tables are joined."""


def plain(value: Any) -> Any:
    """A value as both sides can be compared by: Cube answers numbers as texts, and dates as moments."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return f"{Decimal(str(value)):.{_DIGITS}g}".rstrip("0").rstrip(".") if value % 1 else str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day).isoformat(timespec="milliseconds")  # noqa: DTZ001
    return value


def answered(value: Any, kind: str) -> Any:
    """A value of Cube's answer, likewise; `kind` is the member's type."""
    if value is None:
        return None
    if kind == "number":
        return plain(Decimal(str(value)))
    if kind == "boolean":
        return str(value).lower()
    if kind == "time":
        return datetime.fromisoformat(str(value).removesuffix("Z")).isoformat(timespec="milliseconds")
    return value


@dataclass(frozen=True)
class Landed:
    """The landed tables of a product, as pyiceberg reads them."""

    connection: duckdb.DuckDBPyConnection

    def total(self, measure: str, brand: str) -> Any:
        """A measure over all rows of a brand."""
        cube = measure.partition(".")[0]
        return self._rows(f"SELECT {MEASURES[measure]} FROM {cube} WHERE brand = $brand", brand)[0][0]

    def by(self, measure: str, dimension: str, brand: str) -> list[tuple[Any, ...]]:
        """A measure by the values of a column of its own table, or of one that is joined to it."""
        cube, (other, column) = measure.partition(".")[0], dimension.split(".")
        tables, owned = cube, f"{cube}.brand = $brand"
        if other != cube:
            tables += f" LEFT JOIN {other} USING ({JOINS[cube, other]})"
            owned += f" AND {other}.brand = $brand"
        sql = f"SELECT {other}.{column}, {MEASURES[measure]} FROM {tables} WHERE {owned} GROUP BY 1"
        return self._rows(sql, brand)

    def over_time(self, measure: str, brand: str, first: str, last: str) -> list[tuple[Any, ...]]:
        """A measure of `OVER_TIME` for each day."""
        sql = (
            "SELECT day, (SELECT sum(net_amount) FROM fct_orders AS later "
            f"WHERE brand = $brand AND {OVER_TIME[measure]}) "
            f"FROM generate_series(DATE '{first}', DATE '{last}', INTERVAL 1 DAY) AS days(day) ORDER BY day"
        )
        return self._rows(sql, brand)

    def _rows(self, sql: str, brand: str) -> list[tuple[Any, ...]]:
        return [tuple(map(plain, row)) for row in self.connection.execute(sql, {"brand": brand}).fetchall()]


def landed(stack: Path, namespace: Iterable[str]) -> Landed:
    """The tables below a namespace of an embedded stack.

    Args:
        stack: its `.floe`.
        namespace: the levels.
    """
    catalog = open_catalog({"type": "sql", "uri": f"sqlite:///{stack}/catalog.db", "warehouse": f"file://{stack}/lake"})
    connection = duckdb.connect(":memory:")
    for identifier in list_tables(catalog, tuple(namespace)):
        connection.register(identifier[-1], catalog.load_table(identifier).scan().to_arrow())
    return Landed(connection)
