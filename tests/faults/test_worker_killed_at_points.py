"""The worker, or its dbt, is killed at named points of a run: it ends once, and each table lands once."""

from __future__ import annotations

import pytest

from .conftest import Publish, Recovery
from .facts import Facts
from .fault_points import POINTS, ROUNDS, Points, assert_once
from .processes import Stack, assert_gone
from .products import QUICK, SLOW, SLOW_ROWS


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("point", POINTS)
async def test_the_worker_is_killed(
    stack: Stack, points: Points, facts: Facts, compiled: Publish, recovery: Recovery, point: str, number: int
) -> None:
    digest = await compiled(QUICK)
    points.arm(point)
    run = await facts.request(QUICK, digest, f"worker:{point}:{number}")
    await points.until_reached(point)
    left = stack.kill("executor")
    recovery()
    stack.start("executor")
    assert_gone(left)
    await assert_once(facts, QUICK, run)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_dbt_is_killed(
    stack: Stack, points: Points, facts: Facts, compiled: Publish, recovery: Recovery, number: int
) -> None:
    digest = await compiled(SLOW, slow_rows=SLOW_ROWS)
    points.arm("mid-build")
    run = await facts.request(SLOW, digest, f"dbt:{number}")
    await points.until_reached("mid-build")
    dbt = stack.dbt_child("executor")
    dbt.kill()
    recovery()
    points.go_on("mid-build")
    assert_gone([dbt])
    await assert_once(facts, SLOW, run)
