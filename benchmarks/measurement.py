"""What is measured of a contender: wall time, CPU of a whole process tree, memory."""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds of wall and CPU, and the largest resident memory of all processes together, in MB."""

    wall: float
    cpu: float
    rss_mb: float


@dataclass(slots=True)
class Series:
    """The measurements of one contender."""

    taken: list[Measurement] = field(default_factory=list)

    def add(self, measured: Measurement) -> None:
        """Add one."""
        self.taken.append(measured)

    def median(self, what: str) -> float:
        """The median of `wall`, `cpu` or `rss_mb`."""
        return statistics.median(getattr(one, what) for one in self.taken)

    def spread(self, what: str) -> str:
        """The smallest and the largest."""
        values = [getattr(one, what) for one in self.taken]
        return f"{min(values):.2f}-{max(values):.2f}"

    def to_document(self) -> list[dict[str, float]]:
        """All measurements as JSON values."""
        return [asdict(one) for one in self.taken]


class ProcessTree:
    """The CPU that a process and all that it started have used so far, and their largest memory together.

    Children are looked at again and again: what ended and was waited for is counted by its parent, what is still
    there is counted itself.
    """

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self.peak_rss = 0
        self.cpu = 0.0

    def look(self) -> None:
        """Take the figures of this moment."""
        cpu, rss = 0.0, 0
        try:
            for process in [self._root, *self._root.children(recursive=True)]:
                try:
                    times = process.cpu_times()
                    rss += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                cpu += times.user + times.system + times.children_user + times.children_system
        except psutil.NoSuchProcess:
            return
        self.cpu = max(self.cpu, cpu)
        self.peak_rss = max(self.peak_rss, rss)


def measure_command(command: list[str], *, cwd: Path, environment: Mapping[str, str]) -> tuple[Measurement, str]:
    """Run a command to its end; what it took, and what it printed.

    Raises:
        RuntimeError: it failed.
    """
    started = time.monotonic()
    process = psutil.Popen(
        command, cwd=cwd, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    tree = ProcessTree(process.pid)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            tree.look()

    watching = threading.Thread(target=watch)
    watching.start()
    before = psutil.Process().cpu_times()
    output, _ = process.communicate()
    after = psutil.Process().cpu_times()
    wall = time.monotonic() - started
    done.set()
    watching.join()
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{output[-4000:]}")
    cpu = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return Measurement(wall, max(cpu, tree.cpu), tree.peak_rss / 2**20), output
