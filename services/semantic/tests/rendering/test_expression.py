"""SQL of a dbt project in a Cube model: columns are found, and what cannot be accounted for is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe_semantic.core.rendering.sql.expression import Expression, Scope, translate
from floe_semantic.core.rendering.untranslatable import Untranslatable

SCOPE = Scope(
    columns={name.casefold(): name for name in ("amount", "Email", "status", "order")},
    relations=frozenset({"orders", "bigcustomers"}),
    others=frozenset({"amount", "note", "age", "year", "month", "date", "end"}),
    names={"net": Expression("{net}", frozenset({"amount"}))},
)


@pytest.mark.parametrize(
    ("sql", "carried", "columns"),
    [
        ("amount", "{CUBE}.amount", {"amount"}),
        ("AMOUNT", "{CUBE}.amount", {"amount"}),
        ('"order"', "{CUBE}.order", {"order"}),
        ("undocumented", "{CUBE}.undocumented", {"undocumented"}),
        ("case", "{CUBE}.case", {"case"}),
        ("1", "1", set()),
        ("true", "true", set()),
        ("amount.cents + 1", "{CUBE}.amount.cents + 1", {"amount"}),
        ('"undocumented" + 1', "{CUBE}.undocumented + 1", {"undocumented"}),
        ("email", "{CUBE}.Email", {"email"}),
        ("amount * 1.19 - -1", "{CUBE}.amount * 1.19 - -1", {"amount"}),
        ("lower(email) like '%{x}\\'", "lower({CUBE}.Email) like '%\\{x\\}\\\\'", {"email"}),
        ("status = 'email''s'", "{CUBE}.status = 'email''s'", {"status"}),
        ("extract(year from order)", "extract(year from {CUBE}.order)", {"order"}),
        (
            "amount::int > 5\n and  status is null",
            "{CUBE}.amount::int > 5 and {CUBE}.status is null",
            {"amount", "status"},
        ),
        ("net / 2", "{net} / 2", {"amount"}),
        ("net", "{net}", {"amount"}),
        ("amount * quantity", "{CUBE}.amount * quantity", {"amount"}),
        # A bare word would be the column of a joined cube that has one of that name.
        ("max(note)", "max({CUBE}.note)", {"note"}),
        ("amount * Age", "{CUBE}.amount * {CUBE}.Age", {"amount", "age"}),
        ("substring(note from 2)", "substring({CUBE}.note from 2)", {"note"}),
        ("case when amount > 1 then 2 end", "case when {CUBE}.amount > 1 then 2 end", {"amount"}),
        ("extract(year from amount)", "extract(year from {CUBE}.amount)", {"amount"}),
        ("amount + interval 1 month", "{CUBE}.amount + interval 1 month", {"amount"}),
        ("cast(amount as date)", "cast({CUBE}.amount as date)", {"amount"}),
        ("amount::date > date '2026-01-01'", "{CUBE}.amount::date > date '2026-01-01'", {"amount"}),
    ],
)
def test_columns_are_qualified_and_recorded(sql: str, carried: str, columns: set[str]) -> None:
    expression = translate(sql, SCOPE)
    assert expression.sql == carried
    assert expression.columns == columns


@pytest.mark.parametrize(
    "sql",
    [
        "amount +",
        "amount = ",
        "* amount",
        "(amount",
        "amount)",
        "amount) + (amount",
        "(amount]",
        "sum(amount) over ((",
        "coalesce(amount,)",
        "case when amount > 1 then 2",
        "(case when amount > 1 then 2)",
        "CASE when amount > 1 then case status when 'a' then 1 else 0 END",
        "coalesce(, amount)",
        "(amount *)",
        "amount::",
        "amount.",
        ",",
        "+",
    ],
)
def test_what_is_no_expression_by_itself_is_refused(sql: str) -> None:
    with pytest.raises(Untranslatable):
        translate(sql, SCOPE)


@pytest.mark.parametrize(
    "sql",
    [
        "now()",
        "[]",
        "[-1, +2][1:]",
        "[1, 2][:1]",
        "(-(1))",
        "f(x := 1)",
        "list_transform([1], x -> x + 1)",
        "f(a => 1)",
        "(case when now() then CASE 1 when 2 then 3 End else 4 end)",
    ],
)
def test_what_is_whole_is_carried_over_as_it_is(sql: str) -> None:
    assert translate(sql, SCOPE).sql == sql


@pytest.mark.parametrize(
    "sql",
    [
        "(select max(email) from customers)",
        "(from customers)",
        "(table customers)",
        "max(columns('em.*'))",
        "struct_pack(*)",
        "to_json(orders)",
        "big_customers::varchar",
        "max(BigCustomers::varchar)",
        "(big_customers).note",
        "date_trunc(month, amount)",
        "customers.email || ''",
        "#2 + 1",
        "amount -- email",
        "amount /* email */",
        "{CUBE}.email || ''",
        "e'\\'' || email",
        "$$email$$ || ''",
        "amount; drop table x",
        "amount || 'open",
        "",
    ],
)
def test_what_cannot_be_accounted_for_is_refused(sql: str) -> None:
    with pytest.raises(Untranslatable):
        translate(sql, SCOPE)


@given(st.text(alphabet="abemilEMAIL_01 '\"(){}\\.,*+-/<>=|:#$;\n[]", max_size=40))
def test_no_sql_opens_an_expression_of_cube(sql: str) -> None:
    try:
        carried = translate(sql, SCOPE).sql
    except Untranslatable:
        return
    rest = carried.replace("{CUBE}", "").replace("\\\\", "")
    assert not re.search(r"(?<!\\)[{}]", rest)
