"""What is left when a run ends in the middle of something: files, marks, and ends that were written and not told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun
from dagster._core.execution.api import execute_run
from sqlalchemy.exc import OperationalError

from floe_chassis import fault_points
from floe_chassis.blobs import BlobStore
from floe_chassis.bus import Bus
from floe_chassis.errors import SpoolFull
from floe_chassis.settings import ChassisSettings
from floe_chassis.spool import Outgoing, Spool
from floe_chassis.stream_reader import read_stream
from floe_chassis.testing import eventually
from floe_chassis.topology import EVENTS, LINEAGE
from floe_contracts import subjects
from floe_contracts.compiled_product import CompiledOrchestration, CompiledRetries
from floe_contracts.errors import Unreachable
from floe_contracts.events import RunCancelled, RunCompleted, RunQueued
from floe_contracts.runs import RunRecord, RunStatus
from floe_executor.adapters.dagster_graph import runs as dagster_runs
from floe_executor.adapters.dagster_graph.recording import RunRecording
from floe_executor.adapters.landing.iceberg_landing import IcebergLander
from floe_executor.adapters.state.run_store import RunStore, StoredRun
from floe_executor.core import run_states
from floe_executor.core.node_reports import NodeDone, NodeReport
from floe_executor.errors import LandingAhead, RunChanged
from floe_executor.runs.attempt import Attempt
from floe_executor.runs.attempts import Attempts
from floe_executor.runs.endings import Endings
from floe_executor.runs.landings import Landings
from floe_executor.runs.telling import RunTelling

from .dbt_processes import dbt_processes
from .lasting_models import ENDLESS
from .test_run_life import cancel, ended, heard, lake_files, marks, stack_place, told_once

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py
TWO = {"models/one.sql": "select 1 as id", "models/two.sql": "select 2 as id"}


class Gate:
    """Holds whoever calls a method, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        method: Callable[..., Any] = getattr(owner, name)

        async def held(*arguments: Any, **named: Any) -> Any:
            self.reached.set()
            await self.opened.wait()
            return await method(*arguments, **named)

        monkeypatch.setattr(owner, name, held)


async def test_a_cancel_before_the_first_switch_removes_what_was_staged(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = Gate(monkeypatch, Landings, "switch")
    await stack.start()
    run = await stack.request(await stack.compile(TWO))
    await asyncio.wait_for(landing.reached.wait(), 60)
    assert len(lake_files(stack)) == 2
    assert (await stack.record(run)).landing is not None
    await cancel(stack, run)
    cancelled = await ended(stack, run)
    assert isinstance(cancelled, RunCancelled)
    assert {node.status for node in cancelled.nodes} == {"success"}
    assert cancelled.tables == ()
    await told_once(stack, run, RunStatus.CANCELLED)
    assert lake_files(stack) == []
    assert stack.tables() == []


async def test_a_run_whose_tables_are_being_switched_is_completed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    switching = Gate(monkeypatch, IcebergLander, "switch")
    await stack.start()
    run = await stack.request(await stack.compile(TWO))
    await asyncio.wait_for(switching.reached.wait(), 60)
    await cancel(stack, run)
    await heard(stack)
    switching.opened.set()
    completed = await ended(stack, run)
    assert isinstance(completed, RunCompleted)
    assert len(completed.tables) == 2
    assert stack.tables() == ["one", "two"]
    await stack.completed(await stack.request(await stack.compile(TWO), cause="2"))
    await eventually(lambda: _no_marks(stack))


async def _no_marks(stack: Stack) -> bool:
    return await marks(stack) == []


async def test_a_run_that_failed_while_landing_leaves_no_files(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: object, **__: object) -> Any:
        raise Unreachable("no catalog answers")

    monkeypatch.setattr(IcebergLander, "switch", unreachable)
    await stack.start()
    once = CompiledOrchestration(retries=CompiledRetries(max_attempts=1, delay_seconds=0))
    failed = await stack.failed(await stack.request(await stack.compile(TWO, orchestration=once)))
    assert failed.problems[0].message == "2 attempts ended without an outcome: no catalog answers"
    await told_once(stack, failed.run_id, RunStatus.FAILED)
    assert lake_files(stack) == []


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED])
async def test_an_end_that_was_written_and_not_told_is_told(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, status: RunStatus
) -> None:
    tell, broken = Endings.tell, []

    async def breaks_off_once(endings: Endings, stored: StoredRun, *telling: Any, **again: bool) -> None:
        if not broken:
            broken.append(stored.record.run_id)
            raise Unreachable("the worker is gone")
        await tell(endings, stored, *telling, **again)

    monkeypatch.setattr(Endings, "tell", breaks_off_once)
    await stack.start()
    files = {
        RunStatus.COMPLETED: TWO,
        RunStatus.FAILED: {"models/bad.sql": "select cast('x' as integer) as n"},
        RunStatus.CANCELLED: {"models/endless.sql": ENDLESS},
    }[status]
    run = await stack.request(await stack.compile(files))
    if status is RunStatus.CANCELLED:
        await stack.until_started(run, "model.shop.endless")
        await cancel(stack, run)
    await ended(stack, run)
    assert broken == [run]
    await told_once(stack, run, status)
    lineage = await stack.lineage(run)
    last = {RunStatus.COMPLETED: "COMPLETE", RunStatus.FAILED: "FAIL", RunStatus.CANCELLED: "ABORT"}[status]
    assert (lineage[-1]["run"]["runId"], lineage[-1]["eventType"]) == (run, last)


async def test_an_end_that_was_told_long_ago_is_not_told_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker died after it had told the end, and the bus no longer knows the id when another one comes."""
    settle, broken = RunStore.settle, []

    async def breaks_off_once(store: RunStore, record: RunRecord) -> None:
        if not broken:
            broken.append(record.run_id)
            await _forget_ids(stack, run_states.queued_event(record.model_copy(update={"run_id": "probe"})))
            raise Unreachable("the worker is gone")
        await settle(store, record)

    monkeypatch.setattr(RunStore, "settle", breaks_off_once)
    await stack.start()
    run = await stack.request(await stack.compile({"models/one.sql": "select 1 as id"}))
    await told_once(stack, (await stack.completed(run)).run_id, RunStatus.COMPLETED)
    assert broken == [run]


async def _forget_ids(stack: Stack, probe: RunQueued) -> None:
    """Have the bus take the next event of an id that it has seen so far."""
    config = (await stack.bus.js.stream_info(EVENTS)).config
    config.duplicate_window = 0.1
    await stack.bus.js.update_stream(config)
    await stack.bus.publish(probe, id="probe")

    async def forgotten() -> bool:
        return not (await stack.bus.publish(probe, id="probe")).duplicate

    await eventually(forgotten)


@pytest.mark.parametrize("step", ["stage", "switch"])
async def test_a_failed_run_names_what_its_earlier_attempts_have_built(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Also where the last attempt broke off before it looked."""

    async def unreachable(*_: object, **__: object) -> Any:
        raise Unreachable("no catalog answers")

    async def begin(attempts: Attempts, attempt: Any, product: Any, *, again: bool) -> None:
        if again:
            raise Unreachable("no bus answers")
        await begins(attempts, attempt, product, again=again)

    begins = Attempts.begin
    monkeypatch.setattr(IcebergLander, step, unreachable)
    monkeypatch.setattr(Attempts, "begin", begin)
    await stack.start()
    twice = CompiledOrchestration(retries=CompiledRetries(max_attempts=2, delay_seconds=0, backoff="constant"))
    failed = await stack.failed(await stack.request(await stack.compile(TWO, orchestration=twice)))
    assert failed.problems[0].message.endswith("no bus answers")
    assert {node.unique_id: node.status for node in failed.nodes} == {
        "model.shop.one": "success",
        "model.shop.two": "success",
    }


async def test_an_attempt_tells_first_what_a_dead_worker_left_on_the_disk(stack: Stack) -> None:
    await stack.start()
    run = await stack.request(await stack.compile({"models/endless.sql": ENDLESS}))
    await stack.until_started(run, "model.shop.endless")
    away = Bus("executor", ChassisSettings())
    dead = Spool(away, Path(stack.environment["FLOE_WORK_DIR"]) / "executor" / "spool", limit_bytes=10_000)
    subject = subjects.lineage("default", "dev", "shop", "left", "START")
    await dead.put(Outgoing(subject, {}, "{}", "left"))
    await dead.close()
    (child,) = dbt_processes(stack.dbt)
    child.kill()

    async def told() -> bool:
        return any([True async for _ in read_stream(stack.bus.js, LINEAGE, subject)])

    await eventually(told, timeout=30)
    await cancel(stack, run)
    await ended(stack, run)


async def test_keys_of_a_set_are_added_by_many_at_once(store: RunStore) -> None:
    await asyncio.gather(*(store.add_partition(stack_place(), "tenants", key) for key in ("c", "a", "b", "a")))
    assert await store.partitions(stack_place(), "tenants") == ("a", "b", "c")
    assert await store.partitions(stack_place(), "others") == ()


async def test_a_run_that_others_keep_changing_is_left_to_them(store: RunStore, run_record: Any) -> None:
    stored = await store.add(run_record)
    changed = run_record.model_copy(update={"attempt": 2})
    await store.update(stored, changed)
    with pytest.raises(RunChanged):
        await store.update(stored, run_record.model_copy(update={"attempt": 3}))


async def test_a_part_of_a_backfill_lets_those_pass_that_have_staged(
    store: RunStore, blobs: BlobStore, run_record: RunRecord
) -> None:
    nobody: Any = None
    staged = run_record.model_copy(update={"run_id": "staged", "backfill": "b", "landing": "sha256:0"})
    await store.add(staged)
    attempt = Attempt(await store.add(run_record.model_copy(update={"backfill": "b"})), nobody, nobody)
    with pytest.raises(LandingAhead, match="the run staged has staged"):
        await Landings(blobs, store, nobody).stage(attempt, nobody)


# ---- points where a test may hold a process


async def test_a_point_holds_once_and_only_where_it_is_armed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "after-build").touch()
    await fault_points.reach("after-build")  # nobody said where
    monkeypatch.setenv(fault_points.FOLDER, str(tmp_path))
    await fault_points.reach("before-work")
    held = asyncio.create_task(fault_points.reach("after-build"))
    await eventually((tmp_path / "after-build.reached").exists)
    assert not held.done()
    await fault_points.reach("after-build")  # who comes after the held one goes on
    (tmp_path / "after-build.go").touch()
    await held


async def test_a_staging_that_cannot_be_removed_holds_up_no_end(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: object, **__: object) -> Any:
        raise Unreachable("no catalog answers")

    async def broken(*_: object) -> None:
        raise OSError("the store is away")

    monkeypatch.setattr(IcebergLander, "switch", unreachable)
    monkeypatch.setattr(IcebergLander, "discard", broken)
    await stack.start()
    once = CompiledOrchestration(retries=CompiledRetries(max_attempts=1, delay_seconds=0))
    failed = await stack.failed(await stack.request(await stack.compile(TWO, orchestration=once)))
    await told_once(stack, failed.run_id, RunStatus.FAILED)


async def test_a_landing_that_began_has_attempts_of_its_own(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    switch, switched = IcebergLander.switch, []

    async def breaks_off_between(lander: IcebergLander, *arguments: Any, **named: Any) -> Any:
        switched.append(await switch(lander, *arguments, **named))
        if len(switched) == 1:
            raise Unreachable("no catalog answers")
        return switched[-1]

    monkeypatch.setattr(IcebergLander, "switch", breaks_off_between)
    await stack.start()
    once = CompiledOrchestration(retries=CompiledRetries(max_attempts=1, delay_seconds=0))
    completed = await stack.completed(await stack.request(await stack.compile(TWO, orchestration=once)))
    assert (completed.attempt, len(completed.tables)) == (2, 2)
    for name in ("one", "two"):
        assert len(stack.catalog().load_table(("default", "dev", "shop", "main", name)).snapshots()) == 1


async def test_what_could_not_be_told_is_built_again_and_lands(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    tell, full = RunTelling.node, []

    async def full_once(telling: RunTelling, report: NodeReport) -> None:
        if isinstance(report, NodeDone) and report.unique_id == "model.shop.one" and not full:
            full.append(report)
            raise SpoolFull("the disk holds as much as it may")
        await tell(telling, report)

    monkeypatch.setattr(RunTelling, "node", full_once)
    await stack.start()
    files = {"models/one.sql": "select 1 as id", "models/two.sql": "select * from {{ ref('one') }}"}
    completed = await stack.completed(await stack.request(await stack.compile(files)))
    assert completed.attempt == 2
    assert stack.tables() == ["one", "two"]
    done = [event.unique_id for event in await stack.events(completed.run_id) if event.kind == "node.completed"]
    assert sorted(done) == ["model.shop.one", "model.shop.two"]


async def test_a_dagster_that_cannot_be_opened_fails_no_build(stack: Stack, tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.write_text("where the folder should be")
    await stack.start(FLOE_EXECUTOR_DAGSTER_HOME=str(home))
    completed = await stack.completed(await stack.request(await stack.compile(TWO)))
    assert (completed.attempt, len(completed.tables)) == (1, 2)


async def test_a_dagster_that_goes_away_fails_no_build_and_is_in_nobodys_way(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, broken = RunRecording.flush, []

    def breaks_once(recording: RunRecording) -> None:
        if not broken:
            broken.append(recording)
            raise OperationalError("insert", {}, Exception("the database is away"))
        flush(recording)

    monkeypatch.setattr(RunRecording, "flush", breaks_once)
    await stack.start()
    artifact = await stack.compile(TWO)
    for cause in ("1", "2"):
        completed = await stack.completed(await stack.request(artifact, cause=cause))
        assert (completed.attempt, len(completed.tables)) == (1, 2)
    assert broken


async def test_a_run_that_dagster_could_not_end_is_in_nobodys_way(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[str] = []

    def breaks_once(job: Any, run: DagsterRun, instance: DagsterInstance) -> Any:
        if not broken:
            broken.append(run.run_id)
            instance.report_engine_event("it begins", run)
            raise OperationalError("insert", {}, Exception("the database is away"))
        return execute_run(job, run, instance)

    monkeypatch.setattr(dagster_runs, "execute_run", breaks_once)
    await stack.start()
    artifact = await stack.compile(TWO)
    for cause in ("1", "2"):
        completed = await stack.completed(await stack.request(artifact, cause=cause))
        assert (completed.attempt, len(completed.tables)) == (1, 2)
    assert len(broken) == 1
