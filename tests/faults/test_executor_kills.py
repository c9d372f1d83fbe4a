"""The executor, or its dbt, is killed while it works: the run ends once, and nothing lands twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import psutil
import pytest

from floe_chassis.bus import Bus
from floe_chassis.settings import ChassisSettings
from floe_chassis.topology import EVENTS, LINEAGE, RUNS_BUCKET, declared
from floe_chassis.topology_apply import apply
from floe_contracts import subjects
from floe_contracts.subjects import ROOT, EventKind

from .conftest import Publish, Recovery
from .facts import Facts, listening
from .fault_points import Points
from .processes import Stack, assert_gone
from .products import QUICK, SLOW, SLOW_MODEL, SLOW_ROWS, TABLES

SLOW_NODE: Final = f"model.faults.{SLOW_MODEL}"


def begins_slow(event: dict[str, Any]) -> bool:
    """Waits for lineage's word, the later of the two: what was never told there as begun is not aborted either."""
    return bool(event["eventType"] == "START" and event["job"]["name"] == f"{SLOW}.{SLOW_NODE}")


async def assert_aborted(facts: Facts, run: str) -> None:
    aborted = [event["job"]["name"] for event in await facts.lineage(SLOW, run) if event["eventType"] == "ABORT"]
    assert f"{SLOW}.{SLOW_NODE}" in aborted


async def test_executor_killed_while_a_node_runs(
    stack: Stack, bus: Bus, facts: Facts, compiled: Publish, recovery: Recovery, request: pytest.FixtureRequest
) -> None:
    digest = await compiled(SLOW, slow_rows=SLOW_ROWS)
    async with listening(bus, subjects.lineage_pattern(product=SLOW)) as heard:
        run = await facts.request(SLOW, digest, request.node.name)
        await heard(begins_slow)
    dbt = stack.dbt_child("executor")
    left = stack.kill("executor")
    recovery()
    stack.start("executor")
    assert dbt in left
    assert_gone(left)
    outcome = await facts.assert_ended_once(SLOW, run, TABLES)
    assert outcome.attempt == 2
    await assert_aborted(facts, run)


@pytest.mark.parametrize("victim", [Stack.dbt_child, Stack.fork_server], ids=["child", "fork-server"])
async def test_dbt_killed_while_a_node_runs(
    stack: Stack,
    bus: Bus,
    facts: Facts,
    compiled: Publish,
    recovery: Recovery,
    request: pytest.FixtureRequest,
    victim: Callable[[Stack, str], psutil.Process],
) -> None:
    digest = await compiled(SLOW, slow_rows=SLOW_ROWS)
    async with listening(bus, subjects.lineage_pattern(product=SLOW)) as heard:
        run = await facts.request(SLOW, digest, request.node.name)
        await heard(begins_slow)
    dbt = stack.dbt_child("executor")
    victim(stack, "executor").kill()
    recovery()
    assert_gone([dbt])
    outcome = await facts.assert_ended_once(SLOW, run, TABLES)
    assert outcome.attempt == 2
    await assert_aborted(facts, run)


def _is_staged(record: Any) -> bool:
    return isinstance(record, dict) and bool(record.get("landing"))


def _is_complete(event: dict[str, Any]) -> bool:
    return event["eventType"] == "COMPLETE" and "." not in event["job"]["name"]


async def assert_lands_what_it_built(facts: Facts, run: str) -> None:
    """Nothing was built again."""
    await facts.assert_ended_once(QUICK, run, TABLES)
    built = [event.data["attempt"] for event in await facts.events(EventKind.NODE_STARTED, QUICK, run)]
    assert set(built) == {1}


async def test_executor_killed_when_all_is_staged(
    stack: Stack, bus: Bus, facts: Facts, compiled: Publish, recovery: Recovery
) -> None:
    digest = await compiled(QUICK)
    async with listening(bus, f"$KV.{RUNS_BUCKET}.>") as heard:
        run = await facts.request(QUICK, digest, "all-staged")
        await heard(_is_staged)
        left = stack.kill("executor")
    recovery()
    record = await facts.record(QUICK, run)
    assert record is not None
    assert record.landing
    stack.start("executor")
    assert_gone(left)
    await assert_lands_what_it_built(facts, run)


async def test_executor_killed_between_two_tables(
    stack: Stack, points: Points, facts: Facts, compiled: Publish, recovery: Recovery
) -> None:
    digest = await compiled(QUICK)
    points.arm("between-tables")
    run = await facts.request(QUICK, digest, "one-landed")
    await points.until_reached("between-tables")
    left = stack.kill("executor")
    recovery()
    assert facts.landed(QUICK, run).total() == 1
    stack.start("executor")
    assert_gone(left)
    await assert_lands_what_it_built(facts, run)


@asynccontextmanager
async def deaf(bus: Bus, settings: ChassisSettings, stream: str, prefix: str) -> AsyncIterator[None]:
    """A stream that takes nothing below `prefix`: whoever publishes there is held until he dies."""
    config = (await bus.js.stream_info(stream)).config
    kept = [subject for subject in config.subjects or [] if not subject.startswith(prefix)]
    await bus.js.update_stream(config.evolve(subjects=kept or ["nothing"]))
    try:
        yield
    finally:
        await apply(bus, declared(settings, ["file"]))


async def test_executor_killed_before_the_first_lineage(
    stack: Stack, bus: Bus, settings: ChassisSettings, facts: Facts, compiled: Publish, recovery: Recovery
) -> None:
    digest = await compiled(QUICK)
    async with deaf(bus, settings, LINEAGE, f"{ROOT}.lineage"):
        async with listening(bus, subjects.lineage_pattern()) as heard:
            run = await facts.request(QUICK, digest, "no-lineage")
            await heard(lambda event: bool(event["eventType"] == "START"))
        stack.kill("executor")
    recovery()
    assert await facts.lineage(QUICK, run) == []
    stack.start("executor")
    outcome = await facts.assert_ended_once(QUICK, run, TABLES)
    assert outcome.attempt == 2


async def test_executor_killed_before_it_tells_the_end(
    stack: Stack, bus: Bus, settings: ChassisSettings, facts: Facts, compiled: Publish, recovery: Recovery
) -> None:
    digest = await compiled(QUICK)
    async with deaf(bus, settings, EVENTS, f"{ROOT}.{EventKind.RUN_COMPLETED}"):
        async with listening(bus, subjects.lineage_pattern()) as heard:
            run = await facts.request(QUICK, digest, "end-untold")
            await heard(_is_complete)
        stack.kill("executor")
    recovery()
    record = await facts.record(QUICK, run)
    assert record is not None
    assert record.status.terminal
    assert await facts.events(EventKind.RUN_COMPLETED, QUICK, run) == []
    stack.start("executor")
    outcome = await facts.assert_ended_once(QUICK, run, TABLES)
    assert outcome.attempt == 1
