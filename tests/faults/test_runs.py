"""Runs that contend with each other, and runs that can never be made."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from floe_chassis.testing import eventually
from floe_contracts.events import RunFailed
from floe_contracts.runs import RunStatus

from .conftest import Publish
from .facts import RUN_SECONDS, Facts
from .processes import Stack
from .products import QUICK, TABLES

NO_DIGEST = "sha256:" + "0" * 64


async def test_two_executors_never_run_one_product_at_once(stack: Stack, facts: Facts, compiled: Publish) -> None:
    stack.start("executor-2")
    digest = await compiled(QUICK)
    await eventually(lambda: stack.logged("executor-2", "service.started"), timeout=RUN_SECONDS)
    lost_before = stack.leases_lost()
    requests = (facts.request(QUICK, digest, f"contended:{number}") for number in range(3))
    runs = await asyncio.gather(*requests)
    outcomes = [await facts.assert_ended_once(QUICK, run, TABLES) for run in runs]
    records = [record for run in runs if (record := await facts.record(QUICK, run))]
    assert [record.status for record in records] == [RunStatus.COMPLETED] * 3
    intervals = sorted((record.started_at or "", record.ended_at or "") for record in records)
    assert all(ended <= started for (_, ended), (started, _) in pairwise(intervals))
    assert sum(outcome.attempt for outcome in outcomes) <= len(runs) + stack.leases_lost() - lost_before
    stack.kill("executor-2")


def test_executors_that_start_together_make_one_dagster_instance(tmp_path: Path) -> None:
    from floe_executor.adapters.dagster_graph.runs import DagsterRuns  # takes seconds

    executors = [DagsterRuns(tmp_path / "dagster") for _ in range(3)]
    with ThreadPoolExecutor(len(executors)) as threads:
        for made in [threads.submit(executor.prepare) for executor in executors]:
            assert made.exception() is None
    for executor in executors:
        executor.close()


async def test_a_run_of_an_unknown_environment_fails(facts: Facts, compiled: Publish) -> None:
    digest = await compiled(QUICK)
    run = await facts.request(QUICK, digest, "nowhere", environment="moon")
    await facts.settled(QUICK, run, environment="moon")
    failed = await facts.outcome(QUICK, run)
    assert isinstance(failed, RunFailed)
    assert failed.attempt == 1
    assert [problem.code for problem in failed.problems] == ["FLOE-RUN-004"]
    assert "dev" in (failed.problems[0].hint or "")


async def test_a_run_of_a_missing_artifact_fails_after_its_attempts(facts: Facts) -> None:
    product = "missing-artifact"
    run = await facts.request(product, NO_DIGEST, f"{product}:1")
    await facts.settled(product, run)
    failed = await facts.outcome(product, run)
    assert isinstance(failed, RunFailed)
    (problem,) = failed.problems
    assert problem.code == "FLOE-RUN-003"
    assert NO_DIGEST in problem.message
    await facts.quiet()
