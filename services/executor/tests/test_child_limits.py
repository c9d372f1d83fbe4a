"""A run whose model wants more memory than its child may have."""

from __future__ import annotations

from typing import Any

import pytest

from floe_contracts.artifacts import Compute
from floe_dbt.errors import DbtOutOfMemory

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py
HUNGRY = "select i, count(*) as n, list(i) as l from range(60000000) t(i) group by i"


async def test_run_that_wants_too_much_memory_fails_by_that_code_and_the_next_one_completes(stack: Stack) -> None:
    await stack.start(FLOE_EXECUTOR_CHILD_MEMORY="600MB")
    roomy = Compute(name="small", type="duckdb", threads=2, properties={"memory_limit": "20GB"})
    hungry = await stack.compile({"models/hungry.sql": HUNGRY}, compute=roomy)
    failed = await stack.failed(await stack.request(hungry, "hungry"))
    (problem,) = failed.problems
    assert problem.code == DbtOutOfMemory.code
    assert problem.file == "dbt/models/hungry.sql"
    assert "FLOE_EXECUTOR_CHILD_MEMORY" in (problem.hint or "")
    modest = await stack.compile({"models/modest.sql": "select 1 as one"})
    assert (await stack.completed(await stack.request(modest, "modest"))).tables
