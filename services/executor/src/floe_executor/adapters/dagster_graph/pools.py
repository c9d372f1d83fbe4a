"""One build at a time in a DuckDB file: a pool of one place for each, kept by the instance for all processes."""

from __future__ import annotations

import time
from typing import Final

import dagster
from sqlalchemy.exc import IntegrityError, OperationalError

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.2


def make_pool(instance: dagster.DagsterInstance, pool: str) -> None:
    """Give the pool its one place, unless it has it; executors that do so at once do not harm each other."""
    storage = instance.event_log_storage
    for left in reversed(range(_TRIES)):
        try:
            if storage.get_concurrency_info(pool).slot_count != 1:
                storage.set_concurrency_slots(pool, 1)
            return
        except (IntegrityError, OperationalError):  # another executor wrote the same row
            if not left:
                raise
            time.sleep(_PAUSE_SECONDS)
