"""Pre-aggregations that a Cube cannot build do not stand in the way of the queries that they match."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundle_server import served_cube  # found by the path that conftest.py adds
from cube_facts import refused, told
from cube_home import CubeHome
from models import ORDERS

BY_STATUS = {"measures": ["orders.total"], "dimensions": ["orders.status"], "order": {"orders.status": "asc"}}
ROWS = [{"orders.status": "open", "orders.total": "7"}, {"orders.status": "paid", "orders.total": "16"}]


def with_rollup(external: str) -> str:
    cube, measures = ORDERS.split("    measures:\n")
    rollup = f"""    pre_aggregations:
      - name: by_status
        type: rollup
        external: {external}
        measures:
          - total
        dimensions:
          - status
"""
    return f"{cube}{rollup}    measures:\n{measures}"


@pytest.mark.parametrize("external", ["true", "false"])
def test_a_query_that_matches_one_is_answered_from_the_tables(
    cube_home: CubeHome, tmp_path: Path, external: str
) -> None:
    settings = {"FLOE_SERVE_DATABASE": str(tmp_path / "nothing.duckdb")} if external == "false" else {}
    files = {"orders.yml": with_rollup(external)}
    with served_cube(cube_home, tmp_path / "cube", files, environment=settings) as (cube, bundles):
        assert "preAggregations" in cube.client().sql(BY_STATUS).body["sql"]
        assert cube.client().sql(BY_STATUS).body["sql"]["preAggregations"] == []
        assert len(told(cube, "pre-aggregations in 1 files are left out")) == 1
        if external == "true":
            assert cube.client().load(BY_STATUS).data == ROWS
        digest = bundles.offer(
            {"orders.yml": "cubes: [{name: orders, pre_aggregations: [{name: a, external: true}]}]\n"}
        )
        assert "cannot be taken out" in refused(cube, bundles, digest)["error"]


def test_one_that_can_be_built_is_compiled(cube_home: CubeHome, tmp_path: Path) -> None:
    with served_cube(cube_home, tmp_path / "cube", {"orders.yml": with_rollup("false")}) as (cube, _):
        [rollup] = cube.client().sql(BY_STATUS).body["sql"]["preAggregations"]
        assert rollup["preAggregationId"] == "orders.by_status"
        assert told(cube, "left out") == []
