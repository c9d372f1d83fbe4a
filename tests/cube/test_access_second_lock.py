"""What cube.js refuses whatever the policies say, also where only Cube's native module could ask: in the SQL API."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from cube_home import CONFIGURATION, CubeHome  # found by the path that conftest.py adds

MEMBERS = ["orders.count", "orders.brand", "orders.ordered_at"]
COUNT: dict[str, Any] = {"measures": ["orders.count"]}
REFUSAL = """
const { refusal } = require(process.argv[1]);
const [query, claims, context, members] = JSON.parse(process.argv[2]);
const bundle = members === null ? null : { claims, members: new Set(members) };
if (context.floe && context.floe.has) Object.setPrototypeOf(context.floe.has, null);
process.stdout.write(JSON.stringify(refusal(query, context, bundle)));
"""
ROLES: dict[str, Any] = {"floe": {"has": {}}}


def expression(kind: Any) -> dict[str, Any]:
    return {"cubeName": "orders", "name": "x", "expressionName": "x", "expression": kind}


@pytest.mark.parametrize(
    ("query", "claims", "context", "members", "why"),
    [
        pytest.param(COUNT, {"brand": "floe"}, {"brand": "acme", **ROLES}, MEMBERS, None, id="allowed"),
        pytest.param(COUNT, {"a": {"b": "floe"}}, {"a": {"b": 7}, **ROLES}, MEMBERS, None, id="a nested claim"),
        pytest.param(COUNT, {}, ROLES, MEMBERS, None, id="rows without owners"),
        pytest.param(COUNT, {}, ROLES, None, "no model", id="no bundle"),
        pytest.param(COUNT, {}, {}, MEMBERS, "which roles", id="no roles"),
        pytest.param(COUNT, {}, {"floe": {"has": None}}, MEMBERS, "which roles", id="roles that are null"),
        pytest.param(COUNT, {"brand": "floe"}, ROLES, MEMBERS, "claim brand", id="no claim"),
        pytest.param(COUNT, {"brand": "floe"}, {"brand": [], **ROLES}, MEMBERS, "claim brand", id="a list"),
        pytest.param(COUNT, {"constructor": {"name": "floe"}}, ROLES, MEMBERS, "constructor.name", id="inherited"),
        pytest.param({"measures": ["orders.sum"]}, {}, ROLES, MEMBERS, "no member orders.sum", id="no such member"),
        pytest.param(
            {"filters": [{"or": [{"and": [{"member": "orders.sum", "operator": "set"}]}]}]},
            {},
            ROLES,
            MEMBERS,
            "no member orders.sum",
            id="no such member in a filter",
        ),
        pytest.param(
            {"dimensions": ["orders.ordered_at.month"], "timeDimensions": [{"dimension": "orders.ordered_at"}]},
            {},
            ROLES,
            MEMBERS,
            None,
            id="granularities",
        ),
        pytest.param({"measures": [expression(["orders", "return `1`"])]}, {}, ROLES, MEMBERS, None, id="SQL API"),
        pytest.param(
            {"filters": [{"member": "orders.count", "operator": "measureFilter"}]},
            {},
            ROLES,
            MEMBERS,
            "no filter of rows",
            id="the filters of a measure",
        ),
        pytest.param(
            {"filters": [{"or": [], "and": [{"or": [{"member": "orders.count", "operator": "Measure_filter"}]}]}]},
            {},
            ROLES,
            MEMBERS,
            "no filter of rows",
            id="the filters of a measure, deep and spelled otherwise",
        ),
        pytest.param(
            {"measures": [expression({"type": "PatchMeasure", "sourceMeasure": "orders.count"})]},
            {},
            ROLES,
            MEMBERS,
            "as they are",
            id="a patched measure",
        ),
    ],
)
def test_the_second_lock(
    cube_home: CubeHome,
    query: dict[str, Any],
    claims: dict[str, Any],
    context: dict[str, Any],
    members: list[str] | None,
    why: str | None,
) -> None:
    asked = json.dumps([query, claims, context, members])
    command = [str(cube_home.node), "-e", REFUSAL, str(CONFIGURATION / "floe" / "second_lock.js"), asked]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert answer is None if why is None else why in answer
