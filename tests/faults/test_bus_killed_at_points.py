"""The bus is killed at named points of a run, and comes back: the run ends once, and each table lands once."""

from __future__ import annotations

import pytest

from .conftest import Publish, Recovery
from .facts import Facts
from .fault_points import POINTS, ROUNDS, Points, assert_once
from .processes import Stack
from .products import QUICK


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("point", POINTS)
async def test_the_bus_is_killed(
    stack: Stack, points: Points, facts: Facts, compiled: Publish, recovery: Recovery, point: str, number: int
) -> None:
    digest = await compiled(QUICK)
    points.arm(point)
    run = await facts.request(QUICK, digest, f"bus:{point}:{number}")
    await points.until_reached(point)
    stack.server.kill()
    recovery()
    points.go_on(point)
    stack.server.start()
    await assert_once(facts, QUICK, run)
