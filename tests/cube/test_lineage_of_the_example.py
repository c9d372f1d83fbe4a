"""Whoever asks what a change reaches is told of the queries that use the column, and of no others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from served_example import ServedExample  # found by the path that conftest.py adds

pytestmark = [pytest.mark.bus, pytest.mark.dbt]


def impact(example: ServedExample, column: str) -> list[dict[str, Any]]:
    """What `floe lineage impact` answers."""
    dataset, _, name = column.partition(".")
    asked = example.stack.floe("lineage", "impact", dataset, example.stack.folder, "--column", name, "--json")
    assert asked.returncode == 0, asked.stderr
    return list(json.loads(asked.stdout)["entries"])


def queries_of(example: ServedExample, column: str) -> dict[str, list[str]]:
    """The cubes and views whose queries use a column -> the members that are made of it."""
    entries = [entry for entry in impact(example, column) if entry["node"]["namespace"] == "cube://default/dev"]
    return {entry["node"]["name"].split(".")[2]: entry["columns"] for entry in entries}


def test_the_impact_of_a_column_names_the_queries_of_cube_that_use_it(example: ServedExample) -> None:
    client = example.cube.client({"brand": "aurora", "roles": ["data_owner", "finance"], "sub": "ann"})
    assert client.load({"measures": ["fct_orders.net_sum"], "dimensions": ["fct_orders.status"]}).data
    assert client.load({"dimensions": ["dim_products.department"]}).data

    example.cube.eventually(lambda: "fct_orders" in queries_of(example, "fct_orders.status"), "the graph has the query")
    assert queries_of(example, "fct_orders.status")["fct_orders"] == ["fct_orders.status"]
    assert "dim_products" not in queries_of(example, "fct_orders.status")
    assert "fct_orders" not in queries_of(example, "dim_products.department")
