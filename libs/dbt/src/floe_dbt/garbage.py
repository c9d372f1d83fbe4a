"""How often Python looks for garbage while a manifest is in memory.

A manifest is some hundred thousand objects that stay. With its usual thresholds Python walks over them again and again
while they are made: half of the time of a partial parse of 2,000 models, and of reading the result. Looking for
garbage seldom gives that time back for a few megabytes; never looking doubles the memory of a full parse.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SELDOM: Final = (50_000, 20, 20)

_lock: Final = threading.Lock()
_inside = 0
_usual = gc.get_threshold()


def collect_seldom() -> None:
    """From now on in this process, for one that does nothing but run dbt."""
    gc.set_threshold(*_SELDOM)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """While inside; several threads may be inside at the same time, and the last to leave sets it back."""
    global _inside, _usual
    with _lock:
        if _inside == 0:
            _usual = gc.get_threshold()
            collect_seldom()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                gc.set_threshold(*_usual)
