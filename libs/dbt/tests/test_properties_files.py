"""Positions in properties files."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from floe_dbt.properties_files import read_positions

SCHEMA = """\
version: 2
models:
  - name: orders
    description: "{{ doc('orders') }}"
    columns: &columns
      - name: id
        data_tests: [unique, {accepted_values: {arguments: {values: [name]}}}]
      - {data_type: text, name: customer}
      - *column

  - description: The name comes later.
    ? [a, {complex: key}]
    : value
    name: customers
    columns: *columns
seeds: [{name: orders, config: {name: no}, columns: [{name: id}]}]
sources:
  - name: shop
    tables: [{name: visits, columns: [{name: ip}]}]
"""


def test_positions_of_nodes_and_columns():
    assert read_positions(SCHEMA) == {
        ("models", "orders", None): (3, 5),
        ("models", "orders", "id"): (6, 9),
        ("models", "orders", "customer"): (8, 9),
        ("models", "customers", None): (11, 5),
        ("seeds", "orders", None): (16, 9),
        ("seeds", "orders", "id"): (16, 54),
        ("sources", "shop", None): (18, 5),
    }


def test_a_file_that_breaks_off_tells_what_came_before():
    assert read_positions("models:\n  - name: a\n  - name: b\n  oops") == {
        ("models", "a", None): (2, 5),
        ("models", "b", None): (3, 5),
    }
    assert read_positions("") == {}


def test_deep_nesting_costs_neither_stack_nor_time():
    started = time.monotonic()
    assert read_positions("models: " + "[" * 100_000) == {}
    assert time.monotonic() - started < 10


@given(st.text(alphabet="models:-[]{}name&*!? \n'\"|>#", max_size=120))
def test_no_text_makes_it_fail(text):
    read_positions("models:\n" + text)
