"""What earlier runs have left: those whose process is gone are ended, those that live are waited for.

Dagster's own daemon would find dead runs; floe runs without it, and a place in a pool that a killed executor has left
would be taken for ever.
"""

from __future__ import annotations

import fcntl
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

import dagster
from dagster import DagsterRunStatus

from floe_executor.errors import BuildStillRunning

PROCESS_TAG: Final = "floe/process"
_LOOK_AGAIN_SECONDS: Final = 0.1
UNFINISHED: Final = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED)


class Presence:
    """A sign that this process lives, which vanishes with it: a lock on a file in the instance's folder."""

    def __init__(self, home: Path) -> None:
        self.name = uuid.uuid4().hex
        self._folder = home / "processes"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = (self._folder / self.name).open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def close(self) -> None:
        """Take the sign away."""
        (self._folder / self.name).unlink(missing_ok=True)
        self._file.close()

    def lives(self, name: str) -> bool:
        """Whether the process of that name lives. One that has its instance in another folder has another's file."""
        if not name.isalnum():
            return False
        try:
            with (self._folder / name).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        (self._folder / name).unlink(missing_ok=True)
        return False


def end_earlier_runs(
    instance: dagster.DagsterInstance,
    runs: dagster.RunsFilter,
    lives: Callable[[dagster.DagsterRun], bool],
    *,
    seconds: float,
    given_up: Callable[[], bool],
) -> None:
    """Make room for a run.

    The caller has floe's lease of the place: what another executor builds there, it is about to give up.

    Args:
        instance: where the runs are.
        runs: those that are in the way.
        lives: tells whether somebody still works on a run.
        seconds: how long a run that lives may take to end.
        given_up: tells that the caller need not wait any more.

    Raises:
        BuildStillRunning: it did not end.
    """
    deadline = time.monotonic() + seconds
    while not given_up():
        living = []
        for run in instance.get_runs(runs):
            if lives(run):
                living.append(run)
            else:
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
                instance.report_run_failed(run, "The executor that worked on this run is gone.")
        if not living:
            return
        if time.monotonic() > deadline:
            raise BuildStillRunning(
                f"an earlier run of {living[0].job_name} has not ended within {seconds:g} s",
                hint=f"end the process of Dagster's run {living[0].run_id} if it hangs; another attempt follows",
            )
        time.sleep(_LOOK_AGAIN_SECONDS)
