"""CPU time in a measure that holds on fast and slow machines."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable


@functools.cache
def million() -> float:
    """CPU seconds that this machine needs to add up a million numbers; the least of five tries."""
    return min(_cpu_seconds(lambda: sum(number for number in range(1_000_000))) for _ in range(5))


def millions(work: Callable[[], object]) -> float:
    """The CPU time of some work, in times that this machine needs to add up a million numbers."""
    return _cpu_seconds(work) / million()


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
