"""Names of tables and columns, percentiles and expressions in the SQL of each warehouse."""

from __future__ import annotations

import pytest

from floe_semantic.core.rendering.sql.dialects import column_name, dialect_of, relation
from floe_semantic.core.rendering.sql.expression import Scope, translate
from floe_semantic.core.rendering.sql.quantiles import Quantile, quantile
from floe_semantic.core.rendering.untranslatable import Untranslatable

from .manifest_parts import MakeNode

WAREHOUSES = ("duckdb", "postgres", "redshift", "snowflake", "bigquery", "databricks", "spark")


@pytest.mark.parametrize(
    ("warehouse", "relation_name", "sql"),
    [
        # As dbt 1.11 with the adapters of requirements/adapters.txt names them by default.
        ("duckdb", '"shop"."main"."orders"', '"main"."orders"'),
        ("postgres", '"shop"."main"."orders"', '"main"."orders"'),
        ("redshift", '"shop"."main"."orders"', '"shop"."main"."orders"'),
        ("snowflake", "shop.main.orders", "shop.main.orders"),
        ("bigquery", "`shop`.`main`.`orders`", "`shop`.`main`.`orders`"),
        ("databricks", "`shop`.`main`.`orders`", "`shop`.`main`.`orders`"),
        ("spark", "main.orders", "main.orders"),
    ],
)
def test_tables(make_node: MakeNode, warehouse: str, relation_name: str, sql: str) -> None:
    node = make_node("orders", database="shop", relation_name=relation_name)
    assert relation(node, dialect_of(warehouse)) == sql


def test_tables_of_a_graph_that_does_not_say_how_dbt_quotes_them(make_node: MakeNode) -> None:
    node = make_node("a`b", database="shop")
    assert relation(node, dialect_of("bigquery")) == "`shop`.`main`.`a``b`"
    assert relation(node, dialect_of("snowflake")) == '"shop"."main"."a`b"'
    assert relation(make_node("orders", database=""), dialect_of("spark")) == "`main`.`orders`"


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("name", ["order", "Order", "_1", "ORDER_ID"])
def test_plain_columns_are_written_as_dbt_writes_them(warehouse: str, name: str) -> None:
    assert column_name(name, dialect_of(warehouse)) == name


@pytest.mark.parametrize(
    ("warehouse", "plain", "odd"),
    [
        ("duckdb", "Order", '"a""b `c"'),
        ("postgres", '"Order"', '"a""b `c"'),
        ("redshift", '"Order"', '"a""b `c"'),
        ("snowflake", '"Order"', '"a""b `c"'),
        ("bigquery", "Order", '`a"b ``c`'),
        ("databricks", "Order", '`a"b ``c`'),
        ("spark", "Order", '`a"b ``c`'),
    ],
)
def test_columns_that_are_quoted(warehouse: str, plain: str, odd: str) -> None:
    assert column_name("Order", dialect_of(warehouse), as_spelled=True) == plain
    assert column_name('a"b `c', dialect_of(warehouse)) == odd


@pytest.mark.parametrize(
    ("warehouse", "sql", "carried"),
    [
        ("duckdb", '"STATUS" = 1', "{CUBE}.status = 1"),
        ("snowflake", '"STATUS" = 1', '{CUBE}."STATUS" = 1'),
        ("snowflake", "status = 1", "{CUBE}.status = 1"),
        ("snowflake", "name = 1", '{CUBE}."Name" = 1'),
        ("snowflake", "status = 'it''s'", "{CUBE}.status = 'it''s'"),
        ("bigquery", 'status = "it\'s"', '{CUBE}.status = "it\'s"'),
        ("bigquery", "`my status` = 1", "{CUBE}.`my status` = 1"),
        ("databricks", "`STATUS` = 1", "{CUBE}.status = 1"),
        ("duckdb", "status = 'a\\'", "{CUBE}.status = 'a\\\\'"),
    ],
)
def test_expressions(warehouse: str, sql: str, carried: str) -> None:
    assert translate(sql, scope(warehouse)).sql == carried


@pytest.mark.parametrize(
    ("warehouse", "sql"),
    [
        ("duckdb", "`status` = 1"),
        ("bigquery", "status = 'a\\'"),
        ("snowflake", "status = 'a\\'"),
        # What it is depends on a setting of the session.
        ("spark", '"status" = 1'),
        ("databricks", '"status" = 1'),
        ("duckdb", '"" = 1'),
    ],
)
def test_what_cannot_be_accounted_for_is_refused(warehouse: str, sql: str) -> None:
    with pytest.raises(Untranslatable):
        translate(sql, scope(warehouse))


def scope(warehouse: str) -> Scope:
    return Scope(
        columns={"status": "status", "name": "Name"}, quoted=frozenset({"Name"}), dialect=dialect_of(warehouse)
    )


@pytest.mark.parametrize(
    ("warehouse", "how", "sql"),
    [
        ("duckdb", "continuous", "quantile_cont(x, 0.9)"),
        ("postgres", "continuous", "percentile_cont(0.9) within group (order by x)"),
        ("redshift", "approximate", "approximate percentile_disc(0.9) within group (order by x)"),
        ("snowflake", "discrete", "percentile_disc(0.9) within group (order by x)"),
        ("bigquery", "approximate", "approx_quantiles(x, 1000)[offset(900)]"),
        ("databricks", "continuous", "percentile(x, 0.9)"),
        ("spark", "approximate", "approx_percentile(x, 0.9)"),
        ("postgres", "approximate", None),
        ("bigquery", "continuous", None),
    ],
)
def test_percentiles(warehouse: str, how: Quantile, sql: str | None) -> None:
    if sql is None:
        with pytest.raises(Untranslatable, match=f"{warehouse} has no aggregate"):
            quantile("x", 0.9, how, dialect_of(warehouse))
    else:
        assert quantile("x", 0.9, how, dialect_of(warehouse)) == sql
