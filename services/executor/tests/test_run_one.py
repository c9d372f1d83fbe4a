"""Runs in processes of their own: what a launcher starts, and what becomes of a run whose process does not come far."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from floe_chassis.testing import eventually
from floe_contracts.compiled_product import CompiledOrchestration, CompiledRetries
from floe_contracts.events import RunCancelled, RunCompleted, RunStarted
from floe_contracts.runs import RunRecord, RunStatus, run_key
from floe_executor.app import create_app
from floe_executor.core.ports import Launch, LaunchState
from floe_executor.errors import AttemptsExhausted
from floe_executor.run_one import main

from .test_run_life import cancel, ended, told_once

pytestmark = [pytest.mark.bus, pytest.mark.dbt]

Stack = Any  # of conftest.py
ONE = {"models/one.sql": "select 1 as id"}
RETRIES = CompiledOrchestration(retries=CompiledRetries(max_attempts=2, delay_seconds=0, backoff="constant"))


@dataclass(slots=True)
class ProcessLauncher:
    """Starts processes on this machine."""

    environment: dict[str, str]
    log: Path
    program: tuple[str, ...] = ("-m", "floe_executor.run_one")
    processes: dict[tuple[str, int], subprocess.Popen[bytes]] = field(default_factory=dict)
    ended: list[int] = field(default_factory=list)

    async def launch(self, record: RunRecord) -> None:
        with self.log.open("ab") as log:
            self.processes.setdefault(
                (record.run_id, record.attempt + 1),
                subprocess.Popen(  # noqa: ASYNC220 -- it is not waited for
                    [sys.executable, *self.program, run_key(record.place, record.run_id)],
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                ),
            )

    async def state(self, record: RunRecord) -> Launch:
        process = self.processes.get((record.run_id, record.attempt + 1))
        if process is None:
            return Launch(LaunchState.ABSENT)
        if process.poll() is None:
            return Launch(LaunchState.ACTIVE)
        return Launch(LaunchState.ENDED, f"it ended with {process.returncode}")

    async def end(self, record: RunRecord) -> None:
        self.ended.append(record.attempt + 1)
        for (run, _), process in self.processes.items():
            if run == record.run_id:
                process.terminate()


@pytest.fixture
async def launcher(stack: Stack, tmp_path: Path) -> AsyncIterator[ProcessLauncher]:
    """A launcher, and an executor that has its runs launched by it."""
    environment = {**os.environ, **stack.environment, "FLOE_EXECUTOR_DBT_FOLDER": str(tmp_path / "dbt")}
    made = ProcessLauncher(environment, tmp_path / "run_one.log")
    service = create_app(stack.environment, made)
    stack.services.append(service)
    await service.start()
    yield made
    for process in made.processes.values():
        process.kill()
        await asyncio.to_thread(process.wait)


async def test_a_launched_run_ends_in_another_process_when_the_first_is_killed(
    stack: Stack, launcher: ProcessLauncher
) -> None:
    run = await stack.request(await stack.compile(ONE, orchestration=RETRIES))
    await eventually(lambda: (run, 1) in launcher.processes)
    launcher.processes[run, 1].kill()
    completed = await ended(stack, run, seconds=120)
    assert isinstance(completed, RunCompleted), completed
    assert completed.attempt == 2
    assert stack.tables() == ["one"]
    assert await asyncio.to_thread(launcher.processes[run, 2].wait, 30) == 0
    assert [event.attempt for event in await stack.events(run) if isinstance(event, RunStarted)] == [2]
    await told_once(stack, run, RunStatus.COMPLETED)


async def test_a_process_that_never_begins_is_told_as_a_failed_attempt(stack: Stack, launcher: ProcessLauncher) -> None:
    launcher.program = ("-c", "raise SystemExit(7)")
    run = await stack.request(await stack.compile(ONE, orchestration=RETRIES))
    failed = await stack.failed(run)
    (problem,) = failed.problems
    assert problem.code == AttemptsExhausted.code
    assert problem.message == "2 attempts ended without an outcome: it ended with 7"
    assert launcher.ended == [1, 2]
    assert failed.attempt == 2
    assert set(launcher.processes) == {(run, 1), (run, 2)}


async def test_cancelling_a_run_ends_the_process_that_has_not_begun_it(stack: Stack, launcher: ProcessLauncher) -> None:
    launcher.program = ("-c", "import signal; signal.pause()")
    run = await stack.request(await stack.compile(ONE, orchestration=RETRIES))
    await eventually(lambda: (run, 1) in launcher.processes)
    await cancel(stack, run)
    assert isinstance(await ended(stack, run), RunCancelled)
    assert await asyncio.to_thread(launcher.processes[run, 1].wait, 30) == -signal.SIGTERM
    assert set(launcher.processes) == {(run, 1)}


def test_the_program_wants_one_run() -> None:
    assert main([], {}) == 64
