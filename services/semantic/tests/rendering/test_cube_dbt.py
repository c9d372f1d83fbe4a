"""cube_dbt, the package of Cube's own makers, on the same manifest: what it can say, floe says alike.

What it cannot say (measures, joins, views, titles, policies, rollups) has no part here. Where floe differs on purpose,
the reason stands beside the difference.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cube_dbt import Dbt
from cube_dbt.column import TYPE_MAPPINGS

from floe_dbt.manifest import normalise_manifest
from floe_dbt.nodes import read_nodes
from floe_semantic.core.rendering.render import render
from floe_semantic.core.rendering.sql.column_types import dimension_type

from .manifest_parts import MakeArtifact, Parse

# A time of day has no day: Cube fails to cut it to a grain. The others have no order, or none that Cube knows of.
TEXT = {"time", "timetz", "time without time zone", "time with time zone"}
LEFT_OUT = {
    *("array", "bytes", "geography", "geometry", "interval", "json", "range", "struct", "variant", "object", "vector"),
    *("binary", "varbinary", "varbyte", "binary varying", "hllsketch", "super"),
    *("interval year to month", "interval day to second"),
}
PROJECT = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n"
    "models: {+materialized: table, +meta: {floe: {expose: true}}}\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: 'shop.duckdb'}}}\n",
    "models/customers.sql": "select 1 as id, 'a' as name",
    "models/orders.sql": "{{ config(alias='sold', schema='sales') }} select 1 as id",
    "models/lines.sql": "select 1 as order_id, 1 as line",
    "models/schema.yml": """
models:
  - name: customers
    description: Who buys.
    columns:
      - {name: id, data_type: BIGINT, description: A number., data_tests: [unique, not_null]}
      - {name: name, data_type: varchar(20)}
      - {name: born, data_type: date}
      - {name: since, data_type: timestamp with time zone}
      - {name: active, data_type: boolean}
      - {name: note}
  - name: orders
    columns:
      - {name: id, data_type: integer, tags: [primary_key]}
      - {name: amount, data_type: "numeric(10, 2)"}
  - name: lines
    constraints: [{type: primary_key, columns: [order_id, line]}]
    columns:
      - {name: order_id, data_type: integer}
      - {name: line, data_type: integer}
""",
}


@pytest.mark.parametrize("data_type", sorted({*TYPE_MAPPINGS, "string", "number", "boolean"}))
def test_types(data_type: str) -> None:
    theirs = TYPE_MAPPINGS.get(data_type, data_type)
    ours = None if data_type in LEFT_OUT else "string" if data_type in TEXT else theirs
    assert dimension_type(data_type) == ours


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The manifest of the project."""
    folder = tmp_path_factory.mktemp("shop")
    for path, text in PROJECT.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    command = [sys.executable, "-m", "dbt.cli.main", "parse", "--profiles-dir", ".", "--no-send-anonymous-usage-stats"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    document: dict[str, Any] = json.loads(Path(folder, "target", "manifest.json").read_text())
    return document


@pytest.mark.dbt
def test_cubes(manifest: dict[str, Any], make_artifact: MakeArtifact, parsed: Parse) -> None:
    theirs = Dbt(json.loads(json.dumps(manifest))).models
    bundle = render(make_artifact(row_owner=None, prod={}), read_nodes(normalise_manifest(manifest)), "prod")
    assert set(bundle.cubes) == {model.name for model in theirs}
    for model in theirs:
        cube = parsed(bundle, model.name)
        # DuckDB's file has another name where Cube attaches it, so the name of the database is left out.
        assert f'"shop".{cube["sql_table"]}' == model.sql_table
        assert cube.get("description", "") == model.description
        dimensions = {item["name"]: item for item in cube["dimensions"]}
        keys = {name for name, item in dimensions.items() if item.get("primary_key")}
        assert keys == {column.name for column in model.primary_key}
        assert set(dimensions) == {column.name for column in model.columns}
        for column in model.columns:
            dimension = dimensions[column.name]
            assert dimension["type"] == column.type
            assert dimension["sql"] == "{CUBE}." + column.sql
            assert dimension.get("description", "") == column.description
