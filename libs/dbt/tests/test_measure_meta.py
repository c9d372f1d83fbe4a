"""Measures that a project declares in meta.floe."""

from __future__ import annotations

import pytest

from floe_contracts.errors import FloeError
from floe_contracts.nodes import DeclaredMeasure
from floe_dbt.errors import DbtMetaInvalid
from floe_dbt.measure_meta import read_measures
from floe_dbt.nodes import read_nodes

PROJECT = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: floe\n",
    "models/orders.sql": "select 1 as id, 2 as amount",
}
SCHEMA = """
models:
  - name: orders
    config:
      meta:
        floe:
          measures:
            - {name: revenue, type: sum, sql: amount, title: Revenue, description: In euro., filters: [amount > 0]}
            - {name: orders, type: MINE}
"""


def test_measures_are_read():
    problems: list[FloeError] = []
    stated = [
        {"name": "revenue", "type": "sum", "sql": "amount", "title": "Revenue", "filters": ["amount > 0", "id > 1"]},
        {"name": "rows", "type": "count"},
    ]
    assert read_measures(stated, "orders", "models/a.yml", problems) == (
        DeclaredMeasure(name="revenue", type="sum", sql="amount", title="Revenue", filters=("amount > 0", "id > 1")),
        DeclaredMeasure(name="rows", type="count"),
    )
    assert problems == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("revenue", "measure 'revenue' is no mapping"),
        ({"name": "a", "type": "sum", "sqll": "x", "sql": "x"}, "'sqll' is no key of a measure"),
        ({"name": "a", "type": "sum"}, "a measure of type sum without sql"),
        ({"name": "a"}, "a measure without a type"),
        ({"type": "count"}, "a measure without a name"),
        ({"name": 1, "type": "count"}, "name of a measure is 1, not a text"),
        ({"name": "a", "type": 2}, "type of a measure is 2, not a text"),
        ({"name": "a", "type": "avrg", "sql": "x"}, "type of a measure is 'avrg', not one of"),
        ({"name": "a", "type": "sum", "sql": 1}, "sql of a measure is 1, not a text"),
        ({"name": "a", "type": "count", "filters": "x > 1"}, "filters of a measure are 'x > 1', not a list of texts"),
        ({"name": "first", "type": "count"}, "a second measure 'first'"),
    ],
)
def test_what_is_wrong_is_said(entry, message):
    problems: list[FloeError] = []
    first = {"name": "first", "type": "count"}
    assert [one.name for one in read_measures([first, entry], "orders", "models/a.yml", problems)] == ["first"]
    assert any(problem.message.startswith(f"orders: {message}") for problem in problems)
    assert {str(problem.where.path) for problem in problems} == {"orders.meta.floe.measures[1]"}


@pytest.mark.dbt
def test_a_project_with_a_measure_that_is_wrong_is_refused_with_its_file(parse, make_project):
    good = make_project(PROJECT | {"models/schema.yml": SCHEMA.replace("MINE", "count")})
    measures = read_nodes(parse(good).manifest).node("model.shop.orders").measures
    assert [(one.name, one.type, one.filters) for one in measures] == [
        ("revenue", "sum", ("amount > 0",)),
        ("orders", "count", ()),
    ]
    with pytest.raises(DbtMetaInvalid) as refused:
        read_nodes(parse(make_project(PROJECT | {"models/schema.yml": SCHEMA})).manifest)
    assert [str(problem.where.file) for problem in refused.value.problems] == ["models/schema.yml"]
