"""What a process has started, however far down and in whatever session: nothing of it outlives the transform."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def kill_descendants(pid: int) -> None:
    """Kill all that `pid` has started and that still runs; none where the kernel does not tell (other than Linux)."""
    killed: set[int] = set()
    while found := _descendants(pid) - killed:
        for each in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        killed |= found


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = _children(waiting.pop()) - found
        found |= below
        waiting += below
    return found


def _children(pid: int) -> set[int]:
    """The children of all of its threads; those of a process that is gone are somebody else's already."""
    found: set[int] = set()
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found |= {int(child) for child in listed.read_text().split()}
    return found
