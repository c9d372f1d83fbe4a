"""Python transforms in children, one after another: each in a process of its own, its answers as reports."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from floe_contracts.errors import Where
from floe_executor.clock import now
from floe_executor.core.node_reports import NodeBegan, NodeDone, NodeReport, NodeStatus
from floe_executor.transform_child.descendants import kill_descendants
from floe_executor.transform_child.job import Answer, TransformJob

_PROGRAM: Final = ("-I", "-B", "-u", "-m", "floe_dbt.isolated", "floe_executor.transform_child")
"""Isolated from Python's own variables and the user's packages; no bytecode among the sources."""
_LAST_LINES: Final = 20
_KEPT_BYTES: Final = 20_000
_KILLED: Final = -int(signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformCheck:
    """A quality check as the run tells of it: the id of its node, and whether its failure fails the run."""

    unique_id: str
    critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTransform:
    """One transform.

    Attributes:
        unique_id: id of its node.
        job: what its child is asked to do.
        checks: its quality checks by their names.
        reads: ids of the nodes that it reads.
    """

    unique_id: str
    job: TransformJob
    checks: Mapping[str, TransformCheck]
    reads: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonCommand:
    """The transforms in their order, and the environment of their children: all of the executor's that they see."""

    transforms: Sequence[PlannedTransform]
    environment: Mapping[str, str]


class PythonProcess:
    """Transforms at work. One thread reads `events`; `kill` may be called from another."""

    def __init__(self, command: PythonCommand) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._killed = False
        self._child: subprocess.Popen[bytes] | None = None
        self._returncode = 0
        self._printed = b""
        self._stopped: set[str] = set()
        self._failed: dict[str, NodeDone] = {}
        self._places: dict[str, Where] = {}

    def events(self) -> Iterator[NodeReport]:
        """The reports, while the transforms work; those that read what failed are skipped.

        It ends early when a signal ended a child: `wait` says by which.
        """
        for planned in self._command.transforms:
            if planned.reads & self._stopped:
                self._stopped.add(planned.unique_id)
                ids = (planned.unique_id, *_ids_of_checks(planned))
                yield from _skipped(ids, "something that the transform reads failed")
            else:
                yield from self._transform(planned)
            if self._returncode < 0:
                return

    def wait(self) -> int:
        """0 when all went well, 1 when something failed, a negative number when a signal ended a child."""
        return self._returncode

    def kill(self) -> None:
        """End the transform that works and everything that it started, now; no other begins."""
        with self._lock:
            self._killed = True
            if self._child is not None:
                _end(self._child)

    def last_words(self) -> str:
        """The last lines that the transforms printed."""
        lines = self._printed.decode(errors="replace").splitlines()
        return "\n".join([line for line in lines if line.strip()][-_LAST_LINES:])

    def failed(self) -> tuple[NodeDone, ...]:
        """The transforms and checks that failed."""
        return tuple(self._failed.values())

    def where_of(self, node: NodeDone) -> Where | None:
        """The place in the product where a failed transform raised."""
        return self._places.get(node.unique_id)

    def _transform(self, planned: PlannedTransform) -> Iterator[NodeReport]:
        started = time.monotonic()
        child = self._start()
        if child is None:
            self._returncode = _KILLED
            return
        yield NodeBegan(planned.unique_id, now())
        printing = threading.Thread(target=self._listen, args=(child,), daemon=True)
        printing.start()
        done: set[str] = set()
        for answer in _answers(child, planned.job):
            for report in self._reports(planned, answer):
                done.add(report.unique_id)
                yield report
        returncode = self._ended(child)
        printing.join(timeout=5)  # somebody who left the process group may hold the pipe
        missing = [each for each in (planned.unique_id, *_ids_of_checks(planned)) if each not in done]
        if planned.unique_id in self._failed:
            yield from _skipped(missing, "the transform failed")
        elif missing and returncode < 0:
            self._returncode = returncode
        elif missing:
            words = f"the transform ended its process with the code {returncode}, and returned nothing"
            message = f"{words}\n{self.last_words()}".rstrip()
            seconds = time.monotonic() - started
            yield self._remember(NodeDone(missing[0], now(), NodeStatus.FAILED, seconds, message), planned)
            yield from _skipped(missing[1:], "the transform failed")

    def _reports(self, planned: PlannedTransform, answer: Answer) -> Iterator[NodeReport]:
        if answer.kind == "built":
            yield NodeDone(
                planned.unique_id,
                now(),
                NodeStatus.SUCCESS,
                answer.seconds,
                rows=answer.rows,
                columns=answer.columns,
            )
        elif answer.kind == "failed":
            if answer.file:
                self._places[planned.unique_id] = Where(answer.file, answer.line)
            failed = NodeDone(planned.unique_id, now(), NodeStatus.FAILED, answer.seconds, answer.message)
            yield self._remember(failed, planned)
        elif check := planned.checks.get(answer.check or ""):
            yield NodeBegan(check.unique_id, now())
            yield self._remember(_checked(check, answer), planned)

    def _remember(self, report: NodeDone, planned: PlannedTransform) -> NodeDone:
        if report.status is NodeStatus.FAILED:
            self._failed[report.unique_id] = report
            self._stopped.add(planned.unique_id)
            self._returncode = 1
        return report

    def _start(self) -> subprocess.Popen[bytes] | None:
        """A new child, unless the transforms were killed before."""
        with self._lock:
            if self._killed:
                return None
            self._child = subprocess.Popen(  # noqa: S603 -- our own interpreter and program
                [sys.executable, *_PROGRAM],
                env=dict(self._command.environment),
                cwd=self._command.transforms[0].job.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            return self._child

    def _ended(self, child: subprocess.Popen[bytes]) -> int:
        """The child's return code, once nothing is left of it."""
        with self._lock:
            killed, self._child = self._killed, None
            _end(child)
        returncode = child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        return _KILLED if killed else returncode

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        """Keep the end of what the child prints; all of it is read, so that printing never blocks."""
        if child.stderr is None:
            return
        with child.stderr as printed:
            while text := os.read(printed.fileno(), 65536):
                self._printed = (self._printed + text)[-_KEPT_BYTES:]


def _answers(child: subprocess.Popen[bytes], job: TransformJob) -> Iterator[Answer]:
    """Give the child its job, and yield what it answers until it says that this was all."""
    if child.stdin is None or child.stdout is None:
        return
    try:
        child.stdin.write(json.dumps(job.to_json()).encode() + b"\n")
        child.stdin.flush()  # it stays open: the child ends when it closes
    except BrokenPipeError:
        return
    for line in child.stdout:
        try:
            answer = Answer.from_json(json.loads(line))
        except (ValueError, TypeError, AttributeError):
            continue  # written by the transform, past everything that keeps it from that
        if answer.kind == "end":
            return
        yield answer


def _checked(check: TransformCheck, answer: Answer) -> NodeDone:
    found = answer.failures
    status = NodeStatus.SUCCESS
    message = None
    if found is None or found > 0:
        status = NodeStatus.FAILED if check.critical else NodeStatus.WARNED
        message = f"the check could not be made: {answer.message}" if found is None else f"Got {found} results"
    return NodeDone(check.unique_id, now(), status, answer.seconds, message, failures=found)


def _ids_of_checks(planned: PlannedTransform) -> Iterator[str]:
    return (check.unique_id for check in planned.checks.values())


def _skipped(ids: Iterable[str], message: str) -> Iterator[NodeReport]:
    for unique_id in ids:
        yield NodeDone(unique_id, now(), NodeStatus.SKIPPED, 0.0, message)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and what it started; until it is waited for, its id cannot be another's."""
    if child.returncode is None:
        kill_descendants(child.pid)  # while they are known by their parent
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
