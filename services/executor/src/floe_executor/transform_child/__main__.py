"""Run one transform.

The job comes as the first line of stdin, which stays open: when it closes, the executor is gone, and so is everything
here. The answers leave on what was stdout; whatever the transform prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import duckdb

from floe_dbt.child_limits import ChildLimits
from floe_executor.transform_child.calling import call_transform
from floe_executor.transform_child.checks import failures
from floe_executor.transform_child.descendants import kill_descendants
from floe_executor.transform_child.failures import failure_of
from floe_executor.transform_child.job import Answer, TransformJob
from floe_executor.transform_child.warehouse import Warehouse

Tell = Callable[[Answer], None]


def main() -> None:
    """Read the job, run it, answer, and leave without running anything that the transform left behind."""
    parent, answers = os.dup(0), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    with os.fdopen(parent, "rb", closefd=False) as lines:
        job = TransformJob.from_json(json.loads(lines.readline()))
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()

    def tell(answer: Answer) -> None:
        answers.write(json.dumps(asdict(answer)).encode() + b"\n")
        answers.flush()

    _run(job, tell)
    kill_descendants(os.getpid())
    with contextlib.suppress(Exception):  # the transform may have closed or replaced them
        sys.stdout.flush()
        sys.stderr.flush()
    tell(Answer(kind="end"))
    os._exit(0)


def _run(job: TransformJob, tell: Tell) -> None:
    folder = Path(job.folder)
    started = time.monotonic()
    try:
        ChildLimits(job.memory_bytes, job.file_bytes, job.open_files).apply()
        warehouse = Warehouse(Path(job.database), folder, memory_limit=job.memory_limit, threads=job.threads)
        result = call_transform(
            job.name,
            job.module,
            folder,
            job.context,
            sorted(job.inputs),
            lambda name, form: warehouse.read(*job.inputs[name], form),
        )
        warehouse.replace(job.schema, job.name, result)
        rows, columns = warehouse.rows(job.schema, job.name), warehouse.columns(job.schema, job.name)
    except BaseException as error:  # noqa: BLE001 -- whatever a stranger's code raises, sys.exit among it, is told
        failed = failure_of(error, folder)
        seconds = time.monotonic() - started
        tell(Answer(kind="failed", message=failed.message, file=failed.file, line=failed.line, seconds=seconds))
        return
    tell(Answer(kind="built", rows=rows, columns=columns, seconds=time.monotonic() - started))
    for check in job.checks:
        started = time.monotonic()
        try:
            found, message = failures(warehouse, job.schema, job.name, check), None
        except Exception as error:  # noqa: BLE001 -- a check that cannot be made is told as such
            found, message = None, str(error)
        seconds = time.monotonic() - started
        tell(Answer(kind="checked", check=check.name, failures=found, message=message, seconds=seconds))
    with contextlib.suppress(duckdb.Error):  # what was committed stands
        warehouse.close()


def _die_with(parent: int) -> None:
    """End everything here once the other end of a pipe is closed."""
    with contextlib.suppress(OSError):
        while os.read(parent, 1024):
            pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
