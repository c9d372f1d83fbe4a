"""The one real server of `make test`: floe's cube.js, a bundle, a query, and what a caller without rights gets."""

from __future__ import annotations

from pathlib import Path

from bundle_server import served_cube  # found by the path that conftest.py adds
from cube_client import CubeClient
from cube_home import CubeHome
from models import OWNED, TOTAL


def test_a_bundle_is_served_to_whom_its_rows_belong(cube_home: CubeHome, tmp_path: Path) -> None:
    claims = {"tenant_id": "verification"}
    files, patient = {"model/orders.yml": OWNED}, {"FLOE_CUBE_ANSWER_SECONDS": "60"}
    with served_cube(cube_home, tmp_path, files, claims=claims, environment=patient) as (cube, bundles):
        assert cube.client({"tenant_id": "acme"}).load(TOTAL).data == [{"orders.total": "12"}]
        assert cube.client({"tenant_id": "globex"}).load(TOTAL).data == [{"orders.total": "11"}]
        assert cube.client({}).load(TOTAL).status == 403
        assert CubeClient(cube.url).load(TOTAL).status == 403
        [verdict] = bundles.verdicts
    assert verdict["outcome"] == "served"
    assert verdict["cubes"] == {"orders": ["count", "id", "status", "tenant_id", "total"]}
    assert verdict["instance"] == "cube-of-tests"
