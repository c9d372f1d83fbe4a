"""Which ticks of a schedule have come since the last run was asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from floe_contracts.compiled_product import CompiledSchedule
from floe_contracts.live_products import LiveProduct
from floe_contracts.schedule_ticks import ticks_after

ON_TIME: Final = timedelta(minutes=1)
"""A tick that is seen no later than this was not missed."""
MOST_MISSED: Final = 100
_FIRST_WINDOW: Final = timedelta(hours=2)


def due_ticks(product: LiveProduct, at: datetime) -> tuple[datetime, ...]:
    """The ticks that a run is to be asked for now, the oldest first.

    Those since the last one that was asked for, and since the product is live, as the schedule's `catch_up` says of
    ticks that were missed: none of them, the latest, or all, a hundred at most.
    """
    schedule = product.schedule
    if schedule is None or not schedule.enabled or product.retired:
        return ()
    since = datetime.fromisoformat(product.since)
    if product.last_tick is not None:
        since = max(since, datetime.fromisoformat(product.last_tick))
    if schedule.catch_up == "all":
        return _last_ticks(schedule, since, at, MOST_MISSED)
    if schedule.catch_up == "none":
        since = max(since, at - ON_TIME)
    return _last_ticks(schedule, since, at, 1)


def _last_ticks(schedule: CompiledSchedule, since: datetime, at: datetime, most: int) -> tuple[datetime, ...]:
    # Forward in windows that grow: going back through the years since a forgotten tick would take as long as they hold,
    # and cronsim's way back differs from its way forward where summer time is half an hour.
    window = _FIRST_WINDOW
    while True:
        begin = max(since, at - window)
        found = tuple(takewhile(lambda tick: tick <= at, ticks_after(schedule, begin)))
        if len(found) >= most or begin == since:
            return found[-most:]
        window *= 2
