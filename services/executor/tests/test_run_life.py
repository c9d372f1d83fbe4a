"""Every way in which a run ends before its work is done, and in which it goes on after it broke off."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import all_handled, eventually
from floe_chassis.topology import DLQ, EXECUTOR_CANCELLATIONS, RUNS, RUNS_BUCKET
from floe_contracts.compiled_product import CompiledConcurrency, CompiledOrchestration, CompiledRetries
from floe_contracts.errors import ContractError
from floe_contracts.events import (
    CancellationRequested,
    NodeCompleted,
    NodeStarted,
    RunCancelled,
    RunEvent,
    RunFailed,
    RunOptions,
    RunStarted,
    RunSuperseded,
)
from floe_contracts.openlineage.naming import run_id
from floe_contracts.runs import RunStatus
from floe_executor.adapters.state.cancellation_store import CancellationStore
from floe_executor.errors import AttemptsExhausted, NothingLive, RetryRefused, RunTimedOut

from .dbt_processes import dbt_processes, runs
from .lasting_models import ENDLESS, endless_once
from .test_executor import open_jobs

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py
ONE = {"models/one.sql": "select 1 as id"}
HELD = {"models/endless.sql": ENDLESS}
BROKEN_ONCE = {
    "seeds/raw.csv": "id\n1\n",
    "models/good.sql": "select * from {{ ref('raw') }}",
    "models/bad.sql": "select cast(name as integer) as n from {{ ref('names') }}",
    "models/names.sql": 'select \'{{ var("name", "ann") }}\' as name',
    "models/after.sql": "select * from {{ ref('bad') }}",
}


def orchestration(**fields: Any) -> CompiledOrchestration:
    retries = fields.pop("retries", CompiledRetries(max_attempts=3, delay_seconds=0, backoff="constant"))
    return CompiledOrchestration(
        retries=retries, concurrency=CompiledConcurrency(queue=fields.pop("queue", "queue")), **fields
    )


async def ended(stack: Stack, run: str, seconds: float = 150) -> RunEvent:
    """The terminal event of a run."""
    ends = {"run.completed", "run.failed", "run.cancelled", "run.superseded"}

    async def found() -> RunEvent | None:
        return next((event for event in await stack.events(run) if event.kind.value in ends), None)

    event: RunEvent | None = await eventually(found, timeout=seconds)
    assert event is not None
    return event


async def told_once(stack: Stack, run: str, status: RunStatus) -> None:
    """The run has one end, in its record as in its events, and nobody waits for it."""
    await eventually(lambda: _settled(stack, run))
    assert (await stack.record(run)).status is status
    events = Counter(event.kind.value for event in await stack.events(run))
    assert [kind for kind in events.elements() if kind.split(".")[1] in set(RunStatus) - {"queued", "started"}].count(
        f"run.{status}"
    ) == 1
    assert open_jobs(await stack.lineage(run)) == {}


async def _settled(stack: Stack, run: str) -> bool:
    return run not in {stored.record.run_id async for stored in stack.store.pending()}


def cancellation(run: str, reason: str = "not needed") -> CancellationRequested:
    return CancellationRequested(
        tenant="default", environment="dev", product="shop", run_id=run, requester="ann", reason=reason
    )


async def cancel(stack: Stack, run: str, reason: str = "not needed") -> None:
    await stack.bus.publish(cancellation(run, reason), id=f"cancel:{run}:{reason}")


async def heard(stack: Stack) -> None:
    """Every cancellation that was asked for has been recorded."""
    await eventually(lambda: all_handled(stack.bus, RUNS, EXECUTOR_CANCELLATIONS))


def lake_files(stack: Stack) -> list[str]:
    lake = stack.folder.parent / "lake"
    return sorted(str(file.relative_to(lake)) for file in lake.rglob("*.parquet")) if lake.exists() else []


# ---- cancel


async def test_a_running_run_is_cancelled_with_its_processes_and_lineage(stack: Stack) -> None:
    await stack.start()
    run = await stack.request(await stack.compile(HELD | ONE))
    await stack.until_started(run, "model.shop.endless")
    (child,) = dbt_processes(stack.dbt)
    await cancel(stack, run)
    cancelled = await ended(stack, run)
    assert isinstance(cancelled, RunCancelled)
    assert (cancelled.requester, cancelled.reason, cancelled.attempt) == ("ann", "not needed", 1)
    assert {node.unique_id: node.status for node in cancelled.nodes} in ({"model.shop.one": "success"}, {})
    await told_once(stack, run, RunStatus.CANCELLED)
    assert not runs(child)
    lineage = await stack.lineage(run)
    assert lineage[-1]["eventType"] == "ABORT"
    assert lineage[-1]["run"]["runId"] == run
    assert len(lineage) == cancelled.lineage_events
    assert stack.tables() == []
    assert await marks(stack) == []

    await cancel(stack, run, "again")
    await heard(stack)
    assert (await stack.record(run)).status is RunStatus.CANCELLED
    assert await marks(stack) == []


async def marks(stack: Stack) -> list[str]:
    from floe_chassis.key_values import keys_below

    return await keys_below(await stack.bus.key_value("floe_runs"), "cancel.>")


async def test_a_waiting_run_is_cancelled_at_once_and_the_next_one_builds(stack: Stack) -> None:
    await stack.start()
    first = await stack.request(await stack.compile(HELD), cause="1")
    second = await stack.request(await stack.compile(ONE), cause="2")
    third = await stack.request(await stack.compile(ONE), cause="3")
    await stack.until_started(first, "model.shop.endless")
    await cancel(stack, second)
    cancelled = await ended(stack, second)
    assert isinstance(cancelled, RunCancelled)
    assert (cancelled.attempt, cancelled.nodes, cancelled.lineage_events) == (0, (), 0)
    assert (await stack.record(first)).status is RunStatus.STARTED
    await told_once(stack, second, RunStatus.CANCELLED)
    await cancel(stack, first)
    assert isinstance(await ended(stack, first), RunCancelled)
    await stack.completed(third)


async def test_a_cancellation_before_its_run_is_known_is_not_lost(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(ONE)
    from_later = run_id(stack_place(), "later")
    await cancel(stack, from_later, "we know already")
    await heard(stack)
    run = await stack.request(artifact, cause="later")
    assert run == from_later
    cancelled = await ended(stack, run)
    assert isinstance(cancelled, RunCancelled)
    assert cancelled.reason == "we know already"
    assert not any(isinstance(event, RunStarted) for event in await stack.events(run))


def stack_place() -> Any:
    from floe_contracts.openlineage.naming import Place

    return Place("default", "dev", "shop")


async def test_an_ended_run_stays_as_it_is(stack: Stack) -> None:
    await stack.start()
    run = await stack.request(await stack.compile(ONE))
    await stack.completed(run)
    await cancel(stack, run)
    await heard(stack)
    await told_once(stack, run, RunStatus.COMPLETED)
    assert await marks(stack) == []


async def test_a_run_is_cancelled_whose_executor_is_gone(stack: Stack) -> None:
    """The mark is there before the next executor: it does not begin a new attempt first."""
    first = await stack.start()
    run = await stack.request(await stack.compile(HELD))
    await stack.until_started(run, "model.shop.endless")
    stack.services.remove(first)
    await first.stop()
    await CancellationStore(lambda: stack.bus.key_value(RUNS_BUCKET)).add(cancellation(run))
    await stack.start()
    cancelled = await ended(stack, run)
    assert isinstance(cancelled, RunCancelled)
    assert cancelled.attempt == 1
    await told_once(stack, run, RunStatus.CANCELLED)


# ---- queue policies


async def test_a_replacing_product_keeps_the_newest_of_those_that_wait(stack: Stack) -> None:
    await stack.start()
    policy = orchestration(queue="replace")
    held = await stack.compile(HELD, orchestration=policy)
    running = await stack.request(held, cause="1")
    await stack.until_started(running, "model.shop.endless")
    artifact = await stack.compile(ONE, orchestration=policy)
    older, newer, newest = [await stack.request(artifact, cause=cause) for cause in ("2", "3", "4")]
    for run, by in ((older, newer), (newer, newest)):
        superseded = await ended(stack, run)
        assert isinstance(superseded, RunSuperseded)
        assert superseded.by == by
        await told_once(stack, run, RunStatus.SUPERSEDED)
    assert (await stack.record(running)).status is RunStatus.STARTED
    await cancel(stack, running)
    assert (await stack.completed(newest)).attempt == 1


async def test_a_rejecting_product_lets_no_run_wait(stack: Stack) -> None:
    await stack.start()
    policy = orchestration(queue="reject")
    running = await stack.request(await stack.compile(HELD, orchestration=policy), cause="1")
    await stack.until_started(running, "model.shop.endless")
    artifact = await stack.compile(ONE, orchestration=policy)
    rejected = await ended(stack, await stack.request(artifact, cause="2"))
    assert isinstance(rejected, RunCancelled)
    assert rejected.requester == "queue policy"
    assert running in rejected.reason
    await cancel(stack, running)
    assert isinstance(await ended(stack, running), RunCancelled)
    await stack.completed(await stack.request(artifact, cause="3"))


async def test_the_runs_of_a_product_are_built_in_the_order_of_their_requests(stack: Stack) -> None:
    artifact = await stack.compile(ONE)
    runs = [await stack.request(artifact, cause=f"cause-{number}") for number in range(6)]
    await asyncio.gather(stack.start(), stack.start())
    for run in runs:
        await stack.completed(run)
    records = [await stack.record(run) for run in runs]
    assert [record.sequence for record in records] == [1, 2, 3, 4, 5, 6]
    times = [(record.started_at or "", record.ended_at or "") for record in records]
    assert times == sorted(times)
    assert all(ended <= started for (_, ended), (started, _) in pairwise(times))
    assert {record.attempt for record in records} == {1}


# ---- what ends it from inside


async def test_a_run_that_takes_too_long_is_ended(stack: Stack) -> None:
    await stack.start()
    run = await stack.request(await stack.compile(HELD, orchestration=orchestration(timeout_seconds=2)))
    failed = await stack.failed(run)
    (problem,) = failed.problems
    assert problem.code == RunTimedOut.code
    assert problem.message == "the run was ended after 2 s, since its first attempt began"
    assert dbt_processes(stack.dbt) == []
    assert failed.seconds.queued is not None
    await told_once(stack, run, RunStatus.FAILED)


async def test_what_is_live_is_run_as_it_is_when_it_is_asked_for(stack: Stack) -> None:
    from floe_contracts.events import LATEST, SourceReference
    from floe_contracts.live_products import LiveProduct
    from floe_executor.adapters.state.live_products import LiveProducts

    await stack.start()
    failed = await stack.failed(await stack.request(LATEST, cause="too-early"))
    assert [problem.code for problem in failed.problems] == [NothingLive.code]
    artifact = await stack.compile(ONE)
    source = SourceReference(repository="example.org/shop", commit="c" * 40)
    live = LiveProduct(
        tenant="default",
        environment="dev",
        product="shop",
        artifact_digest=artifact,
        sequence=1,
        since=datetime.now(UTC).isoformat(),
        source=source,
    )
    await LiveProducts(lambda: stack.bus.key_value("floe_live_products")).change(stack_place(), lambda _: live)
    run = await stack.request(LATEST, cause="live")
    completed = await stack.completed(run)
    assert completed.artifact_digest == artifact
    assert (await stack.record(run)).source == source


# ---- attempts


async def test_a_dead_dbt_is_tried_again_after_the_wait_and_builds_the_rest(stack: Stack, tmp_path: Path) -> None:
    """Nodes that were built before dbt died are not built again, and land with the others."""
    await stack.start()
    waits = orchestration(retries=CompiledRetries(max_attempts=2, delay_seconds=1, backoff="constant"))
    files = ONE | {"models/two.py": endless_once(tmp_path / "begun", "one")}
    run = await stack.request(await stack.compile(files, orchestration=waits))
    await eventually((tmp_path / "begun").exists, timeout=120)
    (child,) = dbt_processes(stack.dbt)
    child.kill()
    completed = await stack.completed(run)
    assert completed.attempt == 2
    assert {node.unique_id: node.status for node in completed.nodes} == {
        "model.shop.one": "success",
        "model.shop.two": "success",
    }
    assert stack.tables() == ["one", "two"]
    events = await stack.events(run)
    built = [(event.attempt, event.unique_id) for event in events if isinstance(event, NodeCompleted)]
    assert built == [(1, "model.shop.one"), (2, "model.shop.two")]
    times = {event.attempt: event for event in events if isinstance(event, RunStarted)}
    assert set(times) == {1, 2}
    record = await stack.record(run)
    assert record.not_before is None
    await told_once(stack, run, RunStatus.COMPLETED)


async def test_no_more_attempts_are_told_than_were_made(stack: Stack) -> None:
    await stack.start()
    two = orchestration(retries=CompiledRetries(max_attempts=2, delay_seconds=0, backoff="constant"))
    run = await stack.request(await stack.compile(HELD, orchestration=two))
    for attempt in (1, 2):
        await eventually(lambda attempt=attempt: _begun(stack, run, attempt), timeout=120)
        (child,) = dbt_processes(stack.dbt)
        child.kill()
    failed = await stack.failed(run)
    assert failed.attempt == 2
    assert [problem.code for problem in failed.problems] == [AttemptsExhausted.code]
    assert failed.problems[0].message.startswith("2 attempts ended without an outcome: the build ended")


async def _begun(stack: Stack, run: str, attempt: int) -> bool:
    return any(isinstance(event, NodeStarted) and event.attempt == attempt for event in await stack.events(run))


async def test_an_attempt_that_a_stopped_worker_gave_up_is_not_counted(stack: Stack, tmp_path: Path) -> None:
    once = orchestration(retries=CompiledRetries(max_attempts=1, delay_seconds=0, backoff="constant"))
    first = await stack.start()
    files = ONE | {"models/slow.py": endless_once(tmp_path / "begun", "one")}
    run = await stack.request(await stack.compile(files, orchestration=once))
    await eventually((tmp_path / "begun").exists, timeout=120)
    stack.services.remove(first)
    await first.stop()
    assert (await stack.record(run)).interruptions == 1
    await stack.start()
    assert (await stack.completed(run)).attempt == 2


# ---- a run that retries another one


async def test_a_retry_builds_what_failed_or_was_skipped_and_lands_all(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(BROKEN_ONCE)
    failed = await stack.failed(await stack.request(artifact, cause="1"))
    status = {node.unique_id: node.status for node in failed.nodes}
    assert (status["model.shop.bad"], status["model.shop.after"]) == ("failed", "skipped")
    assert stack.tables() == []

    same = await stack.request(artifact, cause="2", options=RunOptions(retry_of=failed.run_id), trigger="retry")
    again = await stack.failed(same)
    assert {node.unique_id for node in again.nodes} == {"model.shop.bad", "model.shop.after"}

    mended = await stack.compile(BROKEN_ONCE | {"models/bad.sql": "select 7 as n", "models/new.sql": "select 1 as x"})
    last = await stack.request(mended, cause="3", options=RunOptions(retry_of=same), trigger="retry")
    completed = await stack.completed(last)
    assert {node.unique_id: node.status for node in completed.nodes} == {
        "model.shop.bad": "success",
        "model.shop.after": "success",
        "model.shop.new": "success",
    }
    assert stack.tables() == ["after", "bad", "good", "names", "new", "raw"]


async def test_only_a_failed_run_of_the_same_place_is_retried(stack: Stack) -> None:
    await stack.start()
    artifact = await stack.compile(ONE)
    completed = await stack.completed(await stack.request(artifact, cause="1"))
    for number, retried in enumerate([completed.run_id, "nobody", "../*.>", ""]):
        run = await stack.request(artifact, cause=f"retry-{number}", options=RunOptions(retry_of=retried))
        failed = await ended(stack, run)
        assert isinstance(failed, RunFailed)
        assert [problem.code for problem in failed.problems] == [RetryRefused.code]
        assert failed.nodes == ()


async def test_a_cancellation_that_names_nothing_is_a_dead_letter(stack: Stack) -> None:
    await stack.start()
    await cancel(stack, "")

    async def buried() -> bool:
        letters = [message async for message in read_stream(stack.bus.js, DLQ, "floe.v1.dlq.>")]
        return [(message.headers or {}).get("Floe-Dlq-Code") for message in letters] == [ContractError.code]

    await eventually(buried)
    assert await marks(stack) == []
